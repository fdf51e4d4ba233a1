"""Frames of high-speed clips, decoded once into a file from which any process reads a few without decoding the others."""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unblur.errors import UnreadableError
from unblur.io.whole import output_error
from unblur.pixels import as_8_bit
from unblur.synth.sources import open_clip, sha256_of

__all__ = ["cache_frames", "map_frames"]


def cache_frames(clip: Path, folder: Path) -> Path:
    """Decode a clip into an uncompressed file in `folder`, unless it lies there already, and give its path.

    The file is named by the clip's SHA-256 and the size of its frames, and holds N frames of (H, W, 3) RGB, 8 bit: a second of
    240 frames of 1280×720 takes 664 MB. It appears under its name when it is whole.

    Args:
        clip: a video file, or a folder of numbered frames.
        folder: where decoded clips lie; made if missing.

    Raises:
        UnreadableError: if the clip cannot be decoded, or has no frames.
        UnsupportedError: if it is HDR.
        OutputError: if the file cannot be written.
    """
    digest = sha256_of(clip)[:16]
    found = sorted(folder.glob(f"{digest}-*x*.rgb"))
    if found:
        return found[0]
    size: tuple[int, int] | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{digest}.", suffix=".partial", dir=folder)
    except OSError as error:
        raise output_error(folder, error) from error
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for moment in open_clip(clip, rate=None if clip.is_file() else 240.0):
                pixels = as_8_bit(moment.pixels)
                size = (pixels.shape[0], pixels.shape[1])
                try:
                    file.write(np.ascontiguousarray(pixels).data)
                except OSError as error:
                    raise output_error(folder, error) from error
        if size is None:
            raise UnreadableError(f"`{clip}` has no frames")
        target = folder / f"{digest}-{size[0]}x{size[1]}.rgb"
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def map_frames(path: Path) -> NDArray[np.uint8]:
    """The frames (N, H, W, 3) of a file of `cache_frames`, mapped and not read."""
    height, width = (int(side) for side in path.stem.rpartition("-")[2].split("x"))
    return np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, height, width, 3)
