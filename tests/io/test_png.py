"""Chunks of PNG: kept where they are true of other pixels as well, else named."""

import struct
import zlib

import numpy as np
import pytest

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.image import read_image, write_image
from unblur.io.png import packed_chunk

RGB, GREY, PALETTE = 2, 0, 3


def png(*chunks, kind=RGB, depth=8, behind=b""):
    """Give a PNG of 8×8 with chunks behind its header; a palette has the colours (n, 2n, 3n)."""
    bits = depth * (3 if kind == RGB else 1)
    palette = [(b"PLTE", bytes(value % 256 for n in range(1 << depth) for value in (n, 2 * n, 3 * n)))] if kind == PALETTE else []
    pixels = zlib.compress(b"".join(b"\0" + bytes(bits) for _ in range(8)))
    header = (b"IHDR", struct.pack(">IIBBBBB", 8, 8, depth, kind, 0, 0, 0))
    every = [header, *palette, *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    packed = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in every)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed) + behind


def chunks_of(data):
    at, found = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found[data[at + 4 : at + 8]] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def rewritten(tmp_path, data):
    (tmp_path / "photo.png").write_bytes(data)
    image = read_image(tmp_path / "photo.png")
    lost = write_image(tmp_path / "out.png", image, overwrite=True)
    return chunks_of((tmp_path / "out.png").read_bytes()), (*image.notes, *lost)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tIME", bytes([7, 232, 5, 6, 7, 8, 9])),
        (b"sBIT", bytes([5, 6, 5])),
        (b"bKGD", struct.pack(">3H", 1, 2, 3)),
        (b"oFFs", bytes(9)),
        (b"sTER", b"\1"),
        (b"sPLT", b"name\0\x08"),
        (b"pHYs", struct.pack(">IIB", 2, 1, 0)),
        (b"xxXx", b"its last letter says that it is safe to copy"),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
def test_chunks_that_stay_true_are_kept(tmp_path, chunk):
    found, notes = rewritten(tmp_path, png(chunk))
    assert found[chunk[0]] == chunk[1]
    assert notes == ()


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ((b"caBX", b"jumb"), "proof of origin"),
        ((b"dSIG", b"sign"), "signature"),
        ((b"xxXX", b"depends on the pixels"), "`xxXX`"),
        ((b"sBIT", b"\5"), "sBIT"),
        ((b"bKGD", b"\5"), "bKGD"),
    ],
)
def test_chunks_that_do_not_are_named(tmp_path, chunk, words):
    found, notes = rewritten(tmp_path, png(chunk))
    assert chunk[0] not in found
    assert len(notes) == 1
    assert words in notes[0]


@pytest.mark.parametrize(
    ("kind", "depth", "stored", "expected"),
    [
        (PALETTE, 8, b"\5", struct.pack(">3H", 5, 10, 15)),
        (GREY, 4, struct.pack(">H", 5), struct.pack(">H", 85)),
        (GREY, 16, struct.pack(">H", 5), struct.pack(">H", 5)),
    ],
)
def test_background_is_that_of_the_samples_that_are_written(tmp_path, kind, depth, stored, expected):
    found, notes = rewritten(tmp_path, png((b"bKGD", stored), kind=kind, depth=depth))
    assert found[b"bKGD"] == expected
    assert notes == ()


def test_significant_bits_of_a_palette_with_transparency_get_those_of_alpha(tmp_path):
    found, notes = rewritten(tmp_path, png((b"sBIT", bytes([5, 6, 5])), (b"tRNS", b"\0"), kind=PALETTE))
    assert found[b"sBIT"] == bytes([5, 6, 5, 8])
    assert notes == ()


def test_where_rows_begin_is_written_anew_and_needs_no_word(tmp_path):
    found, notes = rewritten(tmp_path, png((b"iDOT", bytes(28)), (b"acTL", struct.pack(">II", 1, 0))))
    assert not {b"iDOT", b"acTL"} & found.keys()
    assert notes == ()


def test_data_behind_the_end_is_named(tmp_path):
    _, notes = rewritten(tmp_path, png(behind=b"more"))
    assert notes == ("the data behind the end of the picture was not kept",)


def test_photoshop_blocks_are_kept_as_imagemagick_has_them(tmp_path):
    blocks = b"8BIM\x04\x04\0\0\0\0\0\x05title\0"
    chunk = b"Raw profile type 8bim\0\0" + zlib.compress(b"\n8bim\n%8d\n%s\n" % (len(blocks), blocks.hex().encode()))
    (tmp_path / "photo.png").write_bytes(png((b"zTXt", chunk)))
    image = read_image(tmp_path / "photo.png")
    assert image.metadata.photoshop == blocks
    write_image(tmp_path / "out.png", image)
    assert read_image(tmp_path / "out.png").metadata.photoshop == blocks


def test_missing_end_is_said_in_words(tmp_path):
    (tmp_path / "photo.png").write_bytes(png()[:-12])
    with pytest.raises(UnreadableError, match="broken off; copy"):
        read_image(tmp_path / "photo.png")


def test_pixels_do_not_depend_on_other_chunks(tmp_path):
    (tmp_path / "photo.png").write_bytes(png((b"tIME", b""), (b"sBIT", b"")))
    np.testing.assert_array_equal(read_image(tmp_path / "photo.png").pixels, np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("behind", [b"", b"\n", b'\n$"\x1d\xff not hexadecimal'])
def test_profile_as_text_is_as_long_as_it_says(tmp_path, behind):
    xmp = b"<x:xmpmeta/>"
    chunk = b"Raw profile type xmp\0\0" + zlib.compress(b"\nXMP\n%08d\n%s%s" % (len(xmp), xmp.hex().encode(), behind))
    (tmp_path / "photo.png").write_bytes(png((b"zTXt", chunk)))
    image = read_image(tmp_path / "photo.png")
    assert (image.metadata.xmp, image.notes) == (xmp, ())


@pytest.mark.parametrize("text", [b"\nexif\n      20\n4949", b"\nexif\nmany\n4949", b"\nexif\n2\nzzzz", b"", b"\nexif\n0\n"])
def test_damaged_profile_as_text_is_named(tmp_path, text):
    (tmp_path / "photo.png").write_bytes(png((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))))
    image = read_image(tmp_path / "photo.png")
    assert image.metadata.exif is None
    assert image.notes == ("its EXIF, written as text, is damaged and was not kept",)


def test_png_of_apple_s_devices_is_not_called_damaged(tmp_path):
    data = png()
    (tmp_path / "a.png").write_bytes(data[:8] + packed_chunk(b"CgBI", b"\x50\0\x20\2") + data[8:])
    with pytest.raises(UnsupportedError, match="CgBI"):
        read_image(tmp_path / "a.png")
