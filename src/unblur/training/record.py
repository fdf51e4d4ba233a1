"""What a run writes down: lines of numbers, curves for TensorBoard, and sheets of sample pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from unblur.errors import InputError
from unblur.io.whole import output_error, written_whole
from unblur.pixels import to_pixels

__all__ = ["Record", "sample_sheet"]

_SAMPLES = 4


class Record:
    """The log of a run; `size` is part of its state, so that a run that goes on drops the lines of steps that it takes again.

    Args:
        out: folder of the run.
        size: bytes of the log that count, from the last checkpoint.
        tensorboard: also write curves for TensorBoard.

    Raises:
        InputError: if TensorBoard is asked for and not installed.
    """

    def __init__(self, out: Path, *, size: int, tensorboard: bool) -> None:
        self._out = out
        self._path = out / "log.jsonl"
        self._path.touch()
        with self._path.open("r+b") as log:
            log.truncate(min(size, self._path.stat().st_size))
        self._curves: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise InputError("TensorBoard is not installed; `pip install 'unblur[train]'`, or add `--set tensorboard=false`") from error
            self._curves = SummaryWriter(str(out / "tensorboard"))

    @property
    def size(self) -> int:
        """Bytes of the log."""
        return self._path.stat().st_size

    def write(self, numbers: Mapping[str, Any]) -> None:
        """Append a line; its `step` is the place of its numbers in the curves."""
        try:
            with self._path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(dict(numbers)) + "\n")
        except OSError as error:
            raise output_error(self._path, error, elsewhere="name another `--out`") from error
        if self._curves is not None:
            for key, value in numbers.items():
                if key != "step" and isinstance(value, int | float):
                    self._curves.add_scalar(key, value, numbers["step"])

    def show(self, step: int, sheet: np.ndarray) -> None:
        """Write a sheet of sample pictures, `samples/STEP.jpg`."""
        done, encoded = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        assert done
        with written_whole(self._out / "samples" / f"{step:08d}.jpg", overwrite=True) as partial:
            partial.write_bytes(encoded.tobytes())
        if self._curves is not None:
            self._curves.add_image("samples", sheet, step, dataformats="HWC")

    def close(self) -> None:
        """Flush the curves."""
        if self._curves is not None:
            self._curves.close()


def sample_sheet(blurry: Tensor, restored: Tensor, sharp: Tensor) -> np.ndarray:
    """Pictures side by side, blurry above restored above sharp, 8 bit.

    Shape:
        three of (B, 3, H, W) -> (3 H, min(B, 4) W, 3)
    """
    rows = [torch.cat(list(pictures[:_SAMPLES].detach().float().cpu()), dim=2) for pictures in (blurry, restored, sharp)]
    return to_pixels(torch.cat(rows, dim=1), np.uint8)
