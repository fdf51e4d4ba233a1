"""Compares with numbers that another program computed; `tests/calibration/ssim.csv` says which and how.

The pairs are integer formulas, so that they are the same everywhere. This test reads the table and never writes it.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from unblur.metrics import from_uint8, psnr, ssim, ssim_3d

TABLE = Path(__file__).parents[1] / "calibration" / "ssim.csv"
MEASURES = {"psnr": psnr, "ssim": ssim, "ssim_3d": ssim_3d}


def pair(name):
    """The sharp and the restored picture of that name, (H, W, 3) levels."""
    height, width = {"waves": (48, 64), "stripes": (37, 53), "checks": (64, 40), "corner": (33, 45)}[name]
    y, x, c = np.mgrid[:height, :width, :3]
    if name == "waves":  # smooth slopes, horizontally blurred over five pixels
        sharp = np.abs((x * 5 + y * 3 + c * 40) % 510 - 255)
        restored = sum(np.roll(sharp, k, axis=1) for k in range(-2, 3)) // 5
    elif name == "stripes":  # a colour cast
        sharp = 60 + 120 * ((x // 4 + c) % 2) + y % 7
        restored = sharp + np.array([6, 0, -9])
    elif name == "checks":  # grain
        sharp = 40 + 150 * ((x // 8 + y // 8) % 2) + 3 * c
        restored = sharp + (x * 37 + y * 91 + c * 53 + x * y * 17) % 23 - 11
    else:  # moved by one pixel, darker
        sharp = (x * x // 9 + y * y // 5 + x * y // 7 + 30 * c) % 256
        restored = np.roll(sharp, 1, axis=0) * 9 // 10
    return tuple(levels.clip(0, 255).astype(np.uint8) for levels in (sharp, restored))


def rows():
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['pair']}-{row['measure']}")
def test_agrees_with_the_table(row):
    sharp, restored = map(from_uint8, pair(row["pair"]))
    value = MEASURES[row["measure"]](restored, sharp).item()
    assert value == pytest.approx(float(row["value"]), abs=1e-6)


def test_the_table_is_whole():
    assert {(row["pair"], row["measure"]) for row in rows()} == {(p, m) for p in ("waves", "stripes", "checks", "corner") for m in MEASURES}
