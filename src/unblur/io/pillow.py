"""The narrow bridge to Pillow: 8-bit pixels to and from its decoders and encoders, and its failures as our errors.

Pillow's format classes are called directly. `PIL.Image.open` would refuse pictures of 179 megapixels and more, and
warn from half of that on; here the limit is `unblur.io.picture.MAX_PIXELS`.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms, ImageFile

from unblur.errors import InputError, UnreadableError, UnsupportedError
from unblur.io.optional import optional
from unblur.io.picture import Canvas, Image, Pixels, check_size, row_blocks
from unblur.pixels import as_8_bit, as_16_bit

__all__ = ["SIGNED", "decode", "decoding", "encodable", "rgb_of_cmyk", "rgb_of_inks", "rgb_of_lab"]

FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    PillowImage.DecompressionBombError,
)
"""What Pillow's decoders raise on damaged files, found by feeding them such."""

SIGNED = np.array([0, 128, 128], np.uint8)
"""Makes a* and b* of Lab with 128 added signed numbers of 8 bit, and back, by exclusive or."""

NOT_KNOWN = ("Unsupported", "unsupported")
"""Begin of what Pillow says of files that are sound, and that it cannot decode."""

BLOCK_COLUMNS = 4096

MODES = {"1": "L", "L": "L", "RGB": "RGB", "RGBX": "RGB", "LA": "LA", "RGBA": "RGBA", "PA": "RGBA", "YCbCr": "RGB"}
"""Pillow's modes, and those in which their pixels are taken; YCbCr is a coding of RGB here, as in JPEG."""


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn what a decoder raises on a damaged file into an error that names the file.

    Raises:
        UnreadableError: if the block raises; its own `InputError`s pass.
        UnsupportedError: if the decoder says that it does not know this kind of file, or that it is too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of metadata that is broken; the pixels do not depend on it
        try:
            yield
        except InputError:
            raise
        except PillowImage.DecompressionBombError as error:
            raise UnsupportedError(f"`{path}` is too large ({error}); scale it down, or cut it into parts") from error
        except FAILURES as error:
            if str(error).startswith(NOT_KNOWN):
                raise UnsupportedError(
                    f"`{path}` is of a kind that is not known here ({error}); convert it to PNG or TIFF first"
                ) from error
            raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error


def decode(picture: ImageFile.ImageFile, path: Path, *, orientation: int = 1) -> Canvas:
    """Decode a picture opened by one of Pillow's format classes.

    Raises:
        UnsupportedError: if it is too large, or CMYK or another kind that is neither grey nor RGB.
    """
    check_size(path, width=picture.width, height=picture.height)
    if picture.mode == "P":
        mode = "RGBA" if picture.info.get("transparency") is not None else "RGB"
    elif picture.mode in MODES:
        mode = MODES[picture.mode]
    else:
        raise UnsupportedError(f"`{path}` is a {picture.mode} picture; convert it to RGB, 8 or 16 bit, first")
    picture.load()
    width, height = picture.size
    channels = 3 if mode.startswith("RGB") else 1
    canvas = Canvas(width, height, channels=channels, has_alpha=mode.endswith("A"), orientation=orientation)
    for left in range(0, width, BLOCK_COLUMNS):
        right = min(left + BLOCK_COLUMNS, width)
        for top, bottom in row_blocks(right - left, height):
            block = picture.crop((left, top, right, bottom))
            pixels = np.asarray(block if block.mode == mode else block.convert(mode))
            canvas.put(top, left, pixels.reshape(bottom - top, right - left, -1))
    return canvas


def rgb_of_cmyk(picture: PillowImage.Image, icc: bytes | None, notes: list[str]) -> PillowImage.Image:
    """Convert CMYK to sRGB by its colour profile; without one, or with a damaged one, by the inverse of each ink."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            made = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
        else:
            assert made is not None
            notes.append("its CMYK was converted to sRGB by its colour profile")
            return made
    notes.append("its CMYK was converted to RGB without a colour profile, so that colours are not exact")
    return picture.convert("RGB")


def rgb_of_inks(inks: Pixels, icc: bytes | None, notes: list[str]) -> Pixels:
    """Convert CMYK of 8 or 16 bit, (H, W, 4) with 0 for no ink, to sRGB (H, W, 3), as `rgb_of_cmyk` does.

    Pillow converts by a profile with 8 bit; with imagecodecs (the extra `codecs`) 16 bit stay 16.
    """
    if inks.dtype == np.uint8:
        return np.array(rgb_of_cmyk(PillowImage.fromarray(np.ascontiguousarray(inks), "CMYK"), icc, notes))
    codecs = optional("imagecodecs") if icc else None
    if codecs is not None:
        try:
            srgb = codecs.cms_profile("srgb")
            made: Pixels = codecs.cms_transform(
                np.ascontiguousarray(inks), icc, srgb, colorspace="cmyk", outcolorspace="rgb", outdtype=np.uint16
            )
        except Exception:  # noqa: BLE001 - the library has an exception of its own for each codec
            icc = None
        else:
            notes.append("its CMYK was converted to sRGB by its colour profile")
            return made
    if icc:
        notes.append("it has 8 bit, with which its CMYK is converted by a profile where imagecodecs is not installed")
        return as_16_bit(rgb_of_inks(as_8_bit(inks), icc, notes))
    notes.append("its CMYK was converted to RGB without a colour profile, so that colours are not exact")
    light = np.uint64(65535) - inks
    return ((light[..., :3] * light[..., 3:] + np.uint64(32767)) // np.uint64(65535)).astype(np.uint16)


def rgb_of_lab(samples: NDArray[np.uint8], notes: list[str]) -> Pixels:
    """Convert CIE Lab (D50) of 8 bit to sRGB; colours outside of it become the nearest.

    Args:
        samples: L* over 0 to 255, a* and b* with 128 added.
        notes: to which it is added.

    Shape:
        (H, W, 3) -> (H, W, 3)
    """
    height, width = samples.shape[:2]
    signed = np.bitwise_xor(samples, SIGNED)  # as TIFF has it, which Pillow takes
    lab = PillowImage.frombytes("LAB", (width, height), signed.tobytes(), "raw", "LAB")
    made = ImageCms.profileToProfile(lab, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None
    notes.append("its Lab colours were converted to sRGB")
    return np.array(made)


def encodable(image: Image, *, with_alpha: bool) -> PillowImage.Image:
    """Make a Pillow image of 8 bit, 16-bit samples rounded."""
    if with_alpha and image.alpha is not None:
        grey = image.pixels.shape[2] == 1
        pixels = np.concatenate([as_8_bit(image.pixels)] * (3 if grey else 1) + [as_8_bit(image.alpha)[..., None]], axis=2)
        return PillowImage.fromarray(pixels)
    pixels = as_8_bit(image.pixels)
    return PillowImage.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
