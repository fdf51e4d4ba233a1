"""What raw files of cameras say besides their pixels.

Most are built like a TIFF, and EXIF is their main directory. Minolta's (MRW) have a TIFF in a block `TTW`; Canon's (CR3) are built like MP4 and have four,
of the main directory, EXIF, the note of the maker and GPS (Lclevy, "Canon CR3", and ExifTool).
"""

import struct

from unblur.io.boxes import boxes_of, first_of
from unblur.io.exif import exif_of_directory, read_exif
from unblur.io.ifd import DamagedError, Entry, Ifd, Order, ReadAt, read_directory, read_header
from unblur.io.picture import Metadata
from unblur.io.tiff_tags import ABOUT_PIXELS, XMP

__all__ = ["exif_without_library", "raw_metadata"]

OLYMPUS = {b"IIRO": b"II*\0", b"IIRS": b"II*\0", b"MMOR": b"MM\0*"}
FIRST_DNG_TAG = 50000
"""From here on tags are about the raw pixels, but for some."""

ABOUT_CAMERA = (50341, 50708, 50709, 50735, 50736, 50740, 50827, 50971, 51125)
"""Tags that stay true: how it is to be printed (PrintIM), and of DNG names and number of the camera, its lens, what its maker added, the name of the raw
file, dates."""

COLOUR_FILTER = (33421, 33422)
EXIF, GPS, NOTE = 0x8769, 0x8825, 0x927C
SOFTWARE, DATE, TAKEN = 0x0131, 0x0132, 0x9003
BY_LIBRARY = b"dcraw v"
"""How the software is called in the EXIF that LibRaw makes of what it knows, where a file has none."""

PRIVATE = 50740
"""What the maker of a DNG added. Sony's raw files have under this number the place of a directory, which is not kept."""

CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
MINOLTA = b"\0MRM"


def raw_metadata(data: bytes) -> Metadata | None:
    """Read EXIF and XMP of a raw file; None if it is built in a way in which they are not found."""
    if data[4:8] == b"ftyp":
        return _of_canon(data)
    found = _main_directory(_block_of_minolta(data) if data.startswith(MINOLTA) else data)
    if found is None:
        return None
    order, ifd = found
    about = _about_camera(ifd)
    return Metadata(exif=exif_of_directory(order, about) if about else None, xmp=ifd[XMP].value if XMP in ifd else None)


def _about_camera(ifd: Ifd) -> Ifd:
    """What stays true of the picture that was developed."""
    about = {tag: entry for tag, entry in ifd.items() if tag not in (*ABOUT_PIXELS, *COLOUR_FILTER)}
    if PRIVATE in about and len(about[PRIVATE].value) <= 4:
        del about[PRIVATE]
    return {tag: entry for tag, entry in about.items() if tag < FIRST_DNG_TAG or tag in ABOUT_CAMERA}


def exif_without_library(exif: bytes) -> bytes | None:
    """Of the EXIF that LibRaw has made: camera, exposure and date, the date as that of the photo, and not LibRaw's name; None if another has made it."""
    found = read_exif(exif)
    if found is None or SOFTWARE not in found[1] or not found[1][SOFTWARE].value.startswith(BY_LIBRARY):
        return None
    order, ifd = found
    about = {tag: entry for tag, entry in ifd.items() if tag != SOFTWARE and entry.value.strip(b"\0 ")}
    date = about.pop(DATE, None)
    inner = about[EXIF].directory if EXIF in about else None
    if date is not None:
        about[EXIF] = Entry(4, 1, bytes(4), directory={**(inner or {}), TAKEN: date})
    return exif_of_directory(order, about)


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


def _block_of_minolta(data: bytes) -> bytes:
    """The TIFF in a raw file of Minolta: its head is a list of blocks, each a name in four bytes, a length in four, and a body."""
    at, end = 8, 8 + int.from_bytes(data[4:8], "big")
    while at + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from(">4sI", data, at)
        if kind == b"\0TTW":
            return data[at + 8 : at + 8 + length]
        at += 8 + length
    return b""


def _of_canon(data: bytes) -> Metadata | None:
    parts = dict(_identified(first_of(data, b"moov") or b""))
    blocks = {kind: content for kind, content, _ in boxes_of(parts.get(CANON, b""))}
    found = {kind: read_exif(blocks.get(kind, b"")) for kind in (b"CMT1", b"CMT2", b"CMT4")}
    main, details, gps = found[b"CMT1"], found[b"CMT2"], found[b"CMT4"]
    xmp = dict(_identified(data)).get(XMP_BOX)
    if main is None:
        return None
    order, ifd = main[0], _about_camera(main[1])
    if details is not None and details[0] == order:
        note = blocks.get(b"CMT3", b"")
        has_note = read_exif(note) is not None  # it counts places from its own head, which is as long as that of EXIF
        inner = details[1] | ({NOTE: Entry(7, len(note) - 8, note[8:], 8)} if has_note else {})
        ifd[EXIF] = Entry(4, 1, bytes(4), directory=inner)
    if gps is not None and gps[0] == order:
        ifd[GPS] = Entry(4, 1, bytes(4), directory=gps[1])
    return Metadata(exif=exif_of_directory(order, ifd), xmp=xmp)


def _identified(data: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes `uuid` among others: identifier and content."""
    return [(content[:16], content[16:]) for kind, content, _ in boxes_of(data) if kind == b"uuid"]
