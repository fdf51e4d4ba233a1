"""Animations (GIF, animated WebP, APNG, AVIF) read frame by frame, each as it is shown: Pillow lays partial frames over each other.

Source: GIF89a (graphic control extension); WebP container specification (ANIM, ANMF); PNG, third edition (acTL, fcTL).
"""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, GifImagePlugin, ImageFile, PngImagePlugin

from unblur.errors import UnreadableError
from unblur.io.gif import MOTION as GIF_MOTION
from unblur.io.gif import gif_metadata, gif_motion
from unblur.io.heif import avif_metadata, is_avif_sequence
from unblur.io.picture import Metadata, check_size
from unblur.io.pillow import decoding
from unblur.io.png import SIGNATURE as PNG_SIGNATURE
from unblur.io.png import chunks_of, png_metadata
from unblur.io.sequence import sequence_of
from unblur.io.webp import opened_webp, webp_chunks, webp_metadata

__all__ = ["Animation", "animation_of", "frames_of", "is_animation"]

PNG_STEPS = 100
"""Parts of a second where an APNG states none (PNG, 11.3.6.2)."""


@dataclass(frozen=True, eq=False)
class Animation:
    """What an animation says besides its frames.

    Attributes:
        path: of the file.
        format: "GIF", "WebP", "PNG" or "AVIF".
        width: of every frame as it is shown.
        height: of every frame as it is shown.
        durations: of each frame, in seconds.
        plays: how often it is shown; 0 for without end.
        has_still: whether an APNG begins with a picture for viewers that show none, which is no frame of it.
        lossless: whether all frames are stored exactly.
        metadata: what is written back.
        notes: sentences for the user about what of the file could not be kept.
    """

    path: Path
    format: str
    width: int
    height: int
    durations: tuple[Fraction, ...]
    plays: int
    has_still: bool
    lossless: bool
    metadata: Metadata
    notes: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """Number of frames, with the still picture."""
        return len(self.durations) + self.has_still


def is_animation(path: Path) -> bool:
    """Whether a file is an animation of more than one frame, by its structure. Never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head.startswith(PNG_SIGNATURE):
                return any(name == b"acTL" and data[:4] > b"\0\0\0\1" for name, data in chunks_of(file, until=b"IDAT"))
            if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
                return sum(name == b"ANMF" for name, _ in webp_chunks(file, path)) > 1
            if head[:4] == b"GIF8":
                return sum(label == GIF_MOTION for label, _ in gif_motion(path.read_bytes(), most=2)) > 1
            if is_avif_sequence(head):
                file.seek(0)
                return sequence_of(file.read()) is not None
    except (OSError, ValueError, UnreadableError, struct.error, LookupError):
        pass
    return False


def animation_of(path: Path) -> Animation:
    """Read what an animation says.

    Raises:
        UnreadableError: if it is damaged or broken off, or is none.
        UnsupportedError: if it is too large.
    """
    with decoding(path), path.open("rb") as file:
        head = file.read(12)
        reader = {b"GIF8": _gif, b"RIFF": _webp, PNG_SIGNATURE[:4]: _png}.get(head[:4])
        reader = _avif if is_avif_sequence(head) else reader
        if reader is None:
            raise UnreadableError(f"`{path}` is no animation")
        file.seek(0)
        found = reader(file, path)
    check_size(path, width=found.width, height=found.height)
    return found


def frames_of(about: Animation) -> Iterator[NDArray[np.uint8]]:
    """Decode the frames in order, the still picture first if there is one.

    Yields:
        (H, W, 4), RGB and opacity, as they are shown.

    Raises:
        UnreadableError: if it is damaged or broken off.
    """
    openers: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
        "GIF": GifImagePlugin.GifImageFile,
        "WebP": opened_webp,
        "PNG": PngImagePlugin.PngImageFile,
        "AVIF": AvifImagePlugin.AvifImageFile,
    }
    with decoding(about.path), about.path.open("rb") as file:
        picture = openers[about.format](file)
        for place in range(about.pictures):
            picture.seek(place)
            yield np.array(picture.convert("RGBA"))


def _gif(file: BinaryIO, path: Path) -> Animation:
    data = file.read()
    durations, delay, plays = [], 0, 1
    for label, value in gif_motion(data):
        if label == GIF_MOTION:
            durations.append(Fraction(delay, 100))
            delay = 0
        elif label == b"delay":
            delay = value
        else:
            plays = value + 1 if value else 0  # stated is how often it is repeated
    metadata, notes = gif_metadata(data)
    width, height = struct.unpack("<HH", data[6:10])
    return Animation(path, "GIF", width, height, tuple(durations), plays, has_still=False, lossless=True, metadata=metadata, notes=notes)


def _webp(file: BinaryIO, path: Path) -> Animation:
    durations, plays, lossless, width, height = [], 0, True, 0, 0
    chunks = list(webp_chunks(file, path))
    for name, data in chunks:
        if name == b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (4, 7))
        elif name == b"ANIM":
            plays = int.from_bytes(data[4:6], "little")
        elif name == b"ANMF":
            durations.append(Fraction(int.from_bytes(data[12:15], "little"), 1000))
            lossless &= data[16:20] == b"VP8L"
    metadata, notes = webp_metadata(dict(reversed(chunks)))
    return Animation(
        path, "WebP", width, height, tuple(durations), plays, has_still=False, lossless=lossless, metadata=metadata, notes=notes
    )


def _png(file: BinaryIO, path: Path) -> Animation:
    file.seek(16)
    size_and_depth = file.read(9)
    width, height, depth = struct.unpack(">IIB", size_and_depth)
    durations, plays, has_still = [], 0, True
    for name, data in chunks_of(file):
        if name == b"acTL":
            plays = int.from_bytes(data[4:8])
        elif name == b"fcTL":
            over, under = struct.unpack(">HH", data[20:24])
            durations.append(Fraction(over, under or PNG_STEPS))
        elif name == b"IDAT":
            has_still = has_still and not durations
    metadata, notes = png_metadata(path)
    if depth == 16:
        notes = (*notes, "its 16 bit were read with 8")
    return Animation(path, "PNG", width, height, tuple(durations), plays, has_still, lossless=True, metadata=metadata, notes=notes)


def _avif(file: BinaryIO, path: Path) -> Animation:
    data = file.read()
    found = sequence_of(data)
    picture = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    if found is None or picture.n_frames != len(found.durations):
        raise UnreadableError(f"`{path}` is damaged (the frames are not those of its list); copy it again from where it came")
    metadata, notes = avif_metadata(data, picture)
    width, height = picture.size
    notes = (*notes, *found.notes)
    return Animation(
        path, "AVIF", width, height, found.durations, found.plays, has_still=False, lossless=False, metadata=metadata, notes=notes
    )
