"""Contact sheets: blurry pictures above their truths, so that a data set is looked at before anything learns from it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.io.image import Image, write_image

__all__ = ["contact_sheet", "write_sheet"]

Bytes = NDArray[np.uint8]

_GAP = 4  # white pixels between pictures


def contact_sheet(pairs: Sequence[tuple[Bytes, Bytes]], *, columns: int, width: int) -> Bytes:
    """Lay (blurry, sharp) pairs out in rows of `columns`, each blurry picture above its truth.

    Args:
        pairs: (H, W, 3) RGB, 8 bit; the sizes may differ from pair to pair.
        columns: pairs in a row.
        width: of a picture on the sheet, pixels; larger ones are shrunk, smaller ones are not enlarged.

    Raises:
        InputError: if there is no pair, or a number is below 1.
    """
    if not pairs or columns < 1 or width < 1:
        raise InputError(f"a contact sheet needs a pair, a column and a pixel at least, got {len(pairs)}, {columns} and {width}")
    cells = [np.concatenate([_fitted(blurry, width), _fitted(sharp, width)]) for blurry, sharp in pairs]
    rows = []
    for start in range(0, len(cells), columns):
        row = cells[start : start + columns]
        tall = max(cell.shape[0] for cell in row)
        strip = np.full((tall, columns * (width + _GAP) - _GAP, 3), 255, np.uint8)
        for number, cell in enumerate(row):
            left = number * (width + _GAP)
            strip[: cell.shape[0], left : left + cell.shape[1]] = cell
        rows += [strip, np.full((_GAP, strip.shape[1], 3), 255, np.uint8)]
    return np.concatenate(rows[:-1])


def write_sheet(pairs: Sequence[tuple[Bytes, Bytes]], target: Path, *, columns: int, width: int, overwrite: bool = False) -> None:
    """Write a `contact_sheet` as JPEG or PNG, by the suffix of `target`."""
    write_image(target, Image(contact_sheet(pairs, columns=columns, width=width)), quality=80, overwrite=overwrite)


def _fitted(picture: Bytes, width: int) -> Bytes:
    if picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
