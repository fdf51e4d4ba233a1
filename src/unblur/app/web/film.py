"""Moments of a clip as small pictures, and how sharp its frames are."""

from dataclasses import dataclass
from pathlib import Path

from unblur.app.web.compare import jpeg_bytes
from unblur.app.web.expectation import sharpness
from unblur.errors import InputError
from unblur.io.video import VideoReader

__all__ = ["Moment", "film_of", "sharpness_of_frames", "times_of"]

MOMENTS = 12
"""Small pictures of a clip."""
_SIDE = 240  # pixels, the longest of a small picture


@dataclass(frozen=True)
class Moment:
    """One moment of a clip.

    Attributes:
        second: from the first frame.
        picture: a small one, a JPEG file.
        sharpness: see `unblur.app.web.expectation.sharpness`.
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
    for number, second in enumerate(times_of(length, count=count)):
        with VideoReader(clip, start=second, interlaced="keep") as reader:
            try:
                frame = next(iter(reader), None)
            except InputError:
                frame = None
        if frame is not None:
            picture = folder / f"moment-{number}.jpg"
            picture.write_bytes(jpeg_bytes(frame.pixels, quality=80, longest_side=_SIDE))
            moments.append(Moment(second, picture, sharpness(frame.pixels)))
    return moments


def sharpness_of_frames(clip: Path, *, start: float = 0.0) -> list[tuple[float, float]]:
    """Second and sharpness of each frame of a clip.

    Args:
        clip: the file.
        start: added to the seconds.
    """
    with VideoReader(clip, interlaced="keep") as reader:
        base, tick = reader.info.start_pts, reader.info.time_base
        return [(start + float((frame.pts - base) * tick), sharpness(frame.pixels)) for frame in reader]
