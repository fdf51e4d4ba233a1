"""Raw files of cameras, developed by LibRaw (rawpy, the extra `raw`) to RGB of 16 bit in sRGB.

Developed is with the white balance that the camera chose and without a change of the brightness, so that no highlight is clipped; LibRaw turns the
picture upright. EXIF is that of the main directory, where the file is built like a TIFF, and else that of the preview in it.
"""

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.exif import exif_of_directory
from unblur.io.ifd import DamagedError, Ifd, Order, ReadAt, read_directory, read_header
from unblur.io.jpeg_parts import segments_of
from unblur.io.optional import needed
from unblur.io.picture import Coding, Image, Metadata, Pixels, check_size
from unblur.io.pillow import decoding
from unblur.io.tiff_tags import ABOUT_PIXELS, XMP

__all__ = ["BEGINNINGS", "SUFFIXES", "read_raw"]

BEGINNINGS = {
    b"FUJIFILMCCD-RAW": "raw",
    b"IIU\0": "raw",
    b"IIRO": "raw",
    b"IIRS": "raw",
    b"MMOR": "raw",
    b"FOVb": "raw",
    b"\0MRM": "raw",
}
"""Of raw files that are no TIFF: Fujifilm, Panasonic, Olympus, Sigma, Minolta."""

SUFFIXES = frozenset(
    f".{name}"
    for name in [
        "3fr",
        "ari",
        "arw",
        "bay",
        "cap",
        "cine",
        "cr2",
        "cr3",
        "crw",
        "cs1",
        "dc2",
        "dcr",
        "dcs",
        "dng",
        "drf",
        "erf",
        "fff",
        "gpr",
        "iiq",
        "k25",
        "kc2",
        "kdc",
        "mdc",
        "mef",
        "mos",
        "mrw",
        "nef",
        "nrw",
        "obm",
        "orf",
        "pef",
        "ptx",
        "pxn",
        "qtk",
        "raf",
        "raw",
        "rdc",
        "rw2",
        "rwl",
        "rwz",
        "sr2",
        "srf",
        "srw",
        "sti",
        "x3f",
    ]
)
"""Of raw files that can be built like a TIFF, which their beginning does not tell from one."""

OLYMPUS = {b"IIRO": b"II*\0", b"IIRS": b"II*\0", b"MMOR": b"MM\0*"}
FIRST_DNG_TAG = 50000
"""From here on tags are about the raw pixels, but for some."""

ABOUT_CAMERA = (50708, 50709, 50735, 50736, 50740, 50827, 50971, 51125)
"""Tags of DNG that stay true: names and number of the camera, its lens, what its maker added, the name of the raw file, dates."""

DEVELOPED = "tags about its raw pixels were not kept, since it was developed"

COLOUR_FILTER = (33421, 33422)

SRGB = (2.4, 12.92)
"""Power and slope at black of its transfer function (IEC 61966-2-1)."""


def read_raw(path: Path) -> Image:
    """Read and develop a raw file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if rawpy is not installed, LibRaw does not know the camera, or it is too large.
    """
    library = needed("rawpy", path, "a raw file of a camera", extra="raw")
    data = path.read_bytes()
    with decoding(path):
        try:
            with library.imread(io.BytesIO(data)) as raw:
                check_size(path, width=raw.sizes.width, height=raw.sizes.height)
                pixels: Pixels = np.ascontiguousarray(
                    raw.postprocess(
                        use_camera_wb=True,
                        no_auto_bright=True,
                        adjust_maximum_thr=0,  # or the brightest pixel would set the scale
                        output_bps=16,
                        gamma=SRGB,
                        output_color=library.ColorSpace.sRGB,
                    )
                )
                metadata = _metadata(data, library, raw)
        except (library.LibRawFileUnsupportedError, library.LibRawNotImplementedError) as error:
            raise UnsupportedError(
                f"`{path}` is a raw file that LibRaw cannot open, since it is damaged or of a camera that it does not know; develop it to a 16-bit TIFF first"
            ) from error
        except library.LibRawError as error:
            raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error
    notes = ("it was developed with the white balance of the camera, to sRGB of 16 bit", DEVELOPED)
    return Image(pixels, None, metadata, Coding("raw"), notes)


def _metadata(data: bytes, library: ModuleType, raw: Any) -> Metadata:  # noqa: ANN401 - rawpy may be missing, and so may its types
    found = _main_directory(data)
    if found is not None:
        order, ifd = found
        about = {tag: entry for tag, entry in ifd.items() if tag not in (*ABOUT_PIXELS, *COLOUR_FILTER)}
        about = {tag: entry for tag, entry in about.items() if tag < FIRST_DNG_TAG or tag in ABOUT_CAMERA}
        xmp = ifd[XMP].value if XMP in ifd else None
        return Metadata(exif=exif_of_directory(order, about) if about else None, xmp=xmp)
    try:
        preview = raw.extract_thumb()
    except (library.LibRawNoThumbnailError, library.LibRawUnsupportedThumbnailError):
        return Metadata()
    if preview.format != library.ThumbFormat.JPEG:
        return Metadata()
    contents = (content for _, content, _ in segments_of(bytes(preview.data)))
    return Metadata(exif=next((content[6:] for content in contents if content.startswith(b"Exif\0\0")), None))


def _main_directory(data: bytes) -> tuple[Order, Ifd] | None:
    """Give the main directory of a file that is built like a TIFF, else None."""
    head = OLYMPUS.get(data[:4], data[:4])

    def read_at(offset: int, length: int) -> bytes:
        return (head + data[4:length])[:length] if offset == 0 else data[offset : offset + length]

    reader: ReadAt = read_at
    try:
        order, first = read_header(reader)
        return order, read_directory(reader, order, first).entries
    except DamagedError:
        return None
