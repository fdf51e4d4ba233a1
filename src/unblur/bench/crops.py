"""Crops that a run keeps to be looked at: the blurry, restored and sharp picture where the blur did most harm."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unblur.bench.rows import PictureRow
from unblur.pixels import to_levels

__all__ = ["SIDE", "Crop", "Gallery", "read_crops", "which_of", "worst_place"]

SIDE = 224
"""Pixels of a crop's side, at most."""

FOLDER = "crops"


@dataclass(frozen=True)
class Crop:
    """A crop that was kept.

    Attributes:
        model: name of the model.
        which: digest of its weights, device, precision and way.
        data: name of the data set.
        sequence: where the picture is.
        name: of its blurry file.
        protocol: by which it was measured.
        psnr: of the whole picture, restored; dB.
        before: of the whole picture, blurry; dB.
        file: PNG with the blurry, restored and sharp crop from left to right.
    """

    model: str
    which: str
    data: str
    sequence: str
    name: str
    protocol: str
    psnr: float
    before: float
    file: Path


class Gallery:
    """Keeps the crops of the worst pictures of each model and data set in a run.

    Args:
        run: its folder.
        most: crops for each model and data set.
    """

    def __init__(self, run: Path, *, most: int) -> None:
        self._folder, self._most = run / FOLDER, most
        self._kept: dict[tuple[str, ...], list[tuple[float, Path]]] = {}
        for crop in read_crops(run):
            self._kept.setdefault((crop.model, crop.which, crop.data, crop.protocol), []).append((crop.psnr, crop.file))

    def keep(self, row: PictureRow, blurry: NDArray[np.float32], restored: NDArray[np.float32], sharp: NDArray[np.float32]) -> None:
        """Keep a crop of this picture if it is among the worst, and drop the best of those that are one too many."""
        kept = self._kept.setdefault((row.model, which_of(row), row.data, row.protocol), [])
        psnr = row.measures["psnr"]
        if not self._is_among_worst(psnr, kept):
            return
        self._folder.mkdir(exist_ok=True)
        top, left, side = worst_place(blurry, sharp)
        cuts = [picture[top : top + side, left : left + side] for picture in (blurry, restored, sharp)]
        levels = to_levels(np.concatenate(cuts, axis=1), np.uint8)
        called = hashlib.sha256("|".join(map(str, row.key)).encode()).hexdigest()[:20]
        file = self._folder / f"{called}.png"
        kept[:] = [pair for pair in kept if pair[1] != file]  # one that a run left when it was stopped just before its row
        Image.fromarray(levels).save(file)
        facts = {"model": row.model, "which": which_of(row), "data": row.data, "sequence": row.sequence, "name": row.name}
        facts |= {"protocol": row.protocol, "psnr": str(psnr), "before": str(row.before["psnr"])}
        file.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
        self._add(psnr, file, kept)

    def take_from(self, run: Path) -> None:
        """Take the crops of a part of this run that was measured elsewhere, as far as they are among the worst."""
        for crop in read_crops(run):
            kept = self._kept.setdefault((crop.model, crop.which, crop.data, crop.protocol), [])
            if self._is_among_worst(crop.psnr, kept):
                self._folder.mkdir(exist_ok=True)
                file = self._folder / crop.file.name
                kept[:] = [pair for pair in kept if pair[1] != file]
                crop.file.replace(file)
                crop.file.with_suffix(".json").replace(file.with_suffix(".json"))
                self._add(crop.psnr, file, kept)

    def _is_among_worst(self, psnr: float, kept: list[tuple[float, Path]]) -> bool:
        return self._most > 0 and (len(kept) < self._most or psnr < max(value for value, _ in kept))

    def _add(self, psnr: float, file: Path, kept: list[tuple[float, Path]]) -> None:
        kept.append((psnr, file))
        if len(kept) > self._most:
            best = max(kept, key=lambda pair: pair[0])
            kept.remove(best)
            best[1].with_suffix(".json").unlink(missing_ok=True)
            best[1].unlink(missing_ok=True)


def which_of(row: PictureRow) -> str:
    """Short digest of `row.which`."""
    return hashlib.sha256("|".join(row.which).encode()).hexdigest()[:16]


def read_crops(run: Path) -> list[Crop]:
    """The crops of a run, worst first."""
    found: list[Crop] = []
    for path in sorted((run / FOLDER).glob("*.json")) if (run / FOLDER).is_dir() else []:
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts |= {"psnr": float(facts["psnr"]), "before": float(facts["before"])}
        found.append(Crop(**facts, file=path.with_suffix(".png")))
    return sorted(found, key=lambda crop: crop.psnr)


def worst_place(blurry: NDArray[np.float32], sharp: NDArray[np.float32], *, side: int = SIDE) -> tuple[int, int, int]:
    """Where the square lies in which blurry and sharp differ most: top, left and side; the same for all models.

    Shape:
        two of (H, W, 3)
    """
    height, width = sharp.shape[:2]
    side = min(side, height, width)
    error = np.square(blurry - sharp).sum(axis=2, dtype=np.float64)
    sums = np.pad(error, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    squares = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = divmod(int(squares.argmax()), squares.shape[1])
    return top, left, side
