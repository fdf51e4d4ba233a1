"""EXIF and XMP of raw files that are built in several ways."""

import struct

import pytest

from unblur.io.boxes import box_of
from unblur.io.exif import read_exif
from unblur.io.ifd import Entry, entry_of, write_directory
from unblur.io.raw_metadata import exif_without_library, raw_metadata

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


def test_a_directory_of_the_maker_moves_with_its_tags():
    kodak = {0: Entry(1, 4, bytes([1, 1, 0, 0])), 3: entry_of("<", 5, [12125, 1000])}
    data = tiff({271: text("Kodak"), 0x8290: Entry(4, 1, bytes(4), directory=kodak)})
    moved = read_exif(raw_metadata(data).exif)[1][0x8290].directory
    assert {tag: entry.value for tag, entry in moved.items()} == {tag: entry.value for tag, entry in kodak.items()}


@pytest.mark.parametrize(
    ("private", "kept"), [(b"Adobe\0MakN", True), (struct.pack("<I", 900), False)], ids=["DNG", "place in a file of Sony"]
)
def test_a_place_in_the_raw_file_is_not_kept(private, kept):
    tags = {271: text("Make"), 50740: Entry(1, len(private), private)}
    assert (50740 in read_exif(raw_metadata(tiff(tags)).exif)[1]) == kept


def test_of_what_libraw_knows_the_date_is_that_of_the_photo():
    exposure = {0x829A: entry_of("<", 5, [1, 50])}
    tags = {270: text(""), 271: text("Canon"), 305: text("dcraw v9.26"), 306: text("2022:01:20 08:13:24")}
    ifd = read_exif(exif_without_library(tiff(tags | {0x8769: Entry(4, 1, bytes(4), directory=exposure)})))[1]
    assert ifd.keys() == {271, 0x8769}
    assert ifd[0x8769].directory.keys() == {0x829A, 0x9003}
    assert ifd[0x8769].directory[0x9003].value == b"2022:01:20 08:13:24\0"
    assert exif_without_library(tiff(tags | {305: text("Camera 1.0")})) is None


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
