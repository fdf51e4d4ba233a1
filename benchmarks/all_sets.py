"""One table of many networks on all validation sets. It can be stopped at any time, and goes on with what is missing.

    python -m benchmarks.all_sets DATA --output FOLDER [--model NAME|FILE]... [--set NAME]... [--most N] [--precision P] [--single-scale]
    python -m benchmarks.all_sets DATA --output FOLDER --model MODEL... --show

DATA holds the pairs `photos/` and `gopro_stills/` (`blurry/`, `sharp/`) and the clips `clips/`, of which the one called `gopro` is a set of its own. From
`photos/` two more sets are made: `near-sharp`, its sharp pictures blurred by less than a pixel with noise and JPEG, and `given-sharp`, its sharp pictures as
they are. Each restored picture, or clip, is a line of `FOLDER/rows.jsonl` with the SHA-256 of its weights, so that nothing is restored twice and weights that have changed are measured
anew. `--most` takes that many pictures of each set, evenly. Printed, and written as `FOLDER/table.md`, is the table of all that is there;
its columns are those of `benchmarks.quality`, over the frames of all clips of a set. Seconds and MiB are those of a picture or frame.
"""

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

import unblur
from benchmarks.quality import RANGES, STRONG, Measures, Row, drawn, mean, measured, read
from benchmarks.quality_of_clips import frames
from benchmarks.resident import forget_peak, peak
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Precision
from unblur.weights import weights_path

BLURRY = "(blurry)"
"""Stands for no network at all."""
SETS = ("photos", "gopro_stills", "near-sharp", "given-sharp", "clips", "gopro")
NEAR_SHARP_PAIRS = 128
Pictures = list[NDArray[np.uint8]]
T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """What is restored at once: a pair of pictures, or the frames of a clip.

    Attributes:
        name: within its set.
        blurry: one picture, or the frames of a clip, (H, W, 3) each.
        sharp: as many.
    """

    name: str
    blurry: Pictures
    sharp: Pictures


@dataclass(frozen=True)
class Restored:
    """A line of `rows.jsonl`: how a network did on an item.

    Attributes:
        set: name of the set.
        item: name of the item.
        model: name of the weights.
        digest: what else the result depends on: SHA-256 of the weights, precision and scales.
        frames: measures of each restored picture.
        seconds: a picture.
        mib: by how much the largest resident set grew, MiB.
    """

    set: str
    item: str
    model: str
    digest: str
    frames: tuple[Measures, ...]
    seconds: float
    mib: float


def main() -> None:
    """Parse the command line, restore what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", action="append", help="built-in weights or a file; may be given several times")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets", help="may be given several times; all by default")
    parser.add_argument("--most", type=int, help="pictures or clips of each set")
    parser.add_argument("--precision", default="auto", choices=get_args(Precision))
    parser.add_argument("--single-scale", action="store_true", help="restore pictures at their own size alone")
    parser.add_argument("--show", action="store_true", help="print the table of what is there, and restore nothing")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    log = arguments.output / "rows.jsonl"
    models = [BLURRY, *(arguments.model or ["swift_fused"])]
    digests = {model: digest(model, precision=arguments.precision, single_scale=arguments.single_scale) for model in models}
    if not arguments.show:
        measure_missing(arguments, log, digests)
    table = "\n".join(tables(known(log), digests))
    (arguments.output / "table.md").write_text(table + "\n", encoding="utf-8")
    print(table)


def measure_missing(arguments: argparse.Namespace, log: Path, digests: dict[str, str]) -> None:
    """Restore and measure what has no line in the log yet."""
    done = {(row.set, row.item, row.model, row.digest) for row in known(log)}
    for model, its_digest in digests.items():
        restore = restorer(model, precision=arguments.precision, single_scale=arguments.single_scale)
        for name in arguments.sets or SETS:
            for item in items(arguments.data, name, most=arguments.most):
                if (name, item.name, model, its_digest) in done:
                    continue
                base, began = forget_peak(), time.perf_counter()
                result = restore(item.blurry)
                seconds, mib = (time.perf_counter() - began) / len(result), 1024 * (peak() - base)
                measures = tuple(map(measured, result, item.sharp))
                line = Restored(name, item.name, model, its_digest, measures, seconds, mib)
                with log.open("a", encoding="utf-8") as file:
                    file.write("\n" + json.dumps(asdict(line)))  # the line before may have been cut off


def items(data: Path, name: str, *, most: int | None = None) -> Iterator[Item]:
    """The items of a set, or that many of them, evenly."""
    if name in {"clips", "gopro"}:
        folders = [each for each in sorted((data / "clips").iterdir()) if (each.name == "gopro") == (name == "gopro")]
        for folder in thinned(folders, most):
            yield Item(folder.name, frames(folder / "blurry"), frames(folder / "sharp"))
        return
    if name == "near-sharp":
        pairs = list(drawn(data / "photos", RANGES[name], count=NEAR_SHARP_PAIRS))
    else:
        pairs = list(read(data / ("photos" if name == "given-sharp" else name)))
    for number, (blurry, sharp, _) in thinned(list(enumerate(pairs)), most):
        yield Item(str(number), [sharp if name == "given-sharp" else blurry], [sharp])


def thinned(everything: Sequence[T], most: int | None) -> list[T]:
    """That many, evenly; all of them if there are no more."""
    if most is None or len(everything) <= most:
        return list(everything)
    return [everything[number * len(everything) // most] for number in range(most)]


def restorer(model: str, *, precision: Precision, single_scale: bool) -> Callable[[Pictures], Pictures]:
    """Restores the pictures of an item."""
    loaded: list[Deblurrer] = []  # once it is needed

    def restore(blurry: Pictures) -> Pictures:
        if model == BLURRY:
            return blurry
        if not loaded:
            loaded.append(unblur.load(model, precision=precision, single_scale=single_scale))
        return [loaded[0].photo(blurry[0])] if len(blurry) == 1 else list(loaded[0].frames(blurry))

    return restore


def digest(model: str, *, precision: Precision, single_scale: bool) -> str:
    """What tells results of a model from those of others of its name."""
    if model == BLURRY:
        return ""
    with weights_path(model).open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{weights} {precision}{' single-scale' if single_scale else ''}"


def known(log: Path) -> list[Restored]:
    """The lines of the log, without those that were cut off."""
    rows = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows.append(Restored(**{**row, "frames": tuple(Measures(**each) for each in row["frames"])}))
    return rows


def tables(rows: Sequence[Restored], digests: dict[str, str]) -> Iterator[str]:
    """Lines of Markdown, a table for each set."""
    before = {(row.set, row.item): row.frames for row in rows if row.model == BLURRY}
    for name in SETS:
        of_set = [row for row in rows if row.set == name and digests.get(row.model) == row.digest and (name, row.item) in before]
        if not of_set:
            continue
        yield f"\n**{name}**, {len({row.item for row in of_set})} {'clips' if name in {'clips', 'gopro'} else 'pictures'}\n"
        sharp = name == "given-sharp"
        yield (
            "| weights | of them | PSNR, mean | median | worst | seconds | MiB |"
            if sharp
            else "| weights | of them | PSNR | gain | strong | weak | worst | SSIM | shifted | shift | GMSD | detail | coherent | seconds | MiB |"
        )
        yield "|---" * (7 if sharp else 15) + "|"
        for model in digests:
            its = [row for row in of_set if row.model == model]
            if its and not (sharp and model == BLURRY):
                yield (line_of_sharp if sharp else line_of)(Path(model).stem, its, before)


def line_of(model: str, rows: Sequence[Restored], before: dict[tuple[str, str], tuple[Measures, ...]]) -> str:
    """A row of a set's table."""
    pairs = [Row(*both) for row in rows for both in zip(before[row.set, row.item], row.frames, strict=True)]
    strong, weak = ([row.gain for row in pairs if (row.before.psnr < STRONG) == side] for side in (True, False))
    cells = [
        *(f"{mean(gains):+.2f}" if gains else "" for gains in ([row.gain for row in pairs], strong, weak)),
        f"{min(row.gain for row in pairs):+.2f}",
        f"{mean([row.after.ssim - row.before.ssim for row in pairs]):+.4f}",
        f"{mean([row.after.shifted - row.before.shifted for row in pairs]):+.2f}",
    ]
    seen = [row.after for row in pairs]
    textured = [each for each in seen if each.detail == each.detail]  # a flat picture has no detail
    last = [
        f"{mean([each.shift for each in seen]):.2f}",
        f"{mean([each.gmsd for each in seen]):.3f}",
        *(f"{mean([getattr(each, name) for each in textured]):.2f}" for name in ("detail", "coherent")),
    ]
    cost = [f"{mean([row.seconds for row in rows]):.2f}", f"{max(row.mib for row in rows):.0f}"]
    if model == BLURRY:
        cells, cost = [""] * len(cells), [""] * len(cost)
    return "| " + " | ".join([model, str(len(rows)), f"{mean([each.psnr for each in seen]):.2f}", *cells, *last, *cost]) + " |"


def line_of_sharp(model: str, rows: Sequence[Restored], _: object) -> str:
    """A row of the table of what was sharp already."""
    near = [each.psnr for row in rows for each in row.frames]
    cells = [f"{mean(near):.2f}", f"{statistics.median(near):.2f}", f"{min(near):.2f}"]
    return (
        "| "
        + " | ".join([model, str(len(rows)), *cells, f"{mean([row.seconds for row in rows]):.2f}", f"{max(row.mib for row in rows):.0f}"])
        + " |"
    )


if __name__ == "__main__":
    main()
