"""Which of two restorations looks better: sheets of really blurred pictures that do not say whose is whose, and the count of the answers.

    python -m benchmarks.blind PHOTOS --model A --model B --output SHEETS [--crops N] --seed S
    python -m benchmarks.blind PHOTOS --model A --results NAME=FOLDER --output SHEETS --seed S
    python -m benchmarks.blind --reveal SHEETS

Each sheet shows, pixel by pixel, the two results side by side where they differ most, and the same crop of the blurry picture. Which one is
on the left is drawn at random by the seed, for each sheet anew. `key.json` says it; do not read it before you have answered. Write `left`, `right`
or `equal` behind each sheet's name in `answers.csv`. `--reveal` counts the wins, and gives the probability of a count that is as uneven
by chance (two-sided sign test, without `equal`; several crops of a photo are no independent answers).

`--results` takes pictures that were made elsewhere in the place of a model: files of the same names as the photos, of any format.
"""

import argparse
import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import unblur
from benchmarks.real import largest
from unblur.errors import InputError
from unblur.io.image import Image, is_image, read_rgb, write_image
from unblur.pixels import as_8_bit
from unblur.restore.drawing import sheet

SHOWN = 384  # side of a crop, pixels
KEY, ANSWERS = "key.json", "answers.csv"
CHOICES = ("left", "right", "equal")

Restore = Callable[[Path, NDArray[np.uint8]], NDArray[np.uint8]]
"""Gives the result for a photo, of its path and its pixels."""


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows.

    Attributes:
        name: of its file.
        photo: name of the blurry file.
        top: of the crop, pixels.
        left_edge: of the crop, pixels.
        left: whose result is on the left.
        right: whose result is on the right.
    """

    name: str
    photo: str
    top: int
    left_edge: int
    left: str
    right: str


def main() -> None:
    """Parse the command line; make sheets, or count answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--model", action="append", default=[], help="built-in weights, a file or a run; may be given twice")
    parser.add_argument(
        "--results", action="append", default=[], metavar="NAME=FOLDER", help="results made elsewhere, in the place of a model"
    )
    parser.add_argument("--output", type=Path, help="folder for the sheets")
    parser.add_argument("--crops", type=int, default=1, help="sheets for each photo, at most")
    parser.add_argument("--seed", type=int, help="of the order of left and right")
    parser.add_argument("--reveal", type=Path, metavar="SHEETS", help="count the answers of this folder")
    arguments = parser.parse_args()
    try:
        if arguments.reveal:
            show_wins(arguments.reveal)
            return
        if arguments.photos is None or arguments.output is None or arguments.seed is None:
            parser.error("name PHOTOS, `--output` and `--seed`; or `--reveal SHEETS`")
        if arguments.output.is_dir() and any(arguments.output.iterdir()):
            parser.error(f"`{arguments.output}` holds files, which sheets might replace: choose another folder")
        methods = named(arguments.model, arguments.results)
        make_sheets(arguments.photos, methods, arguments.output, crops=arguments.crops, rng=np.random.default_rng(arguments.seed))
    except InputError as error:
        parser.error(str(error))


def named(models: list[str], results: list[str]) -> dict[str, Restore]:
    """The two methods by name.

    Raises:
        InputError: if there are not two of different names, or a folder of results is not named so.
    """
    methods: dict[str, Restore] = {}
    for each in results:
        name, separator, folder = each.partition("=")
        if not (name and separator and Path(folder).is_dir()):
            raise InputError(f"`--results {each}` names no folder of results: write NAME=FOLDER")
        methods[name] = partial(read_result, Path(folder))
    if len(models) + len(results) != 2 or len({*methods, *models}) != 2:
        raise InputError("a blind comparison is between two: name two different ones by `--model` and `--results`")
    return methods | {model: partial(restored, unblur.load(model)) for model in models}


def restored(deblurrer: unblur.Deblurrer, _path: Path, blurry: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The result of a network."""
    return deblurrer.photo(blurry)


def read_result(folder: Path, path: Path, blurry: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A result that was made elsewhere.

    Raises:
        InputError: if there is not one file of the photo's name, or it has another size.
    """
    found = [file for file in sorted(folder.iterdir()) if file.stem == path.stem and is_image(file)]
    if len(found) != 1:
        raise InputError(f"`{folder}` holds {len(found)} pictures named `{path.stem}`; one is needed")
    result = as_8_bit(read_rgb(found[0]))
    if result.shape != blurry.shape:
        raise InputError(f"`{found[0]}` has {result.shape[1]}x{result.shape[0]} pixels, `{path}` {blurry.shape[1]}x{blurry.shape[0]}")
    return result


def make_sheets(photos: Path, methods: dict[str, Restore], output: Path, *, crops: int, rng: np.random.Generator) -> None:
    """Write the sheets of a folder of photos, their key, and the answers to fill in."""
    output.mkdir(parents=True, exist_ok=True)
    sheets: list[Sheet] = []
    for path in filter(is_image, sorted(photos.iterdir())):
        blurry = as_8_bit(read_rgb(path))
        results = {name: restore(path, blurry) for name, restore in sorted(methods.items())}
        for top, left_edge, side in places(*results.values(), count=crops):
            left, right = rng.permutation(list(results))
            shown = {"left": results[left], "right": results[right], "blurry": blurry}
            cells = [(text, picture[top : top + side, left_edge : left_edge + side]) for text, picture in shown.items()]
            sheets.append(Sheet(f"{len(sheets) + 1:03}.png", path.name, top, left_edge, str(left), str(right)))
            write_image(output / sheets[-1].name, Image(sheet([cells], width=side)))
    if not sheets:
        raise InputError(f"`{photos}` holds no pictures")
    (output / KEY).write_text(json.dumps([asdict(each) for each in sheets], indent=2) + "\n", encoding="utf-8")
    with (output / ANSWERS).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("sheet", "answer"), *((each.name, "") for each in sheets)])
    print(f"{len(sheets)} sheets in {output}; write left, right or equal into {output / ANSWERS}, then --reveal {output}")


def places(one: NDArray[np.uint8], other: NDArray[np.uint8], *, count: int) -> Iterator[tuple[int, int, int]]:
    """Top, left and side of the squares in which two results differ most."""
    side = min(SHOWN, *one.shape[:2])
    difference = np.abs(one.astype(np.float32) - other).mean(2)
    for top, left in largest(difference, side=side, count=count):
        yield top, left, side


def show_wins(folder: Path) -> None:
    """Print how often each was preferred."""
    sheets = {each["name"]: Sheet(**each) for each in json.loads((folder / KEY).read_text(encoding="utf-8"))}
    answers = read_answers(folder / ANSWERS, known=set(sheets))
    wins = Counter({name: 0 for each in sheets.values() for name in (each.left, each.right)})
    wins.update(getattr(sheets[name], answer) for name, answer in answers.items() if answer != "equal")
    for name, count in sorted(wins.items(), key=lambda pair: (-pair[1], pair[0])):
        print(f"{name:24} {count:4}")
    print(f"{'(equal)':24} {sum(answer == 'equal' for answer in answers.values()):4}")
    print(f"{'(not answered)':24} {len(sheets) - len(answers):4}")
    print(f"{'(as uneven by chance)':24} {chance(*wins.values()):4.2f}")


def read_answers(path: Path, *, known: set[str]) -> dict[str, str]:
    """The answers that were given, by sheet.

    Raises:
        InputError: if a line names no sheet of the key or names one twice, or its answer is none of the choices.
    """
    answers: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, line in enumerate(csv.reader(file), start=1):
            name, answer = ([cell.strip() for cell in line] + ["", ""])[:2]
            if (name, answer) in {("sheet", "answer"), ("", "")} or (name in known and not answer):
                continue
            if name not in known or name in answers or answer.lower() not in CHOICES:
                raise InputError(f"`{path}`, line {number}: write a sheet of the key, once, and {', '.join(CHOICES)} behind it, not {line}")
            answers[name] = answer.lower()
    return answers


def chance(one: int, other: int) -> float:
    """Probability of a count as uneven as this or more, if both were equally good."""
    total, least = one + other, min(one, other)
    return min(1.0, 2 * sum(math.comb(total, count) for count in range(least + 1)) / 2**total)


if __name__ == "__main__":
    main()
