"""EXIF and XMP of raw files that are built in several ways."""

import struct

import pytest

from unblur.io.boxes import box_of
from unblur.io.exif import read_exif
from unblur.io.ifd import Entry, entry_of, write_directory
from unblur.io.raw_metadata import raw_metadata

CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
FTYP = box_of(b"ftyp", b"crx \0\0\0\1crx isom")


def text(value):
    return Entry(2, len(value) + 1, value.encode() + b"\0")


def tiff(tags, order="<"):
    return {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8) + write_directory(tags, order, 8)


def cr3(*, main="<"):
    """A CR3 without pixels, of which the note of the maker has a text at a place of its own block."""
    blocks = {
        b"CMT1": tiff({271: text("Canon"), 256: entry_of(main, 4, [6000])}, main),
        b"CMT2": tiff({0x9003: text("2024:05:06 07:08:09"), 0x829A: entry_of("<", 5, [1, 250])}),
        b"CMT3": tiff({0x0007: text("Firmware Version 1.00")}),
        b"CMT4": tiff({1: text("N"), 2: entry_of("<", 5, [48, 1, 8, 1, 30, 1])}),
    }
    inside = b"".join(box_of(kind, content) for kind, content in blocks.items())
    return FTYP + box_of(b"moov", box_of(b"uuid", CANON + inside)) + box_of(b"uuid", XMP_BOX + b"<x:xmpmeta/>"), blocks


def test_exif_of_canon_is_put_together():
    data, blocks = cr3()
    found = raw_metadata(data)
    order, tags = read_exif(found.exif)
    assert order == "<"
    assert (tags[271].value, 256 in tags) == (b"Canon\0", False)
    details = tags[0x8769].directory
    assert details[0x9003].value == b"2024:05:06 07:08:09\0"
    assert details[0x829A].value == struct.pack("<2I", 1, 250)
    note = details[0x927C]
    assert (note.place, note.value) == (8, blocks[b"CMT3"][8:])
    assert found.exif[: len(blocks[b"CMT3"])][8:] == blocks[b"CMT3"][8:]  # so that the places in it are right
    assert tags[0x8825].directory[2].value == struct.pack("<6I", 48, 1, 8, 1, 30, 1)
    assert found.xmp == b"<x:xmpmeta/>"


def test_blocks_of_canon_that_are_damaged_are_left_out():
    data, _ = cr3(main=">")
    tags = read_exif(raw_metadata(data).exif)[1]
    assert tags.keys() == {271}
    assert raw_metadata(data.replace(b"CMT1", b"CMTX")) is None


def test_what_is_not_about_the_raw_pixels_stays():
    tags = {271: text("Make"), 50341: Entry(7, 7, b"PrintIM"), 50706: entry_of("<", 1, [1, 4, 0, 0]), 50708: text("A camera")}
    assert read_exif(raw_metadata(tiff(tags)).exif)[1].keys() == {271, 50341, 50708}


@pytest.mark.parametrize("before", [b"", b"\0PRD\0\0\0\4abcd"])
def test_exif_of_minolta(before):
    inside = tiff({271: text("Minolta"), 0x8769: Entry(4, 1, bytes(4), directory={0x9003: text("2003:01:01 00:00:00")})}, ">")
    blocks = before + b"\0TTW" + struct.pack(">I", len(inside)) + inside
    tags = read_exif(raw_metadata(b"\0MRM" + struct.pack(">I", len(blocks)) + blocks + bytes(50)).exif)[1]
    assert tags[271].value == b"Minolta\0"
    assert tags[0x8769].directory[0x9003].value == b"2003:01:01 00:00:00\0"


@pytest.mark.parametrize("data", [b"FOVb" + bytes(500), b"\0MRM\0\0\0\x08\0PRD\0\0\0\0", b"\0MRM", FTYP, b"II*\0\xff\0\0\0"])
def test_what_has_none(data):
    assert raw_metadata(data) is None
