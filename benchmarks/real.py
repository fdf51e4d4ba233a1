"""What becomes of pictures that were really blurred: sheets to look at, and what can be measured where no truth is known.

    python -m benchmarks.real PHOTOS --output SHEETS [--model NAME|FILE|RUN]... [--truths DIR]

Prints of each photo how much brighter it becomes, of 255 levels; the ratio of the light in it, of which blur keeps the sum; how far it moves across colours (a and b
of CIE Lab, where 1 is hardly seen); and of flat places, with a standard deviation below 2.5 levels in 25x25 pixels, their share in percent, how much brighter they
become, and the root mean square of their change: what is not zero there was invented. With `--truths`, pictures of the same names, they are measured like results.

Each sheet shows a photo and its restorations, whole and, at their own resolution, where they changed most.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import unblur
from unblur.io.image import Image, is_image, read_rgb, write_image
from unblur.layers.light import GAMMA
from unblur.pixels import as_8_bit, to_float
from unblur.restore.drawing import sheet

SIDE = 25  # of what is looked at to tell flat places, pixels
FLAT = 2.5  # standard deviation there, of 255 levels
SHOWN = 320  # side of what is shown at its own resolution, pixels


def main() -> None:
    """Parse the command line, restore, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder for the sheets")
    parser.add_argument("--model", action="append", help="built-in weights, a file or a run; may be given several times")
    parser.add_argument("--truths", type=Path, help="folder of sharp pictures of the same names")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if any(arguments.output.iterdir()):
        parser.error(f"`{arguments.output}` holds files, which sheets might replace: choose another folder")
    loaded = {model: unblur.load(model) for model in arguments.model or ["swift_best"]}
    print(f"{'photo':24} {'model':16} {'levels':>7} {'light':>6} {'a':>6} {'b':>6} {'flat %':>7} {'levels':>7} {'change':>7}")
    rows: dict[str, list[list[float]]] = {}
    for path in filter(is_image, sorted(arguments.photos.iterdir())):
        blurry = as_8_bit(read_rgb(path))
        results = {model: deblurrer.photo(blurry) for model, deblurrer in loaded.items()}
        if arguments.truths:
            results["(truth)"] = as_8_bit(read_rgb(arguments.truths / path.name))
        for model, result in results.items():
            rows.setdefault(model, []).append(measured(blurry, result))
            show(path.stem, model, rows[model][-1])
        write_image(arguments.output / f"{path.stem}.png", Image(drawn(blurry, results)))
    for model, values in rows.items():
        show("(mean)", model, [known_mean(column) for column in zip(*values, strict=True)])


def measured(blurry: NDArray[np.uint8], result: NDArray[np.uint8]) -> list[float]:
    """The numbers of a row, in their order."""
    change = result.astype(np.float32) - blurry
    light = [np.mean((picture / 255.0) ** GAMMA) for picture in (result, blurry)]
    colours = [cv2.cvtColor(to_float(picture), cv2.COLOR_RGB2LAB).mean((0, 1)) for picture in (result, blurry)]
    grey = blurry.mean(2)
    mean = cv2.blur(grey, (SIDE, SIDE))
    flat = cv2.blur(grey**2, (SIDE, SIDE)) - mean**2 < FLAT**2
    there = [float(change[flat].mean()), float(np.sqrt(np.mean(change[flat] ** 2)))] if flat.any() else [math.nan, math.nan]
    return [float(change.mean()), light[0] / light[1], *(colours[0] - colours[1])[1:], 100 * float(flat.mean()), *there]


def known_mean(values: Sequence[float]) -> float:
    """The mean of those that are known: not all photos have flat places."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def show(name: str, model: str, values: Sequence[float]) -> None:
    """Print one line of the table."""
    levels, light, a, b, flat, there, changed = values
    print(f"{name:24} {model:16} {levels:+7.2f} {light:6.3f} {a:+6.2f} {b:+6.2f} {flat:7.1f} {there:+7.2f} {changed:7.2f}", flush=True)


def drawn(blurry: NDArray[np.uint8], results: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A photo and its restorations, whole and in part."""
    change = np.mean([np.abs(result.astype(np.float32) - blurry).mean(2) for result in results.values()], axis=0)
    side = min(SHOWN, *blurry.shape[:2])
    ((top, left),) = largest(change, side=side, count=1)
    pictures = {"blurry": blurry, **results}
    part = [(name, picture[top : top + side, left : left + side]) for name, picture in pictures.items()]
    return sheet([list(pictures.items()), part], width=SHOWN)


def largest(change: NDArray[np.float32], *, side: int, count: int) -> list[tuple[int, int]]:
    """Top left corners of up to `count` squares in which the mean of (H, W) is largest, in that order; they do not overlap."""
    height, width = (length - side + 1 for length in change.shape)
    means = cv2.boxFilter(change, -1, (side, side), anchor=(0, 0))[:height, :width].copy()
    found: list[tuple[int, int]] = []
    while len(found) < count and means.max() > -1:
        top, left = (int(place) for place in np.unravel_index(np.argmax(means), means.shape))
        found.append((top, left))
        means[max(top - side + 1, 0) : top + side, max(left - side + 1, 0) : left + side] = -1
    return found


if __name__ == "__main__":
    main()
