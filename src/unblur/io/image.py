"""Pictures read and written so that nothing but the pixels changes.

    picture  Image, Metadata; the canvas that turns them upright while they are decoded
    ifd      tag directories          exif   orientation, sizes, thumbnails
    holds    which format holds what of it
    jpeg  png  webp  tiff  bmp  gif  heif  jxl  raw  pnm  tga  exr  dpx  psd  jpeg2000  radiance   one file a format
    jpeg_parts   what stands behind a JPEG
    pillow   the bridge to Pillow's decoders

Pixels stay in the colour space of the picture: nothing is converted, and the profile goes back byte for byte.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as PillowImage

from unblur.errors import InputError, OutputError, UnreadableError
from unblur.io.bmp import HEADER_SIZES as BMP_HEADER_SIZES
from unblur.io.bmp import read_bmp, write_bmp
from unblur.io.dpx import BEGINNINGS as DPX_BEGINNINGS
from unblur.io.dpx import dpx_size, read_dpx, write_dpx
from unblur.io.exif import upright_exif, upright_xmp
from unblur.io.exr import exr_size, read_exr, write_exr
from unblur.io.gif import read_gif
from unblur.io.heif import can_write_heic, is_deep_avif, read_avif, read_heic, write_avif, write_heic
from unblur.io.holds import held
from unblur.io.jpeg import is_deep_jpeg, read_jpeg, write_jpeg
from unblur.io.jpeg2000 import read_jpeg2000
from unblur.io.jxl import read_jxl
from unblur.io.optional import INSTALL
from unblur.io.photoshop import THUMBNAILS, without_blocks
from unblur.io.picture import MAX_PIXELS, Coding, Image, Metadata, Pixels
from unblur.io.pillow import decoding
from unblur.io.png import SIGNATURE as PNG_SIGNATURE
from unblur.io.png import read_png, write_png
from unblur.io.pnm import SUFFIXES as PNM_SUFFIXES
from unblur.io.pnm import is_pnm, pnm_suffix, read_pnm, write_pnm
from unblur.io.psd import read_psd
from unblur.io.radiance import read_radiance, write_radiance
from unblur.io.raw import BEGINNINGS as RAW_BEGINNINGS
from unblur.io.raw import SUFFIXES as RAW_SUFFIXES
from unblur.io.raw import is_bare_raw, read_raw
from unblur.io.tga import SUFFIXES as TGA_SUFFIXES
from unblur.io.tga import is_tga, read_tga, write_tga
from unblur.io.tiff import read_tiff
from unblur.io.tiff_write import write_tiff
from unblur.io.webp import read_webp, write_webp
from unblur.io.whole import written_whole
from unblur.pixels import peak_value, to_rgb

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "WRITABLE",
    "Coding",
    "Image",
    "Metadata",
    "Pixels",
    "check_target",
    "format_note",
    "is_image",
    "output_suffix",
    "read_image",
    "read_rgb",
    "size_of",
    "write_image",
]

READABLE = (
    *("JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF", "HEIC", "AVIF", "JPEG XL", "raw", "PNM", "TGA", "OpenEXR", "DPX"),
    *("Radiance HDR", "JPEG 2000", "Photoshop"),
)
_KIND_OF_SUFFIX = {
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    ".png": "PNG",
    ".webp": "WebP",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".bmp": "BMP",
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    ".avif": "AVIF",
    **dict.fromkeys(PNM_SUFFIXES, "PNM"),
    **dict.fromkeys(TGA_SUFFIXES, "TGA"),
}
WRITABLE = tuple(_KIND_OF_SUFFIX)
ONLY_AS_READ = {".exr": "OpenEXR", ".dpx": "DPX", ".hdr": "Radiance HDR"}
"""Suffixes of formats that are written of pictures of the same format alone."""

_KIND_OF_SUFFIX |= ONLY_AS_READ

HEAD = 64
"""Bytes by which a format is told."""

ICC_COLOUR_SPACE = slice(16, 20)
MOST_BITS = {**dict.fromkeys(("JPEG", "WebP", "BMP", "TGA", "AVIF"), 8), "HEIC": 10}
"""Of integers in formats that do not hold 16."""

FLOATING = ("TIFF", "OpenEXR", "Radiance HDR")
"""Formats that hold floats."""

ISO_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevc": "HEIC", b"hevx": "HEIC", b"mif1": "HEIC"}
ISO_BRANDS |= {b"msf1": "HEIC", b"jpeg": "HEIC", b"jpgs": "HEIC", b"avif": "AVIF", b"avis": "AVIF", b"crx ": "raw"}
ISO_BRANDS |= dict.fromkeys((b"mif2", b"mif3", b"avci", b"avcs", b"vvic", b"vvis", b"j2ki", b"j2is", b"unif", b"geo1"), "HEIC")
OF_PICTURES = (b"mif1", b"mif2", b"mif3", b"msf1", b"miaf")
"""Brands of HEIF that stand beside one that is not known."""
MOTION_JPEG2000 = (b"ftypmjp2", b"ftypmj2s")
"""Behind the signature of JPEG 2000: a video (ISO/IEC 15444-3)."""

BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG",
    PNG_SIGNATURE: "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  \r\n": "JPEG 2000",
    b"\xffO\xffQ": "JPEG 2000",
    b"\0\0\0\x0cJXL \r\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"8BPS\0": "Photoshop",
    **DPX_BEGINNINGS,
    **RAW_BEGINNINGS,
}


def is_image(path: Path) -> bool:
    """Tell by its first bytes whether a file is a picture, of a kind that is read or of one that `read_image` explains.

    Never raises: a folder, a device or a file that cannot be opened is no picture.
    """
    try:
        return path.is_file() and _format_of(path) is not None
    except (OSError, ValueError):
        return False


def output_suffix(path: Path) -> str:
    """The suffix under which a restored picture is written: that of the source, or one of its format, or `.png`.

    JPEG of more than 8 bit and AVIF of more or of other colours than sRGB become PNG, since Pillow writes both with 8 bit alone, and AVIF in sRGB.
    """
    kind = _format_of(path)
    if (kind == "AVIF" and is_deep_avif(path)) or (kind == "JPEG" and is_deep_jpeg(path)):
        return ".png"
    if path.suffix.lower() in (() if kind == "raw" else ONLY_AS_READ if kind in ONLY_AS_READ.values() else WRITABLE):
        return path.suffix
    if kind == "PNM":
        return pnm_suffix(path)
    return {
        "TGA": ".tga",
        "JPEG": ".jpg",
        "WebP": ".webp",
        "TIFF": ".tif",
        "BMP": ".bmp",
        "HEIC": ".heic",
        "AVIF": ".avif",
        "raw": ".tif",
        "OpenEXR": ".exr",
        "DPX": ".dpx",
        "Radiance HDR": ".hdr",
        "JPEG 2000": ".tif",
        "Photoshop": ".tif",
    }.get(kind or "", ".png")


def format_note(path: Path) -> str:
    """What to say of the suffix that `output_suffix` gives, a sentence; empty if it is of the format of the source."""
    kind, suffix = _format_of(path), output_suffix(path)
    if kind == _KIND_OF_SUFFIX[suffix.lower()]:
        return ""
    if suffix == path.suffix:
        return f"it is {kind} under the name of another format; the result is what its name says, a `{suffix.lower()}` file"
    what = {
        "JPEG": "JPEG of more than 8 bit or without loss cannot be written",
        "AVIF": "AVIF of more than 8 bit or of other colours than sRGB cannot be written without loss",
        "raw": "raw files cannot be written",
    }.get(kind or "", f"{kind} cannot be written")
    return f"{what}; the result is a `{suffix.lower()}` file"


def read_image(path: Path) -> Image:
    """Read a picture, turned upright.

    Colours are those stored; a palette becomes RGB, and 1, 2 and 4 bit are spread over 8. The EXIF thumbnail is
    dropped, since it shows the picture as it was. Damaged metadata is left out and named in `notes`.

    Memory: the picture, and once more its decoded rows.

    Raises:
        UnreadableError: if the file is not there, empty, no picture, damaged or broken off.
        UnsupportedError: if it is animated, has more than `MAX_PIXELS`, or samples that are not understood; the message says how to convert it.
    """
    try:
        if path.is_dir():
            raise UnreadableError(f"`{path}` is a folder; name a file")
        if not path.is_file():
            raise UnreadableError(f"`{path}` is not there; check the name")
        kind = _format_of(path)
        empty = path.stat().st_size == 0
    except PermissionError as error:
        raise UnreadableError(f"no permission to read `{path}`") from error
    except OSError as error:
        raise UnreadableError(f"cannot read `{path}`: {error.strerror or error}") from error
    if empty:
        raise UnreadableError(f"`{path}` is empty; copy it again from where it came")
    if kind is None:
        raise UnreadableError(f"`{path}` is not a picture of a known kind ({', '.join(READABLE)})")
    return _upright(_READERS[kind](path))


def read_rgb(path: Path) -> Pixels:
    """Read a picture for its values alone: (H, W, 3), upright, 8 or 16 bit as stored; grey is repeated, opacity left out.

    Raises:
        UnreadableError, UnsupportedError: as `read_image`.
    """
    pixels: Pixels = np.ascontiguousarray(to_rgb(read_image(path).pixels))
    return pixels


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture as it is stored, by its header; where Pillow cannot read that, by all of the picture.

    Raises:
        UnreadableError, UnsupportedError: as `read_image`.
    """
    try:
        if kind := {"OpenEXR": exr_size, "DPX": dpx_size}.get(_format_of(path) or ""):
            return kind(path)
        if _format_of(path) == "raw":
            raise UnreadableError(f"`{path}` is raw, of which Pillow reads the preview")
        with decoding(path), PillowImage.open(path) as picture:
            return picture.size
    except UnreadableError:
        height, width = read_image(path).pixels.shape[:2]
        return width, height


def write_image(target: Path, image: Image, *, quality: int | None = None, overwrite: bool = False) -> tuple[str, ...]:
    """Write a picture in the format of the suffix of `target`.

    JPEG, WebP, BMP, TGA and AVIF hold 8 bit and HEIC 10: 16-bit samples are rounded. JPEG holds no alpha: it is left out if the picture is
    opaque everywhere.

    Args:
        target: where to; the suffix is one of `WRITABLE`.
        image: what to write.
        quality: of JPEG, WebP, HEIC and AVIF, 1 to 100; other formats lose nothing and ignore it. None for the quality that the
            source came in: a JPEG is written with the quantisation tables of its source, each step at least as fine
            as that of quality 90, and a lossless WebP stays lossless. Else 95.
        overwrite: replace `target` if it exists.

    Returns:
        Sentences for the user on what the format does not hold of the picture and its metadata.

    Raises:
        InputError: if `quality` is out of range.
        OutputError: if the format is none of `WRITABLE` or cannot hold the picture, `target` exists and `overwrite`
            is false, or it cannot be written.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"the file quality must be from 1 to 100, got {quality}")
    check_target(target, image)
    kind = _KIND_OF_SUFFIX[target.suffix.lower()]
    metadata, notes = held(image.metadata, kind)
    image = replace(image, metadata=metadata)
    if image.is_floating and kind not in FLOATING:
        notes.append(
            f"{kind} does not hold floating-point samples, which became integers{'' if _fits(image) else '; those outside were clipped'}"
        )
        image = image.as_integers()
    most = MOST_BITS.get(kind)
    if most and (image.source.bits or image.bit_depth) > most:
        notes.append(f"{kind} is written with {most} bit; the other bits were not kept (choose .png or .tif to keep them)")
    if image.pages and kind != "TIFF":
        notes.append(f"{kind} holds a single picture; its further pages ({len(image.pages)}) were not kept")
    if _becomes_rgb(image, kind) and (metadata.icc or b"")[ICC_COLOUR_SPACE] == b"GRAY":
        notes.append(f"{kind} is written in colour; the grey colour profile was not kept")
        image = replace(image, metadata=replace(metadata, icc=None))
    if image.alpha is not None and (kind == "JPEG" or (kind == "PNM" and target.suffix.lower() != ".pam")):
        notes.append("its alpha channel, opaque everywhere, was left out")
        image = replace(image, alpha=None)
    with written_whole(target, overwrite=overwrite) as partial, partial.open("wb") as file:
        notes += _write(file, image, kind, quality=quality)
    return tuple(notes)


def _fits(image: Image) -> bool:
    """Whether a picture of floats has no values outside of those that it was restored over."""
    return image.levels is None or image.levels.outside is None


def _becomes_rgb(image: Image, kind: str) -> bool:
    """Whether a format has no grey pictures, or none that are grey with alpha."""
    grey = image.pixels.shape[2] == 1
    return grey and (kind in ("WebP", "AVIF") or (kind in ("HEIC", "BMP", "TGA") and image.alpha is not None))


def check_target(target: Path, image: Image) -> None:
    """Refuse a target that the picture cannot be written to, before there is any work to lose.

    Raises:
        OutputError: if the format of its suffix is none of `WRITABLE`, needs a library that is not there, or holds no
            transparency and the picture has some.
    """
    kind = _KIND_OF_SUFFIX.get(target.suffix.lower())
    if kind is None:
        raise OutputError(f"cannot write `{target}`: the name must end in one of {', '.join(WRITABLE)}")
    if kind in ONLY_AS_READ.values() and image.source.format != kind:
        raise OutputError(f"cannot write `{target}`: {kind} is written of pictures that were {kind}; choose .tif")
    if kind == "HEIC" and not can_write_heic():
        raise OutputError(f"cannot write `{target}`: HEIC needs another library, {INSTALL['heif']}; or choose .png")
    holds_none = kind == "JPEG" or (kind == "PNM" and target.suffix.lower() != ".pam")
    if holds_none and image.alpha is not None and image.alpha.min() < peak_value(image.alpha.dtype):
        raise OutputError(f"cannot write `{target}`: the picture is partly transparent, which {target.suffix} cannot hold; choose .png")


def _write(file: BinaryIO, image: Image, kind: str, *, quality: int | None) -> list[str]:
    if kind == "JPEG":
        return write_jpeg(file, image, quality=quality)
    if kind == "PNG":
        return write_png(file, image)
    if kind == "AVIF":
        write_avif(file, image, quality=quality)
    elif kind == "HEIC":
        return write_heic(file, image, quality=quality)
    elif kind == "WebP":
        write_webp(file, image, quality=quality)
    elif kind == "BMP":
        write_bmp(file, image)
    elif kind == "DPX":
        write_dpx(file, image)
    elif kind == "OpenEXR":
        write_exr(file, image)
    elif kind == "Radiance HDR":
        write_radiance(file, image)
    elif kind == "PNM":
        write_pnm(file, image)
    elif kind == "TGA":
        return write_tga(file, image)
    else:
        return write_tiff(file, image)
    return []


def _format_of(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(HEAD)
    for beginning, kind in BEGINNINGS.items():
        if head.startswith(beginning):
            return None if head[16:24] in MOTION_JPEG2000 else kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:4] in (b"II*\0", b"MM\0*"):
        return "raw" if head[8:10] == b"CR" or path.suffix.lower() in RAW_SUFFIXES else "TIFF"
    if head[6:14] == b"HEAPCCDR":
        return "raw"
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack("<I", head[14:18])[0] in BMP_HEADER_SIZES:
        return "BMP"
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(struct.unpack(">I", head[:4])[0], HEAD), 4))]
        if brands[0] in OF_PICTURES and b"avif" in brands:
            return "AVIF"
        return ISO_BRANDS.get(brands[0]) or ("HEIC" if any(brand in OF_PICTURES for brand in brands[1:]) else None)
    if is_pnm(head):
        return "PNM"
    if is_tga(path, head):
        return "TGA"
    return "raw" if is_bare_raw(path) else None


_READERS: dict[str, Callable[[Path], Image]] = {
    "JPEG": read_jpeg,
    "PNG": read_png,
    "WebP": read_webp,
    "TIFF": read_tiff,
    "BMP": read_bmp,
    "GIF": read_gif,
    "HEIC": read_heic,
    "AVIF": read_avif,
    "JPEG XL": read_jxl,
    "raw": read_raw,
    "PNM": read_pnm,
    "TGA": read_tga,
    "OpenEXR": read_exr,
    "DPX": read_dpx,
    "Radiance HDR": read_radiance,
    "JPEG 2000": read_jpeg2000,
    "Photoshop": read_psd,
}


def _upright(image: Image) -> Image:
    """Make the metadata say what the pixels are: upright, of this size, and with no thumbnail of what they were."""
    metadata = image.metadata
    height, width = image.pixels.shape[:2]
    exif = upright_exif(metadata.exif, width=width, height=height) if metadata.exif else None
    notes = image.notes
    if metadata.exif and exif is None:
        notes = (*notes, "its EXIF is damaged and was not kept")
    metadata = replace(
        metadata,
        exif=exif,
        xmp=upright_xmp(metadata.xmp) if metadata.xmp else None,
        photoshop=(without_blocks(metadata.photoshop, THUMBNAILS) or None) if metadata.photoshop else None,
    )
    pages = tuple(partial(_upright_page, page) for page in image.pages)
    return replace(image, metadata=metadata, notes=notes, pages=pages)


def _upright_page(page: Callable[[], Image]) -> Image:
    return _upright(page())
