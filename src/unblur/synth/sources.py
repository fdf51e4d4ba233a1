"""Where sharp pictures come from: folders of photos, clips, and folders of numbered frames; checked before they are used."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError, UnreadableError, UnsupportedError
from unblur.io.image import is_image, read_image, read_rgb
from unblur.pixels import as_8_bit, peak_value, to_rgb

__all__ = ["Clip", "Moment", "find_photos", "open_clip", "read_cutout", "read_photo", "sha256_of"]

_CONTRAST = 2.0  # grey levels of 255: standard deviation below which a picture shows nothing
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}  # ITU-T H.273


def sha256_of(path: Path) -> str:
    """Digest of a file, or of a folder's pictures in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(each for each in path.iterdir() if is_image(each)) if path.is_dir() else [path]:
        with file.open("rb") as data:
            while block := data.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def find_photos(sources: Sequence[Path]) -> list[Path]:
    """Pictures among `sources` and in the folders among them, at any depth, by name; hidden files are left out.

    Raises:
        InputError: if a source is not there, or there is no picture.
    """
    found: list[Path] = []
    for source in sources:
        if not source.exists():
            raise InputError(f"`{source}` is not there; name a picture or a folder of pictures")
        inside = sorted(source.rglob("*")) if source.is_dir() else [source]
        found += [path for path in inside if not any(part.startswith(".") for part in path.relative_to(source).parts) and is_image(path)]
    if not found:
        raise InputError(f"there is no picture in {', '.join(f'`{source}`' for source in sources)}")
    return list(dict.fromkeys(found))


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3) RGB, upright; 16 bit is rounded to 8, grey is spread over the channels, opacity left out.

    Raises:
        UnreadableError: if it is damaged, or shows nothing: all black, or of one colour.
        UnsupportedError: if it cannot be read, see `unblur.io.image.read_image`.
    """
    pixels = as_8_bit(read_rgb(path))
    if float(pixels[::2, ::2].std()) < _CONTRAST and float(pixels.std()) < _CONTRAST:
        raise UnreadableError(f"`{path}` shows nothing: all its pixels are nearly alike; leave it out")
    return pixels


def read_cutout(path: Path) -> NDArray[np.uint8]:
    """Read an object cut out of a picture as (H, W, 4): RGB, upright, and opacity; 16 bit is rounded to 8.

    Raises:
        UnreadableError: if it is damaged, or has no opacity: nothing is cut out then; or is clear everywhere.
        UnsupportedError: if it cannot be read, see `unblur.io.image.read_image`.
    """
    picture = read_image(path)
    if picture.alpha is None or not picture.alpha.any() or picture.alpha.min() == peak_value(picture.alpha.dtype):
        raise UnreadableError(f"`{path}` is no cut-out object: it needs opacity (PNG or WebP) that is neither 0 nor full everywhere")
    return as_8_bit(np.concatenate([to_rgb(picture.pixels), picture.alpha[..., None]], axis=2))


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame of a clip: its number, its time in seconds from the first, and (H, W, 3) file values of 8 or 16 bit."""

    number: int
    seconds: float
    pixels: NDArray[Any]


@dataclass(frozen=True)
class Clip:
    """A clip that can be read several times.

    Attributes:
        path: a video file, or a folder of frames.
        rate: frames a second.
        start: first second that is given.
        duration: seconds from there, None for all.
        scale: factor by which frames are shrunk; 0.5 hides most of the blur and compression that a clip came with.
    """

    path: Path
    rate: float
    start: float = 0.0
    duration: float | None = None
    scale: float = 1.0

    def __iter__(self) -> Iterator[Moment]:
        """Read the frames in order, upright.

        Raises:
            UnreadableError: if the clip or a frame of it is damaged.
            InputError: if the frames differ in size.
        """
        size: tuple[int, ...] | None = None
        for moment in self._folder() if self.path.is_dir() else self._video():
            if size is not None and moment.pixels.shape != size:
                raise InputError(f"the frames of `{self.path}` differ in size: {size[1]}×{size[0]}, then {moment.pixels.shape[1::-1]}")
            size = moment.pixels.shape
            yield Moment(moment.number, moment.seconds, self._shrunk(moment.pixels))

    def _folder(self) -> Iterator[Moment]:
        end = None if self.duration is None else self.start + self.duration
        for number, path in enumerate(sorted(each for each in self.path.iterdir() if is_image(each))):
            seconds = number / self.rate
            if seconds >= self.start and (end is None or seconds < end):
                yield Moment(number, seconds, read_rgb(path))

    def _video(self) -> Iterator[Moment]:
        from unblur.io.video import VideoReader

        with VideoReader(self.path, start=self.start, duration=self.duration) as reader:
            base, turns = reader.info.time_base, round(reader.info.rotation / 90)
            for number, frame in enumerate(reader):
                yield Moment(number, float((frame.pts - reader.info.start_pts) * base), np.rot90(frame.pixels, turns))

    def _shrunk(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.scale == 1:
            return np.ascontiguousarray(pixels)
        height, width = (max(1, round(side * self.scale)) for side in pixels.shape[:2])
        return cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_AREA)


def open_clip(path: Path, *, rate: float | None = None, start: float = 0.0, duration: float | None = None, scale: float = 1.0) -> Clip:
    """Look at a clip, or a folder of numbered frames, before it is read.

    Args:
        path: a video file or a folder.
        rate: frames a second; None for what the file says. A folder says nothing, so it must be given there.
        start: first second to use.
        duration: seconds from there, None for all.
        scale: factor in (0, 1] by which frames are shrunk.

    Raises:
        UnreadableError: if it is no clip, empty or damaged.
        UnsupportedError: if it is HDR, whose response curves are not known here, or interlaced.
        InputError: if its rate is not known, or `scale` is out of range.
    """
    if not 0 < scale <= 1:
        raise InputError(f"the scale must lie in (0, 1], got {scale:g}")
    if path.is_dir():
        if not any(is_image(each) for each in path.iterdir()):
            raise UnreadableError(f"`{path}` holds no pictures; name a clip or a folder of numbered frames")
        if rate is None:
            raise InputError(f"`{path}` is a folder of frames, which does not say how many a second; give `--rate`")
        return Clip(path, rate, start, duration, scale)
    from unblur.io.video import VideoReader

    with VideoReader(path) as reader:
        info = reader.info
    if info.colour.transfer in _HDR_TRANSFERS:
        kind = _HDR_TRANSFERS[info.colour.transfer]
        raise UnsupportedError(
            f"`{path}` is HDR ({kind}), whose light cannot be averaged with a camera response; convert it to BT.709 first"
        )
    if rate is None:
        if info.average_rate is None:
            raise InputError(f"`{path}` does not say how many frames a second it has; give `--rate`")
        rate = float(info.average_rate)
    return Clip(path, rate, start, duration, scale)
