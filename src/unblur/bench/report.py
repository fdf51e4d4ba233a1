"""One page that shows what runs have measured: tables, plots and pictures, without anything from elsewhere.

Style, script and pictures are inside the page, so that it can be mailed, kept, and opened without a network.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean

from PIL import Image

import unblur
from unblur.bench.contender import BLURRY
from unblur.bench.crops import Crop, read_crops, which_of
from unblur.bench.datasets import published_name
from unblur.bench.extras import MEANINGS
from unblur.bench.plots import COLOURS, Point, dots, scatter
from unblur.bench.published import Published, find, systems
from unblur.bench.rows import ModelRow, PictureRow, Row, read_rows
from unblur.bench.table import Group, Summary, display_names, grouped, summarise
from unblur.bench.tasks.page import task_sections
from unblur.bench.tasks.table import summarise_tasks
from unblur.data.check import PUBLISHED_PAIRS
from unblur.errors import InputError
from unblur.io.whole import written_whole
from unblur.metrics import protocols

__all__ = ["Line", "measured_line", "ordered", "render_report", "write_report"]

_FORM_NOT_STATED = "SSIM, form not stated"
_COSTS = ("s a picture", "peak MB", "M parameters", "G mult-adds, 720p")
_HEADINGS = {"psnr": "PSNR, dB", "ssim": "SSIM", "ssim_3d": "SSIM, 3-D", "ssim_y": "SSIM, luma", "mssim": "MSSIM", "aligned": "aligned"}
_BESIDE = {
    "shifted psnr": "shifted PSNR, dB",
    "shift": "shift, pixels",
    "gmsd": "GMSD",
    "detail": "detail",
    "coherent detail": "coherent detail",
}
_TEST_PARTS = {
    "GoPro": ("gopro", "test, blur"),
    "DVD": ("dvd", "test"),
    "REDS": ("reds", "val, blur"),
    "HIDE": ("hide", "test"),
    "Köhler": ("kohler", "all"),
    "RealBlur": ("realblur", "J, test"),
}
"""The part of a data set on which papers measure, where they do not say how many pictures that are, as in `PUBLISHED_PAIRS`."""

_DECIMALS = {
    "psnr": ".2f",
    "shifted psnr": ".2f",
    "shift": ".2f",
    "detail": ".3f",
    "coherent detail": ".3f",
    "parameters_m": "g",
    "seconds": "g",
}


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        method: its name.
        published: whether it is copied from a paper.
        note: what else is to be known of it.
        colour: in plots; empty of a published one.
        psnr: by which lines are ordered, dB.
        cells: texts by heading.
    """

    method: str
    published: bool
    note: str
    colour: str
    psnr: float
    cells: dict[str, str]


@dataclass(frozen=True)
class _Section:
    """One data set by one protocol."""

    title: str
    protocol: str
    pictures: int
    headings: list[str]
    lines: list[Line]
    plots: list[tuple[str, str]]


@dataclass(frozen=True)
class _Case:
    """A crop: its three pictures as data URIs."""

    title: str
    words: str
    width: int
    blurry: str
    restored: str
    sharp: str


def write_report(
    runs: Sequence[Path], target: Path, *, cases: int = 12, means: Mapping[str, str] | None = None, overwrite: bool = False
) -> None:
    """Write the page of one run or several.

    Args:
        runs: folders of runs.
        target: the page, `.html`.
        cases: worst pictures to show.
        means: patterns of the names of models that differ by their seed, by the name of the line that they share, see `unblur.bench.table.grouped`.
        overwrite: replace `target` if it exists.

    Raises:
        InputError: if a folder holds no run, the runs hold no pictures, or models that share a line are not alike.
        OutputError: if `target` exists or cannot be written.
    """
    page = render_report(runs, cases=cases, means=means)
    with written_whole(target, overwrite=overwrite) as partial:
        partial.write_text(page, encoding="utf-8")


def render_report(runs: Sequence[Path], *, cases: int = 12, means: Mapping[str, str] | None = None) -> str:
    """The page as text; see `write_report`."""
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise InputError("a report needs jinja2; `pip install 'unblur[bench]'`") from error

    rows = [row for run in runs for row in read_rows(run)]
    summaries, tasks = summarise(rows), summarise_tasks(rows)
    if not (summaries or tasks):
        raise InputError(f"there is nothing to report: {', '.join(f'`{run}`' for run in runs)} hold no measured picture")
    names = display_names([*summaries, *tasks])
    groups = grouped(summaries, names=names, patterns=means or {})
    colours = {which: COLOURS[place % len(COLOURS)] for place, which in enumerate(names)}
    measured_on = {published_name(summary.data) for summary in summaries}
    elsewhere = [
        row
        for system in dict.fromkeys(summary.system for summary in summaries)
        if system in systems()
        for row in find(system=system)
        if row.data not in measured_on
    ]
    worst = sorted((crop for run in runs for crop in read_crops(run) if crop.model != BLURRY), key=lambda crop: crop.psnr)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("unblur.bench") / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        version=unblur.__version__,
        sections=[_section(*key, groups, rows, names, colours) for key in dict.fromkeys((each.data, each.protocol) for each in summaries)],
        tasks=task_sections(tasks, names=names, colours=colours),
        models=[(names[row.which], row) for row in _models(rows) if row.which in names],
        colours=colours,
        cases=[_case(crop, {which_of(row): names[row.which] for row in rows if isinstance(row, PictureRow)}) for crop in worst[:cases]],
        elsewhere=elsewhere,
        beside=[(_BESIDE[name], MEANINGS[name]) for name in _BESIDE if any(name in summary.means for summary in summaries)],
        protocols=[protocols.get(name) for name in dict.fromkeys(summary.protocol for summary in summaries)],
    )


def _models(rows: Sequence[Row]) -> list[ModelRow]:
    return list({row.which: row for row in rows if isinstance(row, ModelRow)}.values())


def _section(
    data: str,
    protocol: str,
    groups: Sequence[Group],
    rows: Sequence[Row],
    names: dict[tuple[str, ...], str],
    colours: dict[tuple[str, ...], str],
) -> _Section:
    lines_of = [group for group in groups if (group.first.data, group.first.protocol) == (data, protocol)]
    own = [summary for group in lines_of for summary in group.members]
    known_as = published_name(data)
    others = _once(find(data=known_as)) if known_as in _published_data() else []
    lines = [measured_line(group, colour=colours[group.first.which]) for group in lines_of]
    ours = sorted({summary.pictures for summary in own})
    lines += [_published(row, ours=ours) for row in others]
    lines.sort(key=lambda line: (line.published, -line.psnr))
    return _Section(
        title=data,
        protocol=protocol,
        pictures=max(summary.pictures for summary in own),
        headings=ordered(lines),
        lines=lines,
        plots=_plots(own, others, rows, names, colours),
    )


def _once(rows: Sequence[Published]) -> list[Published]:
    """Rows without those that another table of the same source repeats; the one that says most is kept."""
    kept: dict[tuple[object, ...], Published] = {}
    for row in rows:
        key = (row.source, row.system, row.values["psnr"], row.values.get("ssim"), row.values.get("mssim"))
        if key not in kept or len(row.values) > len(kept[key].values):
            kept[key] = row
    return list(kept.values())


def _published_data() -> set[str]:
    return {row.data for row in find()}


def ordered(lines: Sequence[Line]) -> list[str]:
    """The headings of a table, measures before costs."""
    headings = list(dict.fromkeys(heading for line in lines for heading in line.cells))
    known = [*_HEADINGS.values(), _FORM_NOT_STATED, "gain, dB", *_BESIDE.values(), "warping error", "of the sharp"]
    order = {heading: place for place, heading in enumerate([*known, "", *_COSTS])}
    return sorted(headings, key=lambda heading: order.get(heading, order[""]))


def measured_line(group: Group, *, colour: str = "") -> Line:
    """The line of a model, or of several that differ by their seed: means, with the sample standard deviation behind `±`."""
    first = group.first
    names = [name for name in first.means if all(name in each.means for each in group.members)]
    cells = {(_HEADINGS | _BESIDE).get(name, name): _mean_and_deviation(group, name, _DECIMALS.get(name, ".4f")) for name in names}
    cells["gain, dB"] = _mean_and_deviation(group, "gain", "+.2f")
    if all(each.warping_error is not None for each in group.members):
        cells["warping error"] = _mean_and_deviation(group, "warping_error", ".5f")
        cells["of the sharp"] = f"{first.warping_error_sharp:.5f}"
    if first.has_cost:
        cells["s a picture"] = f"{fmean(each.seconds for each in group.members):.3g}"
        cells["peak MB"] = f"{max(each.peak_bytes for each in group.members) / 1e6:.0f}"
        cells["M parameters"] = f"{first.parameters / 1e6:.2f}"
        cells["G mult-adds, 720p"] = f"{first.multiply_adds / 1e9:.0f}"
    notes = [f"{first.pictures} pictures"]
    if first.has_cost:
        notes.append(f"{first.device}, {first.precision}")
    if first.way == "results":
        notes.append("restored by another program")
    if len(group.members) > 1:
        notes.append(f"mean ± sample deviation over {len(group.members)} models that differ by their weights")
    if infinite := sum(each.infinite for each in group.members):
        notes.append(f"{infinite} perfect, left out of the mean PSNR")
    return Line(group.name, published=False, note="; ".join(notes), colour=colour, psnr=group.measure("psnr")[0], cells=cells)


def _mean_and_deviation(group: Group, name: str, form: str) -> str:
    mean, deviation = group.measure(name)
    if not math.isfinite(mean):
        return "∞" if math.isinf(mean) else "–"
    return f"{mean:{form}}" + (f" ± {deviation:{form.lstrip('+')}}" if deviation is not None else "")


def _published(row: Published, *, ours: Sequence[int]) -> Line:
    forms = {
        "psnr": _HEADINGS["psnr"],
        "ssim": _FORM_NOT_STATED,
        "mssim": "MSSIM",
        "parameters_m": "M parameters",
        "seconds": "s a picture",
    }
    beside = _other_pictures(row, ours=ours)
    cells = {
        forms[measure]: _value(measure, value) + ("" if measure in ("parameters_m", "seconds") else beside)
        for measure, value in row.values.items()
    }
    note = f"{row.source}, {row.table}"
    if "seconds" in row.values:
        note += f"; {row.hardware}"
    note += f"; {row.note}" if row.note else ""
    return Line(f"{row.system}: {row.row}", published=True, note=note, colour="", psnr=row.values["psnr"], cells=cells)


def _other_pictures(row: Published, *, ours: Sequence[int]) -> str:
    """What to say in a cell of a published figure that is over other pictures than those measured here; empty if it is over as many."""
    known = row.pictures or PUBLISHED_PAIRS.get(_TEST_PARTS.get(row.data, ("", "")))
    if list(ours) == [known]:
        return ""
    own = f"{ours[0]:,}" if len(ours) == 1 else f"{ours[0]:,} to {ours[-1]:,}"
    return f" ({f'over {known:,} pictures' if known else 'pictures not stated'}; ours over {own})"


def _value(measure: str, value: float) -> str:
    if not math.isfinite(value):
        return "∞" if math.isinf(value) else "–"
    return f"{value:{_DECIMALS.get(measure, '.4f')}}"


def _plots(
    own: Sequence[Summary],
    others: Sequence[Published],
    rows: Sequence[Row],
    names: dict[tuple[str, ...], str],
    colours: dict[tuple[str, ...], str],
) -> list[tuple[str, str]]:
    """Captions and SVGs."""
    networks = [summary for summary in own if summary.has_cost and math.isfinite(summary.means["psnr"])]
    found: list[tuple[str, str]] = []
    by_time = [
        Point(x=summary.seconds, y=summary.means["psnr"], label=names[summary.which], colour=colours[summary.which]) for summary in networks
    ]
    by_time += [
        Point(x=row.values["seconds"], y=row.values["psnr"], label=row.system, colour="#777", hollow=True)
        for row in others
        if "seconds" in row.values
    ]
    by_memory = [
        Point(x=summary.peak_bytes / 1e6, y=summary.means["psnr"], label=names[summary.which], colour=colours[summary.which])
        for summary in networks
    ]
    if by_time:
        counts = [_other_pictures(row, ours=sorted({summary.pictures for summary in own})) for row in others if "seconds" in row.values]
        pictures = " and over other pictures" if any(counts) else ""
        rings = f"; rings are published, on other hardware{pictures}" if any(point.hollow for point in by_time) else ""
        found.append(
            (f"PSNR against time{rings}", scatter(by_time, x_label="seconds a picture", y_label="PSNR, dB", title="PSNR against time"))
        )
    if by_memory:
        found.append(("PSNR against memory", scatter(by_memory, x_label="peak MB", y_label="PSNR, dB", title="PSNR against memory")))
    found.append(("PSNR of each sequence", _by_sequence(own, others, rows, names, colours)))
    return [(caption, svg) for caption, svg in found if svg]


def _by_sequence(
    own: Sequence[Summary],
    others: Sequence[Published],
    rows: Sequence[Row],
    names: dict[tuple[str, ...], str],
    colours: dict[tuple[str, ...], str],
) -> str:
    members: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    wanted = {summary.which for summary in own}
    latest = {row.key: row for row in rows if isinstance(row, PictureRow)}
    for row in latest.values():
        if (row.data, row.protocol) == (own[0].data, own[0].protocol) and row.which in wanted and math.isfinite(row.measures["psnr"]):
            members.setdefault((row.sequence, row.which), []).append(row.measures["psnr"])
    points = [
        Point(x=fmean(values), label=names[which], colour=colours[which], row=sequence) for (sequence, which), values in members.items()
    ]
    own_systems = {summary.system: colours[summary.which] for summary in own}
    sequences = {point.row for point in points}
    for published in find(data=others[0].data, sequences=True) if others else []:
        if published.sequence in sequences and published.system in own_systems:
            colour, label = own_systems[published.system], f"{published.system}, published"
            points.append(Point(x=published.values["psnr"], label=label, colour=colour, row=published.sequence, hollow=True))
    means = {sequence: fmean(point.x for point in points if point.row == sequence) for sequence in sequences}
    points.sort(key=lambda point: (means[point.row], point.row))
    return dots(points, x_label="PSNR, dB; the hardest sequence first", title="PSNR of each sequence")


def _case(crop: Crop, names: dict[str, str]) -> _Case:
    with Image.open(crop.file) as strip:
        side = strip.width // 3
        parts = [strip.crop((side * place, 0, side * (place + 1), strip.height)) for place in range(3)]
    return _Case(
        title=f"{crop.sequence} / {crop.name}",
        words=f"{names.get(crop.which, crop.model)}: {crop.before:.2f} → {crop.psnr:.2f} dB ({crop.psnr - crop.before:+.2f}) on {crop.data}",
        width=side,
        blurry=_data_uri(parts[0]),
        restored=_data_uri(parts[1]),
        sharp=_data_uri(parts[2]),
    )


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
