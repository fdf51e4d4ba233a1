"""OpenEXR by its own library (the extra `exr`): half and single precision, in linear light, with all attributes, channels and parts.

What is restored are the channels R, G and B, or Y, of the first part that has them, without a layer's name or of the first layer. All other channels,
such as opacity and depth, and all other parts are written back as they are. Colours stay multiplied by opacity, as OpenEXR has them.

Source: OpenEXR technical introduction; OpenEXR file layout.
"""

import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.levels import normalised
from unblur.io.optional import library, needed
from unblur.io.picture import Coding, ExrFile, Image, Metadata, check_size, head_with

__all__ = ["exr_size", "read_exr", "write_exr"]

WHAT = "an OpenEXR file"
WINDOW = b"dataWindow\0box2i\0\x10\0\0\0"
ABOUT_PIXELS = ("preview", "channels")
"""Attributes that are not written back: a thumbnail of the picture as it was, and the list that the library makes."""


def exr_size(path: Path) -> tuple[int, int]:
    """Width and height by the header.

    Raises:
        UnreadableError: if it states none.
    """
    head = head_with(path, lambda data: WINDOW in data)
    place = head.find(WINDOW) + len(WINDOW)
    left, top, right, bottom = np.frombuffer(head[place : place + 16].ljust(16, b"\0"), "<i4").astype(int)
    if WINDOW not in head or right < left or bottom < top:
        raise UnreadableError(f"`{path}` is damaged (no size); copy it again from where it came")
    return int(right - left + 1), int(bottom - top + 1)


def read_exr(path: Path) -> Image:
    """Read an OpenEXR file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if the library is not installed, it is too large, or has no RGB or Y of half or single precision and full resolution.
    """
    openexr = needed("OpenEXR", path, WHAT, extra="exr")
    width, height = exr_size(path)
    check_size(path, width=width, height=height)
    try:
        file = openexr.File(str(path), separate_channels=True)
        parts = list(file.parts)
        pixels = [{name: channel.pixels for name, channel in part.channels.items()} for part in parts]
    except Exception as error:  # the library raises several kinds
        raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error
    if not parts or any(values is None for each in pixels for values in each.values()):
        raise UnreadableError(f"`{path}` is damaged or broken off; copy it again from where it came")
    place, names = _colours(parts, path)
    channels = [pixels[place][name] for name in names]
    notes = []
    others = sorted(name for each in pixels for name in each if name not in names or each is not pixels[place])
    if others:
        notes.append(f"its further channels were kept as they are ({', '.join(dict.fromkeys(others))})")
    if any("preview" in part.header for part in parts):
        notes.append("its preview was not kept, since it shows the picture as it was")
    bits = 16 if all(channel.dtype == np.float16 for channel in channels) else 32
    picture, levels, said = normalised(np.stack(channels, axis=-1), bits=bits, is_linear=True)
    metadata = Metadata(exr=ExrFile(parts, place, names))
    return Image(picture, None, metadata, Coding("OpenEXR"), (*notes, *said), levels)


def write_exr(file: BinaryIO, image: Image) -> None:
    """Write an OpenEXR file as it came, with the restored channels in place of those that were read."""
    about = image.metadata.exr
    assert about is not None  # other pictures are refused before
    openexr = library("OpenEXR", extra="exr", purpose="writing OpenEXR")
    values = image.stored(0, len(image.pixels))
    parts = []
    for place, part in enumerate(about.parts):
        channels = dict(part.channels)
        if place == about.place:
            for number, name in enumerate(about.names):
                old = channels[name]
                new = np.ascontiguousarray(values[..., number]).astype(old.pixels.dtype, copy=False)
                channels[name] = openexr.Channel(name, new, old.xSampling, old.ySampling, old.pLinear)
        header = {key: value for key, value in part.header.items() if key not in ABOUT_PIXELS}
        parts.append(openexr.Part(header, channels, header.get("name", "")))
    with tempfile.TemporaryDirectory(prefix="unblur-") as folder:
        whole = Path(folder) / "whole.exr"  # since the library writes to files by name
        openexr.File(parts).write(str(whole))
        file.write(whole.read_bytes())


def _colours(parts: list[Any], path: Path) -> tuple[int, tuple[str, ...]]:
    """Which part and which of its channels are the picture."""
    for place, part in enumerate(parts):
        channels = part.channels
        layers = dict.fromkeys(["", *(name[: name.rfind(".") + 1] for name in channels)])
        for layer in layers:
            for group in (("R", "G", "B"), ("Y",)):
                names = tuple(layer + name for name in group)
                if all(_is_picture(channels.get(name)) for name in names) and (len(group) > 1 or layer + "RY" not in channels):
                    return place, names
    raise UnsupportedError(f"`{path}` has no channels R, G, B or Y of floating-point samples and full resolution; convert it to such first")


def _is_picture(channel: Any) -> bool:  # noqa: ANN401 - OpenEXR may be missing, and so may its types
    return channel is not None and channel.pixels.dtype in (np.float16, np.float32) and channel.xSampling == channel.ySampling == 1
