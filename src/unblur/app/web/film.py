"""Moments of a clip as small pictures, and how sharp its frames are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.app.web.compare import jpeg_bytes
from unblur.errors import InputError
from unblur.flow import grey
from unblur.io.animation import animation_of, frames_of, is_animation
from unblur.io.video import VideoReader
from unblur.pixels import as_8_bit
from unblur.synth.sharpness import detail

__all__ = ["Moment", "film_of", "frames_at", "sharpness_of_frames", "times_of"]

MOMENTS = 12
"""Small pictures of a clip."""
_SIDE = 240  # pixels, the longest of a small picture


@dataclass(frozen=True)
class Moment:
    """One moment of a clip.

    Attributes:
        second: from the first frame.
        picture: a small one, a JPEG file.
        sharpness: see `unblur.synth.sharpness.detail`.
    """

    second: float
    picture: Path
    sharpness: float


def times_of(length: float, *, count: int = MOMENTS) -> list[float]:
    """Seconds in the middle of `count` equal parts of a clip of so many seconds; only 0 where the length is unknown.

    Example:
        >>> times_of(8, count=4)
        [1.0, 3.0, 5.0, 7.0]
    """
    return [round(length * (i + 0.5) / count, 3) for i in range(count)] if length > 0 else [0.0]


def film_of(clip: Path, folder: Path, *, length: float, count: int = MOMENTS) -> list[Moment]:
    """Read moments of a clip and write small pictures of them; moments that cannot be read are left out.

    Args:
        clip: the file.
        folder: for the pictures.
        length: of the clip, seconds; 0 if unknown.
        count: moments.

    Raises:
        InputError: if the clip cannot be opened.
    """
    moments = []
    for number, (second, pixels) in enumerate(frames_at(clip, times_of(length, count=count))):
        picture = folder / f"moment-{number}.jpg"
        picture.write_bytes(jpeg_bytes(pixels, quality=80, longest_side=_SIDE))
        moments.append(Moment(second, picture, _sharpness(pixels)))
    return moments


def frames_at(clip: Path, seconds: Sequence[float]) -> Iterator[tuple[float, NDArray[Any]]]:
    """The frames of a clip or animation that are shown at some seconds, in rising order; those that cannot be read are left out.

    Yields:
        The second, and (H, W, 3), 8 or 16 bit.

    Raises:
        InputError: if the clip cannot be opened.
    """
    if is_animation(clip):
        yield from _frames_of_animation(clip, seconds)
        return
    for second in seconds:
        with VideoReader(clip, start=second, interlaced="keep") as reader:
            try:
                frame = next(iter(reader), None)
            except InputError:
                frame = None
        if frame is not None:
            yield second, frame.pixels


def _frames_of_animation(path: Path, seconds: Sequence[float]) -> Iterator[tuple[float, NDArray[Any]]]:
    about = animation_of(path)
    waiting = list(seconds)
    shown = islice(frames_of(about), int(about.has_still), None)
    for end, frame in zip(accumulate(about.durations), shown, strict=True):
        while waiting and (waiting[0] < end or end == 0):
            yield waiting.pop(0), frame[..., :3]


def _sharpness(frame: NDArray[Any]) -> float:
    return detail(grey(as_8_bit(np.ascontiguousarray(frame))))


def sharpness_of_frames(clip: Path, *, start: float = 0.0) -> list[tuple[float, float]]:
    """Second and sharpness of each frame of a clip.

    Args:
        clip: the file.
        start: added to the seconds.
    """
    with VideoReader(clip, interlaced="keep") as reader:
        base, tick = reader.info.start_pts, reader.info.time_base
        return [(start + float((frame.pts - base) * tick), _sharpness(frame.pixels)) for frame in reader]
