"""Raw files of cameras, developed by LibRaw (rawpy, the extra `raw`) to RGB of 16 bit in sRGB.

Developed is with the white balance that the camera chose and without a change of the brightness, so that no highlight is clipped; LibRaw turns the
picture upright. EXIF is that of `unblur.io.raw_metadata`, else that of the preview in the file, else what LibRaw knows of camera, exposure and date.
"""

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.jpeg_parts import segments_of
from unblur.io.optional import needed, optional
from unblur.io.picture import MAX_PIXELS, Coding, Image, Metadata, Pixels, check_size
from unblur.io.pillow import decoding
from unblur.io.raw_metadata import exif_without_library, raw_metadata

__all__ = ["BEGINNINGS", "SUFFIXES", "is_bare_raw", "read_raw"]

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

DEVELOPED = "tags about its raw pixels were not kept, since it was developed"

SRGB = (2.4, 12.92)
"""Power and slope at black of its transfer function (IEC 61966-2-1)."""


def is_bare_raw(path: Path) -> bool:
    """Whether a file is the samples of a sensor alone, of a camera that LibRaw knows by how many there are. Only a suffix of raw files counts; False without rawpy."""
    library = optional("rawpy") if path.suffix.lower() in SUFFIXES else None
    if library is None or path.stat().st_size > 2 * MAX_PIXELS:
        return False
    try:
        with path.open("rb") as file, library.imread(file):
            return True
    except library.LibRawError:
        return False


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
                found = raw_metadata(data)
                metadata, of_library = (found, False) if found is not None else _metadata_of_preview(library, raw)
        except (library.LibRawFileUnsupportedError, library.LibRawNotImplementedError) as error:
            raise UnsupportedError(
                f"`{path}` is a raw file that LibRaw cannot open, since it is damaged or of a camera that it does not know; develop it to a 16-bit TIFF first"
            ) from error
        except library.LibRawError as error:
            raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error
    notes = ["it was developed with the white balance of the camera, to sRGB of 16 bit", DEVELOPED]
    if metadata.exif is None:
        notes.append("where it has its EXIF is not known, so that this was not kept")
    elif of_library:
        notes.append("it has no EXIF; of what it says in its own way, camera, exposure and date were kept")
    return Image(pixels, None, metadata, Coding("raw"), tuple(notes))


def _metadata_of_preview(library: ModuleType, raw: Any) -> tuple[Metadata, bool]:  # noqa: ANN401 - rawpy may be missing, and so may its types
    """EXIF of the preview, and whether it is what LibRaw has made of what it knows, since the file has none."""
    try:
        preview = raw.extract_thumb()
    except (library.LibRawNoThumbnailError, library.LibRawUnsupportedThumbnailError):
        return Metadata(), False
    if preview.format != library.ThumbFormat.JPEG:
        return Metadata(), False
    contents = (content for _, content, _ in segments_of(bytes(preview.data)))
    exif = next((content[6:] for content in contents if content.startswith(b"Exif\0\0")), None)
    known = None if exif is None else exif_without_library(exif)
    return Metadata(exif=exif if known is None else known), known is not None
