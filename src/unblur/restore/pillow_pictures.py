"""Pillow pictures turned upright, with what they carry: EXIF, ICC profile, XMP and all else in their `info`.

A camera that is held on its side stores the picture on its side, and says so in the EXIF tag Orientation. Pillow's `save` writes EXIF only where
it is told to, and without it the picture stays on its side. So a restored picture is upright, and its EXIF says the same.

Source of the orientation: EXIF 2.32, 4.6.4, tag 0112, by `PIL.ImageOps.exif_transpose`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from unblur.errors import InputError
from unblur.io.exif import upright_exif, upright_xmp

__all__ = ["MODES", "upright", "with_pixels"]

MODES = ("L", "RGB", "RGBA", "LA", "I;16")
"""The modes that are taken."""

_PREFIX = b"Exif\0\0"  # that JPEG puts before EXIF, and Pillow leaves there
_DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825)
"""Tags of a TIFF that describe the picture, and not how its file is laid out: description, make, model, software, date, artist, copyright,
and the directories of EXIF and GPS."""


def upright(picture: PillowImage.Image) -> PillowImage.Image:
    """The picture turned as its EXIF says, in memory of its own or the picture itself.

    Raises:
        InputError: if its mode is none of `MODES`, or it cannot be decoded.
    """
    if picture.mode not in MODES:
        raise InputError(f"Pillow pictures of mode {picture.mode} are not taken; convert to L, RGB or RGBA first")
    if 0 in picture.size:
        raise InputError(f"a picture must have at least one pixel, got {picture.width}x{picture.height}")
    try:
        return ImageOps.exif_transpose(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"the picture cannot be decoded ({error}); it may be damaged or broken off") from error


def with_pixels(pixels: NDArray[Any], picture: PillowImage.Image) -> PillowImage.Image:
    """A picture of the given pixels with the `info` of another one, whose EXIF and XMP then say that it is upright.

    Args:
        pixels: (H, W) or (H, W, C), upright.
        picture: as it was given, before it was turned.
    """
    made = PillowImage.fromarray(np.ascontiguousarray(pixels))
    made.info = dict(picture.info)
    height, width = pixels.shape[:2]
    if exif := _exif_of(picture, width=width, height=height):
        made.info["exif"] = exif
    else:
        made.info.pop("exif", None)
    for key in ("xmp", "XML:com.adobe.xmp"):
        xmp = made.info.get(key)
        if isinstance(xmp, bytes):
            made.info[key] = upright_xmp(xmp)
        elif isinstance(xmp, str):
            made.info[key] = upright_xmp(xmp.encode()).decode()
    return made


def _exif_of(picture: PillowImage.Image, *, width: int, height: int) -> bytes | None:
    """EXIF for the upright picture, byte for byte as it was but for what that changes; None if there is none or it is damaged."""
    stored = picture.info.get("exif")
    if isinstance(stored, bytes) and stored:
        prefix = _PREFIX if stored.startswith(_PREFIX) else b""
        changed = upright_exif(stored.removeprefix(prefix), width=width, height=height)
        return None if changed is None else prefix + changed
    tags, kept = picture.getexif(), PillowImage.Exif()
    for tag in _DESCRIPTIVE:
        if tag in tags:
            kept[tag] = tags.get_ifd(tag) if tag in (0x8769, 0x8825) else tags[tag]
    return kept.tobytes() if kept else None
