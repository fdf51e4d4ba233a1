"""Photoshop files: the flat picture, with its metadata."""

import struct

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.exif import exif_of_directory
from unblur.io.ifd import Entry
from unblur.io.image import format_note, is_image, output_suffix, read_image, size_of, write_image

RGB, GREY, INDEXED, CMYK, MULTICHANNEL, LAB, BITMAP, DUOTONE = 3, 1, 2, 4, 7, 9, 0, 8
XMP = b"<x:xmpmeta>A cat</x:xmpmeta>"
CAPTION = (1028, b"\x1c\x02\x05\0\x05A cat")


def exif():
    return exif_of_directory("<", {0x010F: Entry(2, 5, b"Make\0")})


def block(number, content):
    return b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(content)) + content + bytes(len(content) % 2)


def packed(row):
    """A row by PackBits, with no runs."""
    return b"".join(bytes((len(part) - 1,)) + part for part in (row[at : at + 128] for at in range(0, len(row), 128)))


def psd(samples, mode, *, blocks=(), layers=0, palette=b"", coding=0, big=False, bits=0):
    """A file of (channels, H, W)."""
    channels, height, width = samples.shape
    bits = bits or 8 * samples.dtype.itemsize
    rows = [
        [np.packbits(row).tobytes() if bits == 1 else row.astype(row.dtype.newbyteorder(">")).tobytes() for row in plane]
        for plane in samples
    ]
    flat = [row for plane in rows for row in plane]
    if coding == 1:
        flat = [packed(row) for row in flat]
        flat = [b"".join(struct.pack(">I" if big else ">H", len(row)) for row in flat), *flat]
    resources = b"".join(block(*each) for each in blocks)
    wide = ">Q" if big else ">I"
    inside = struct.pack(">h", layers) + bytes(6)
    section = struct.pack(wide, len(inside)) + inside if layers else b""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 2 if big else 1, channels, height, width, bits, mode)
    parts = (
        struct.pack(">I", len(palette))
        + palette
        + struct.pack(">I", len(resources))
        + resources
        + struct.pack(wide, len(section))
        + section
    )
    return head + parts + struct.pack(">H", coding) + b"".join(flat)


def noise(channels, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (channels, 30, 301), dtype)


def read(tmp_path, data, name="photo.psd"):
    (tmp_path / name).write_bytes(data)
    return read_image(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("mode", "channels"), [(RGB, 3), (GREY, 1)])
@pytest.mark.parametrize("coding", [0, 1])
@pytest.mark.parametrize("big", [False, True])
def test_the_flat_picture_is_read(tmp_path, dtype, mode, channels, coding, big):
    samples = noise(channels, dtype)
    image = read(tmp_path, psd(samples, mode, coding=coding, big=big))
    np.testing.assert_array_equal(image.pixels, np.moveaxis(samples, 0, -1))
    assert image.notes == ()
    assert is_image(tmp_path / "photo.psd")
    assert size_of(tmp_path / "photo.psd") == (301, 30)


def test_it_becomes_a_tiff_with_its_metadata(tmp_path):
    blocks = [
        CAPTION,
        (1005, struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1)),
        (1058, exif()),
        (1060, XMP),
        (1039, b"a profile"),
        (1036, bytes(40)),
    ]
    image = read(tmp_path, psd(noise(3), RGB, blocks=blocks, layers=2))
    assert image.notes == ("its layers were not kept, since only the flat picture was restored",)
    assert output_suffix(tmp_path / "photo.psd") == ".tif"
    assert format_note(tmp_path / "photo.psd") == "Photoshop cannot be written; the result is a `.tif` file"
    assert write_image(tmp_path / "out.tif", image) == ()
    back = read_image(tmp_path / "out.tif").metadata
    assert (back.icc, back.xmp, back.dpi) == (b"a profile", XMP, (300, 150))
    assert back.photoshop == block(*CAPTION) + block(*blocks[1])  # without the thumbnail
    assert b"Make\0" in back.exif


@pytest.mark.parametrize(("layers", "has_alpha", "notes"), [(-1, True, 1), (1, False, 2), (0, False, 1)])
@pytest.mark.parametrize("mode", [RGB, GREY])
def test_only_a_channel_that_says_so_is_opacity(tmp_path, layers, has_alpha, notes, mode):
    samples = noise(4 if mode == RGB else 2)
    image = read(tmp_path, psd(samples, mode, layers=layers))
    assert (image.alpha is not None) == has_alpha
    assert len(image.notes) == notes
    if has_alpha:
        np.testing.assert_array_equal(image.alpha, samples[-1])


def test_index_bitmap_and_duotone(tmp_path):
    palette = np.random.default_rng(1).integers(0, 256, (3, 256), np.uint8)
    samples = noise(1)
    image = read(tmp_path, psd(samples, INDEXED, palette=palette.tobytes()))
    np.testing.assert_array_equal(image.pixels, palette.T[samples[0]])
    bits = samples % 2
    np.testing.assert_array_equal(read(tmp_path, psd(bits, BITMAP, bits=1)).pixels[..., 0], 255 * (1 - bits[0]))
    image = read(tmp_path, psd(samples, DUOTONE, palette=bytes(20)))
    np.testing.assert_array_equal(image.pixels[..., 0], samples[0])
    assert image.notes == ("its duotone inks were not kept, and the picture is grey",)


def test_inks_and_lab_become_rgb(tmp_path):
    white = np.full((4, 5, 6), 255, np.uint8)
    white[0, 2] = 0  # all of the cyan ink
    image = read(tmp_path, psd(white, CMYK))
    assert image.pixels[0, 0].tolist() == [255, 255, 255]
    assert image.pixels[2, 0].tolist() == [0, 255, 255]
    assert "CMYK" in image.notes[0]
    lab = np.zeros((3, 2, 3), np.uint8)
    lab[:, 0] = np.array([255, 128, 128])[:, None]
    lab[:, 1] = np.array([138, 209, 198])[:, None]  # red of sRGB: L* 54.3, a* 80.8, b* 69.9 under D50
    image = read(tmp_path, psd(lab, LAB))
    assert image.pixels[0, 0].min() >= 254
    assert np.abs(image.pixels[1, 0].astype(int) - [255, 0, 0]).max() <= 6
    assert image.notes == ("its Lab colours were converted to sRGB",)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (psd(noise(3, np.uint16), LAB), "16-bit Lab"),
        (psd(noise(4), MULTICHANNEL), "multichannel"),
        (psd(noise(3, np.uint32), RGB), "32-bit"),
        (psd(noise(3), RGB, blocks=[(1057, b"\0\0\0\1\0")]), "no flat picture"),
        (psd(noise(3), RGB, coding=3), "compressed in a rare way"),
    ],
)
def test_others_are_refused_with_what_to_do(tmp_path, data, match):
    with pytest.raises(UnsupportedError, match=f"{match}.*16-bit TIFF"):
        read(tmp_path, data)


@pytest.mark.parametrize("coding", [0, 1])
@pytest.mark.parametrize("keep", [10, 30, 60, 3000, 27000])
def test_broken_off(tmp_path, coding, keep):
    with pytest.raises(UnreadableError, match="copy it again"):
        read(tmp_path, psd(noise(3), RGB, blocks=[CAPTION], coding=coding)[:keep])


def test_pillow_reads_the_same(tmp_path):
    image = read(tmp_path, psd(noise(3), RGB, coding=1))
    with PillowImage.open(tmp_path / "photo.psd") as picture:
        np.testing.assert_array_equal(image.pixels, np.asarray(picture))


@pytest.mark.parametrize("coding", [0, 1])
def test_what_lies_behind_the_picture_is_named(tmp_path, coding):
    data = psd(noise(3), RGB, coding=coding)
    assert read(tmp_path, data + bytes(4)).notes == ()
    assert read(tmp_path, data + b"of another program").notes == ("the data behind the end of the picture was not kept",)
