"""A folder as people have them: small photos of many formats and modes, short clips, one long clip, damaged files, and files of other kinds."""

import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LONG_CLIP", "make_files", "write_clip"]

LONG_CLIP = Path("m", "long.mp4")
"""Where the long clip lies in the folder: in the middle, so that files come before and after it."""

_MODES = {
    "jpg": ("RGB", "L", "CMYK"),
    "png": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "tif": ("RGB", "L", "I;16"),
    "webp": ("RGB", "RGBA"),
}
_SHARE_DAMAGED, _SHARE_OTHER, _SHARE_CLIPS = 0.1, 0.1, 0.02
_CLIP_SUFFIXES = ".mp4", ".mkv", ".mov"


def make_files(folder: Path, *, count: int, frames: int, size: tuple[int, int], generator: np.random.Generator) -> None:
    """Write `count` mixed files and the long clip into sub-folders.

    Args:
        folder: which is made.
        count: files beside the long clip.
        frames: of the long clip; the short ones have up to 24.
        size: width and height of the frames, even; photos are up to twice as large.
        generator: draws kinds, sizes and contents.
    """
    for number in range(count):
        place = folder / "agtz"[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        kind = generator.random()
        if kind < _SHARE_CLIPS or number == 0:
            suffix = _CLIP_SUFFIXES[number % len(_CLIP_SUFFIXES)]
            write_clip(place / f"{number:03}{suffix}", frames=int(generator.integers(2, 25)), size=size, generator=generator)
        elif kind < _SHARE_CLIPS + _SHARE_OTHER:
            _write_other(place / f"{number:03}", generator)
        else:
            path = _write_photo(place / f"{number:03}", size, generator)
            if kind > 1 - _SHARE_DAMAGED:
                _damage(path, generator)
    (folder / LONG_CLIP).parent.mkdir(parents=True, exist_ok=True)
    write_clip(folder / LONG_CLIP, frames=frames, size=size, generator=generator)


def write_clip(path: Path, *, frames: int, size: tuple[int, int], generator: np.random.Generator) -> None:
    """Encode a texture under a moving camera, blurred along its motion, as H.264; a new scene begins every 500 frames.

    Args:
        path: the file; its suffix says the container.
        frames: their number.
        size: width and height, even.
        generator: draws textures and speeds.
    """
    width, height = size
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast", "crf": "18"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            if number % 500 == 0:
                speed = int(generator.integers(1, 5))
                texture = np.asarray(cv2.blur(_texture(height, 4 * width, generator), (speed, 1)), np.uint8)
            left = abs((number * speed) % (6 * width) - 3 * width)  # to and fro
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(texture[:, left : left + width]), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _texture(height: int, width: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Squares of two sizes, RGB."""
    total = np.zeros((height, width, 3), np.float32)
    for side in (4, 12):
        cells = generator.uniform(0, 127, (-(-height // side), -(-width // side), 3)).astype(np.float32)
        total += cells.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
    return total.astype(np.uint8)


def _write_photo(stem: Path, size: tuple[int, int], generator: np.random.Generator) -> Path:
    suffix = str(generator.choice(sorted(_MODES)))
    mode = str(generator.choice(_MODES[suffix]))
    width, height = (int(generator.integers(side // 2, 2 * side)) for side in size)
    pixels = cv2.blur(_texture(height, width, generator), (5, 1))
    if mode == "I;16":
        picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * np.uint16(257))
    elif mode in ("RGBA", "LA"):
        picture = Image.fromarray(pixels)
        picture.putalpha(Image.fromarray(pixels[..., 1]))
        picture = picture.convert(mode)
    else:
        picture = Image.fromarray(pixels).convert(mode)
    path = stem.with_suffix(f".{suffix}")
    picture.save(path)
    return path


def _damage(path: Path, generator: np.random.Generator) -> None:
    """Cut a file off, empty it, or overwrite a stretch of it."""
    data = bytearray(path.read_bytes())
    place = int(generator.integers(len(data) // 4, len(data)))
    ways: list[Callable[[], bytes]] = [
        lambda: bytes(data[:place]),
        lambda: b"",
        lambda: bytes(data[: place // 2] + generator.bytes(len(data) // 8) + data[place:]),
    ]
    path.write_bytes(ways[int(generator.integers(len(ways)))]())


def _write_other(stem: Path, generator: np.random.Generator) -> None:
    """A text, noise, or compressed data, under an honest name or that of a photo or clip."""
    suffix = str(generator.choice([".txt", ".bin", ".jpg", ".mp4", ".zip"]))
    content = [b"A list of what to buy: bread, milk.\n" * 9, generator.bytes(2000), zlib.compress(generator.bytes(500))]
    stem.with_suffix(suffix).write_bytes(content[int(generator.integers(3))])
