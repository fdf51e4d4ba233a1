"""What runs have measured in the forms that papers and spreadsheets take: a row a picture as CSV, tables as LaTeX and Markdown."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from unblur.bench.report import Line, measured_line, ordered
from unblur.bench.rows import ModelRow, PictureRow, read_rows
from unblur.bench.table import display_names, grouped, pictures_of, summarise
from unblur.errors import InputError
from unblur.io.whole import written_whole

__all__ = ["render_latex", "render_markdown", "write_csv", "write_tables"]

_FACTS = ("model", "data", "sequence", "frame", "name", "protocol", "width", "height")
_WAYS = ("seconds", "peak_bytes", "kept_input", "device", "precision", "way", "self_ensemble", "version")
_UNKNOWN = ("seconds", "peak_bytes", "kept_input", "device", "precision")
_DIGESTS = ("model_sha256", "arguments_sha256", "blurry_sha256", "sharp_sha256")
_LOWER_IS_BETTER = ("gmsd", "warping", "lpips", "dists", "niqe")
_HIGHER_IS_BETTER = ("psnr", "ssim", "mssim", "gain", "shifted psnr", "coherent detail", "musiq")
_LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
_LATEX |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "∞": r"$\infty$", "–": "--"}
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def write_csv(runs: Sequence[Path], target: Path, *, overwrite: bool = False) -> None:
    """Write what was measured of every picture, one row a picture, model and protocol.

    Columns: the model and its network, which picture of which data, the protocol, each measure of the restored picture, the same of the blurry one
    (`blurry psnr` and so on), measures beside those of the protocol, seconds, memory, device, and digests of all that was used. What a protocol
    does not measure is empty, and so are costs of what another program restored.

    Raises:
        InputError: if a folder holds no run, or the runs hold no pictures.
        OutputError: if `target` exists or cannot be written.
    """
    rows = [row for run in runs for row in read_rows(run)]
    systems = {row.which: row.system for row in rows if isinstance(row, ModelRow)}
    pictures = pictures_of(rows)
    _refuse_nothing(runs, pictures)
    measures = list(dict.fromkeys(name for row in pictures for name in row.measures))
    extras = list(dict.fromkeys(name for row in pictures for name in row.extras))
    heads = [*_FACTS, "system", *measures, *(f"blurry {name}" for name in measures), *extras, *_WAYS, *_DIGESTS]
    with written_whole(target, overwrite=overwrite) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, heads, restval="")
        writer.writeheader()
        for row in pictures:
            facts = row.model_dump(include={*_FACTS, *_WAYS, *_DIGESTS})
            if row.way == "results":  # of another program
                facts |= dict.fromkeys(_UNKNOWN, "")
            before = {f"blurry {name}": value for name, value in row.before.items()}
            writer.writerow(facts | {"system": systems.get(row.which, "")} | row.measures | before | row.extras)


def write_tables(runs: Sequence[Path], target: Path, *, means: Mapping[str, str] | None = None, overwrite: bool = False) -> None:
    """Write the tables of runs, one for each data set and protocol, as LaTeX (`.tex`) or Markdown (`.md`).

    Args:
        runs: folders of runs.
        target: the file; its suffix says which.
        means: as for `unblur.bench.report.write_report`.
        overwrite: replace `target` if it exists.

    Raises:
        InputError: if a folder holds no run, the runs hold no pictures, models that share a line are not alike, or the suffix is another.
        OutputError: if `target` exists or cannot be written.
    """
    forms = {".tex": render_latex, ".md": render_markdown}
    render = forms.get(target.suffix.lower())
    if render is None:
        raise InputError(f"`{target}` is to be a table in an unknown form; its name must end in {' or '.join(forms)}")
    rows = [row for run in runs for row in read_rows(run)]
    _refuse_nothing(runs, pictures_of(rows))
    summaries = summarise(rows)
    tables: dict[tuple[str, str], list[Line]] = {}
    for group in grouped(summaries, names=display_names(summaries), patterns=means or {}):
        tables.setdefault((group.first.data, group.first.protocol), []).append(measured_line(group))
    parts = [render(data, protocol, sorted(lines, key=lambda line: -line.psnr)) for (data, protocol), lines in tables.items()]
    with written_whole(target, overwrite=overwrite) as partial:
        partial.write_text("\n".join(parts), encoding="utf-8")


def render_latex(data: str, protocol: str, lines: Sequence[Line]) -> str:
    """One table for the package booktabs, with the best of each measure in bold.

    Args:
        data: name of the data set.
        protocol: by which it was measured.
        lines: of the table, in order.
    """
    headings = ordered(lines)
    best = {heading: _best(heading, lines) for heading in headings}
    body = []
    for line in lines:
        cells = [_latex(line.cells.get(heading, "")) for heading in headings]
        marked = [
            f"\\textbf{{{cell}}}" if heading in best and _leading(line.cells.get(heading, "")) == best[heading] is not None else cell
            for heading, cell in zip(headings, cells, strict=True)
        ]
        body.append("    " + " & ".join([_latex(line.method), *marked]) + r" \\")
    notes = [f"% {line.method}: {line.note}" for line in lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_latex(data)}, measured by \texttt{{{_latex(protocol)}}}.}}",
            rf"  \begin{{tabular}}{{l{'r' * len(headings)}}}",
            r"    \toprule",
            "    " + " & ".join(["Method", *map(_latex, headings)]) + r" \\",
            r"    \midrule",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            *notes,
            "",
        ]
    )


def render_markdown(data: str, protocol: str, lines: Sequence[Line]) -> str:
    """One table in Markdown; arguments as for `render_latex`."""
    headings = ordered(lines)
    rows = [
        ["method", *headings, "remarks"],
        ["---", *["---:"] * len(headings), "---"],
        *([line.method, *(line.cells.get(heading, "") for heading in headings), line.note] for line in lines),
    ]
    table = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"{data} by `{protocol}`", "", *table, ""])


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _best(heading: str, lines: Sequence[Line]) -> float | None:
    """The best number of a column as it is printed; None where none is better than another, or where they are costs."""
    name = heading.lower()
    values = [value for line in lines if (value := _leading(line.cells.get(heading, ""))) is not None]
    if len(values) < 2 or name.startswith("of the sharp"):
        return None
    if name.startswith(_LOWER_IS_BETTER):
        return min(values)
    return max(values) if name.startswith(_HIGHER_IS_BETTER) else None


def _leading(cell: str) -> float | None:
    """The number with which a cell begins."""
    match = _NUMBER.match(cell)
    return float(match[0]) if match else None


def _refuse_nothing(runs: Sequence[Path], pictures: Sequence[PictureRow]) -> None:
    if not pictures:
        raise InputError(f"there is nothing to report: {', '.join(f'`{run}`' for run in runs)} hold no measured picture")
