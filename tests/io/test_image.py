import errno
import importlib.util
import io
import itertools
import logging
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageCms, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from unblur.errors import InputError, OutputError, UnreadableError, UnsupportedError
from unblur.io import picture
from unblur.io.exif import exif_of_directory, read_exif
from unblur.io.ifd import Entry, entry_of, read_directory, read_header, reader_of, write_directory
from unblur.io.image import READABLE, WRITABLE, Coding, Image, Metadata, is_image, read_image, read_rgb, write_image

ICC = bytes(range(256)) * 300  # longer than one JPEG segment
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d" dc:title="A shaky cat"/></x:xmpmeta>'
MAKER_NOTE = bytes(range(251)) * 2
LOSSLESS = (".png", ".tif")
WRITTEN = [suffix for suffix in WRITABLE if suffix not in (".heic", ".heif") or importlib.util.find_spec("pillow_heif")]


def noise(height, width, channels=3, dtype=np.uint8, seed=0):
    most = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, most + 1, (height, width, channels)).astype(dtype)


def smooth(height, width):
    """Give a picture that JPEG keeps well, different in each corner."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, np.full((height, width), 60.0)], axis=-1).astype(np.uint8)


def text(value):
    return Entry(2, len(value) + 1, value.encode() + b"\0")


def exif(*, orientation=1, order="<"):
    """Make EXIF with camera, GPS, maker note and sizes."""
    details = {0x927C: Entry(7, len(MAKER_NOTE), MAKER_NOTE), 0x9003: text("2024:05:06 07:08:09")}
    details |= {0xA002: entry_of(order, 4, [9999]), 0xA003: entry_of(order, 4, [9999])}
    place = {1: text("N"), 2: entry_of(order, 5, [51, 1, 30, 1, 1234, 100])}
    main = {0x010F: text("Make"), 0x0110: text("A camera"), 0x0132: text("2024:05:06 07:08:09"), 0x0112: entry_of(order, 3, [orientation])}
    main |= {0x8769: Entry(4, 1, bytes(4), directory=details), 0x8825: Entry(4, 1, bytes(4), directory=place)}
    return exif_of_directory(order, main)


def tags(data):
    """Give all values of EXIF by (directory, tag)."""
    order, main = read_exif(data)
    found = {("main", tag): entry.value for tag, entry in main.items() if entry.directory is None}
    for pointer in (0x8769, 0x8825):
        found |= {(pointer, tag): entry.value for tag, entry in main[pointer].directory.items()}
    return order, found


def pillow_bytes(kind, picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def saved(path, data):
    path.write_bytes(data)
    return path


def png_chunks(data):
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def png_of(chunks):
    packed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def with_chunks(data, *extra):
    """Put chunks behind the header of a PNG."""
    first, *rest = png_chunks(data)
    return png_of([first, *extra, *rest])


def retagged(data, changes):
    """Give a TIFF other tags, in a new directory at its end; None takes a tag away."""
    read_at = reader_of(data)
    order, first = read_header(read_at)
    entries = read_directory(read_at, order, first).entries | changes
    entries = {tag: entry for tag, entry in entries.items() if entry is not None}
    data += bytes(len(data) % 2)
    return data[:4] + struct.pack(order + "I", len(data)) + data[8:] + write_directory(entries, order, len(data))


def turned(stored, orientation):
    """Turn as a viewer does, by Pillow's names for it."""
    steps = PillowImage.Transpose
    ways = [
        None,
        steps.FLIP_LEFT_RIGHT,
        steps.ROTATE_180,
        steps.FLIP_TOP_BOTTOM,
        steps.TRANSPOSE,
        steps.ROTATE_270,
        steps.TRANSVERSE,
        steps.ROTATE_90,
    ]
    way = ways[orientation - 1]
    shown = PillowImage.fromarray(stored)
    return np.asarray(shown if way is None else shown.transpose(way))


# --- pixels come back as they are ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", LOSSLESS)
@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    has_alpha=st.booleans(),
    compressed=st.booleans(),
    seed=st.integers(0, 9),
)
def test_lossless_round_trip_is_exact(tmp_path_factory, suffix, height, width, channels, dtype, has_alpha, compressed, seed):
    path = tmp_path_factory.mktemp("trip") / f"photo{suffix}"
    pixels = noise(height, width, channels, dtype, seed)
    alpha = noise(height, width, 1, dtype, seed + 100)[..., 0] if has_alpha else None
    write_image(path, Image(pixels, alpha, source=Coding(compressed=compressed)))
    back = read_image(path)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == dtype
    assert back.bit_depth == 8 * np.dtype(dtype).itemsize
    if has_alpha:
        np.testing.assert_array_equal(back.alpha, alpha)
        assert back.alpha.dtype == dtype
    else:
        assert back.alpha is None
    assert back.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_pictures_larger_than_a_band_or_strip(tmp_path, monkeypatch, suffix, dtype):
    monkeypatch.setattr(picture, "BLOCK_PIXELS", 50)
    rows = np.cumsum(noise(300, 257, 3, dtype) % 3, axis=0).astype(dtype)  # compressible, so that filters are used
    write_image(tmp_path / f"photo{suffix}", Image(rows))
    np.testing.assert_array_equal(read_image(tmp_path / f"photo{suffix}").pixels, rows)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_16_bit_rgb_as_opencv_reads_it(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    pixels = noise(11, 13, 3, np.uint16)
    write_image(path, Image(pixels))
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1], pixels)


@pytest.mark.parametrize(("channels", "has_alpha"), list(itertools.product([1, 3], [False, True])))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_8_bit_as_pillow_reads_it(tmp_path, suffix, channels, has_alpha):
    path = tmp_path / f"photo{suffix}"
    image = Image(noise(11, 13, channels), noise(11, 13, 1, seed=1)[..., 0] if has_alpha else None)
    write_image(path, image)
    with PillowImage.open(path) as shown:
        modes = {(1, False): "L", (3, False): "RGB", (1, True): "LA", (3, True): "RGBA"}
        mode = modes[3 if suffix == ".webp" else channels, has_alpha]  # WebP has no grey
        assert shown.mode == mode
        expected = image.interleaved(0, 11)
        if suffix == ".webp" and channels == 1:
            expected = np.concatenate([expected[..., :1]] * 2 + [expected], axis=2)
        np.testing.assert_array_equal(np.asarray(shown).reshape(11, 13, -1), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (17, 23)])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_small_and_odd_sizes_in_every_format(tmp_path, suffix, shape):
    path = tmp_path / f"photo{suffix}"
    pixels = np.full((*shape, 3), (200, 100, 50), np.uint8)
    write_image(path, Image(pixels, source=Coding("JPEG", lossless=False, tables=((3,) * 64,), subsampling=2)))
    back = read_image(path)
    assert back.pixels.shape == pixels.shape
    assert np.abs(back.pixels.astype(int) - pixels).max() <= (0 if suffix in (".png", ".tif", ".tiff", ".bmp") else 4)


# --- every kind of source -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
        ("TIFF", {"compression": "packbits"}),
    ],
)
def test_8_bit_rgb_by_others(tmp_path, kind, options):
    pixels = noise(19, 31)
    image = read_image(saved(tmp_path / "photo", pillow_bytes(kind, PillowImage.fromarray(pixels), **options)))
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.alpha is None
    assert image.source.format == {"WEBP": "WebP"}.get(kind, kind)
    assert image.source.lossless
    assert image.source.compressed == (kind != "BMP" and bool(options or kind == "PNG"))


@pytest.mark.parametrize(("mode", "kind"), [*itertools.product(["L", "LA", "RGBA"], ["PNG", "TIFF"]), ("L", "BMP"), ("RGBA", "WEBP")])
def test_8_bit_modes_by_others(tmp_path, mode, kind):
    pixels = noise(9, 14, len(mode)) if len(mode) != 1 else noise(9, 14, 1)[..., 0]
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = read_image(saved(tmp_path / "photo", pillow_bytes(kind, PillowImage.fromarray(pixels), **options)))
    np.testing.assert_array_equal(image.interleaved(0, 9), pixels.reshape(9, 14, -1))
    assert image.pixels.shape[2] == (1 if mode.startswith("L") else 3)


@pytest.mark.parametrize(
    "compression", [cv2.IMWRITE_TIFF_COMPRESSION_NONE, cv2.IMWRITE_TIFF_COMPRESSION_LZW, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE]
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_by_others(tmp_path, compression, channels):
    path = tmp_path / "photo.tif"
    pixels = noise(19, 31, channels, np.uint16)
    stored = pixels[..., [2, 1, 0, 3][:channels]] if channels > 1 else pixels
    assert cv2.imwrite(str(path), stored, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, pixels[..., :3])
    assert (image.alpha is None) == (channels < 4)
    if channels == 4:
        np.testing.assert_array_equal(image.alpha, pixels[..., 3])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_by_others(tmp_path, channels):
    pixels = noise(19, 31, channels, np.uint16)
    stored = pixels[..., [2, 1, 0, 3][:channels]] if channels > 1 else pixels
    image = read_image(saved(tmp_path / "photo", cv2.imencode(".png", stored)[1].tobytes()))
    np.testing.assert_array_equal(image.interleaved(0, 19), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_values_alone_are_read_as_rgb_of_the_same_depth(tmp_path, channels, dtype):
    pixels = noise(9, 14, channels, dtype)
    stored = pixels[..., [2, 1, 0, 3][:channels]] if channels > 1 else pixels
    values = read_rgb(saved(tmp_path / "photo", cv2.imencode(".png", stored)[1].tobytes()))
    assert values.dtype == dtype
    assert values.flags.c_contiguous
    assert values.flags.writeable
    np.testing.assert_array_equal(values, pixels[..., :3] if channels > 1 else pixels.repeat(3, axis=2))


def tiff(samples, *, order="<", planar=False, tile=None, compression=1, predictor=1, photometric=None, extra=None):
    """Write a TIFF of any layout: `samples` (H, W, C); `tile` is (height, width), strips of two rows otherwise."""
    height, width, channels = samples.shape
    tall, wide = tile or (2, width)
    places, blocks, data = [], [], bytearray({"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4))
    for plane in [samples[..., c : c + 1] for c in range(channels)] if planar else [samples]:
        for top, left in itertools.product(range(0, height, tall), range(0, width, wide)):
            block = plane[top : top + tall, left : left + wide]
            if tile:
                block = np.pad(block, ((0, tall - block.shape[0]), (0, wide - block.shape[1]), (0, 0)))
            if predictor == 2:
                block = np.concatenate([block[:, :1], np.diff(block, axis=1)], axis=1)
            stored = block.astype(block.dtype.newbyteorder(order)).tobytes()
            stored = stored if compression == 1 else zlib.compress(stored)
            places.append(len(data))
            blocks.append(len(stored))
            data += stored
    photometric = (2 if channels > 2 else 1) if photometric is None else photometric
    shorts = {258: [8 * samples.dtype.itemsize] * channels, 259: [compression], 262: [photometric], 277: [channels]}
    shorts |= {284: [1 + planar], 317: [predictor]} | ({} if extra is None else {338: [extra]})
    longs = {256: [width], 257: [height], 324 if tile else 273: places, 325 if tile else 279: blocks}
    longs |= {322: [wide], 323: [tall]} if tile else {278: [tall]}
    entries = {tag: entry_of(order, 3, values) for tag, values in shorts.items()}
    entries |= {tag: entry_of(order, 4, values) for tag, values in longs.items()}
    data[4:8] = struct.pack(order + "I", len(data))
    return bytes(data) + write_directory(entries, order, len(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize(("compression", "predictor"), [(1, 1), (8, 1), (8, 2), (32946, 2)])
@pytest.mark.parametrize(("channels", "planar"), [(1, False), (2, False), (3, False), (3, True), (4, True), (2, True)])
def test_tiff_layouts(tmp_path, order, dtype, tile, compression, predictor, channels, planar):
    samples = noise(21, 45, channels, dtype)
    data = tiff(samples, order=order, planar=planar, tile=tile, compression=compression, predictor=predictor, extra=2 - channels % 2 * 2)
    image = read_image(saved(tmp_path / "photo.tif", data))
    np.testing.assert_array_equal(image.interleaved(0, 21), samples)
    assert (image.alpha is not None) == (channels in (2, 4))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero(tmp_path, dtype):
    samples = noise(5, 6, 1, dtype)
    image = read_image(saved(tmp_path / "photo.tif", tiff(samples, photometric=0)))
    np.testing.assert_array_equal(image.pixels, np.iinfo(dtype).max - samples)


def test_white_is_zero_by_opencv(tmp_path):
    samples = noise(5, 6, 1, np.uint16)
    data = cv2.imencode(".tif", samples, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW])[1].tobytes()
    image = read_image(saved(tmp_path / "photo.tif", retagged(data, {262: entry_of("<", 3, [0])})))
    np.testing.assert_array_equal(image.pixels, 65535 - samples)


def test_premultiplied_alpha_is_divided_out(tmp_path):
    samples = np.array([[[60, 30, 0, 120], [10, 20, 30, 255], [0, 0, 0, 0], [200, 0, 0, 100]]], np.uint8)
    image = read_image(saved(tmp_path / "photo.tif", tiff(samples, extra=1)))
    assert image.pixels.tolist() == [[[128, 64, 0], [10, 20, 30], [0, 0, 0], [255, 0, 0]]]
    assert image.alpha.tolist() == [[120, 255, 0, 100]]
    write_image(tmp_path / "out.tif", image)
    assert read_image(tmp_path / "out.tif").pixels.tolist() == image.pixels.tolist()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({277: entry_of("<", 3, [5]), 258: entry_of("<", 3, [8] * 5)}, "5 channels"),
        ({50706: entry_of("<", 1, [1, 4, 0, 0])}, "raw"),
        ({254: entry_of("<", 4, [1])}, "raw"),
        ({262: entry_of("<", 3, [32803])}, "raw"),
        ({339: entry_of("<", 3, [3] * 3)}, "floating-point"),
        ({258: entry_of("<", 3, [11] * 3)}, "11-bit"),
        ({339: entry_of("<", 3, [2] * 3)}, "signed"),
        ({258: entry_of("<", 3, [8, 8, 16])}, "8/16-bit"),
    ],
)
def test_tiff_that_is_understood_but_not_taken(tmp_path, changes, words):
    with pytest.raises(UnsupportedError, match=words):
        read_image(saved(tmp_path / "photo.tif", retagged(tiff(noise(4, 4)), changes)))


@pytest.mark.parametrize(
    "changes",
    [{256: None}, {273: None}, {279: None}, {278: entry_of("<", 4, [1])}, {273: entry_of("<", 4, [8, 1 << 30])}],
)
def test_tiff_with_damaged_structure(tmp_path, changes):
    with pytest.raises(UnreadableError, match=r"damaged|broken off"):
        read_image(saved(tmp_path / "photo.tif", retagged(tiff(noise(4, 4)), changes)))


def test_tiff_broken_off_in_a_structural_tag(tmp_path):
    """Left out, the bits of a sample would fall back to one."""
    data = tiff(noise(4, 4))
    at = data.index(struct.pack("<HHI", 258, 3, 3)) + 8
    (place,) = struct.unpack("<I", data[at : at + 4])
    with pytest.raises(UnreadableError, match="258"):
        read_image(saved(tmp_path / "photo.tif", data[: place + 3]))


def test_reduced_picture_in_tiff_is_no_page(tmp_path):
    data = tiff(noise(4, 4))
    entries = read_directory(reader_of(data), "<", struct.unpack("<I", data[4:8])[0])
    small = write_directory(entries.entries | {254: entry_of("<", 4, [1])}, "<", len(data))
    chained = bytearray(data + small)
    chained[entries.pointer : entries.pointer + 4] = struct.pack("<I", len(data))
    np.testing.assert_array_equal(read_image(saved(tmp_path / "photo.tif", bytes(chained))).pixels, noise(4, 4))


def test_lost_tags_are_named(tmp_path):
    data = retagged(tiff(noise(4, 4)), {315: text("Somebody with a long name")})
    image = read_image(saved(tmp_path / "photo.tif", data[:-10]))
    np.testing.assert_array_equal(image.pixels, noise(4, 4))
    assert image.notes == ("damaged tags were not kept (315)",)


@pytest.mark.parametrize("transparency", [None, 3, bytes([255, 0, 90, 255])])
def test_palette(tmp_path, transparency):
    colours = noise(1, 4, seed=3)[0]
    indices = np.random.default_rng(0).integers(0, 4, (7, 9)).astype(np.uint8)
    picture = PillowImage.fromarray(indices)
    picture.putpalette(colours.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    image = read_image(saved(tmp_path / "photo.png", pillow_bytes("PNG", picture, **options)))
    np.testing.assert_array_equal(image.pixels, colours[indices])
    if transparency is None:
        assert image.alpha is None
    else:
        opacity = np.array([255, 255, 255, 0] if transparency == 3 else list(transparency), np.uint8)
        np.testing.assert_array_equal(image.alpha, opacity[indices])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit(tmp_path, kind):
    bits = np.random.default_rng(0).random((7, 13)) < 0.5
    image = read_image(saved(tmp_path / "photo", pillow_bytes(kind, PillowImage.fromarray(bits))))
    np.testing.assert_array_equal(image.pixels[..., 0], bits * np.uint8(255))


@pytest.mark.parametrize(
    ("depth", "kind", "key"), [(2, 0, (1,)), (8, 0, (85,)), (16, 0, (21845,)), (8, 2, (85, 85, 85)), (16, 2, (21845,) * 3)]
)
def test_transparent_colour(tmp_path, depth, kind, key):
    """One grey level in four of the picture is declared transparent."""
    levels = {2: b"\0\x1b", 8: b"\0" + bytes([0, 85, 170, 255]), 16: b"\0" + struct.pack(">4H", 0, 21845, 43690, 65535)}[depth]
    if kind == 2:
        step = depth // 8
        levels = b"\0" + b"".join(levels[1 + i * step : 1 + (i + 1) * step] * 3 for i in range(4))
    header = struct.pack(">IIBBBBB", 4, 1, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", struct.pack(f">{len(key)}H", *key)), (b"IDAT", zlib.compress(levels)), (b"IEND", b"")]
    image = read_image(saved(tmp_path / "photo.png", png_of(chunks)))
    most = 65535 if depth == 16 else 255
    assert image.alpha.tolist() == [[most, 0, most, most]]
    assert image.pixels[0, :, 0].tolist() == [0, most // 3, most // 3 * 2, most]


def test_interlaced_16_bit_png(tmp_path):
    header = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 1)
    passes = b"\0" + struct.pack(">H", 1000) + b"\0" + struct.pack(">H", 60000)  # Adam7: pixel 0 in pass 1, pixel 1 in pass 6
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(passes)), (b"IEND", b"")]
    assert read_image(saved(tmp_path / "photo.png", png_of(chunks))).pixels[..., 0].tolist() == [[1000, 60000]]


def test_still_gif(tmp_path):
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:, 4:] = (255, 128, 0)
    image = read_image(saved(tmp_path / "photo.gif", pillow_bytes("GIF", PillowImage.fromarray(pixels))))
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.source == Coding("GIF")


def test_grey_jpeg_stays_grey(tmp_path):
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(20, 30)[..., 0]), quality=95)
    image = read_image(saved(tmp_path / "photo.jpg", data))
    assert image.pixels.shape == (20, 30, 1)
    write_image(tmp_path / "out.jpg", image)
    with PillowImage.open(tmp_path / "out.jpg") as shown:
        assert shown.mode == "L"


# --- orientation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "depth"), [("JPEG", 8), ("PNG", 8), ("WEBP", 8), ("TIFF", 8), ("LZW", 8), ("PNG", 16), ("TIFF", 16), ("LZW", 16)]
)
def test_orientation_is_applied_once(tmp_path, kind, depth, orientation):
    stored = smooth(16, 24)
    source = tmp_path / "photo"
    if depth == 16:
        deep = stored.astype(np.uint16) * 257
        if kind == "PNG":
            data = with_chunks(cv2.imencode(".png", deep[..., ::-1])[1].tobytes(), (b"eXIf", exif(orientation=orientation)))
        else:
            compression = 5 if kind == "LZW" else 1
            data = cv2.imencode(".tif", deep[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()
            data = retagged(data, {274: entry_of("<", 3, [orientation])})
        source.write_bytes(data)
    elif kind in ("TIFF", "LZW"):
        options = {"compression": "tiff_lzw"} if kind == "LZW" else {}
        source.write_bytes(pillow_bytes("TIFF", PillowImage.fromarray(stored), tiffinfo={274: orientation}, **options))
    else:
        options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
        source.write_bytes(pillow_bytes(kind, PillowImage.fromarray(stored), exif=b"Exif\0\0" + exif(orientation=orientation), **options))
    image = read_image(source)
    upright = turned(stored, orientation)
    assert image.pixels.shape == upright.shape
    shown = image.pixels // (257 if depth == 16 else 1)
    assert np.abs(shown.astype(int) - upright).max() <= (3 if kind == "JPEG" else 0)

    for suffix in [each for each in WRITTEN if each not in (".heic", ".heif")]:  # which Pillow does not know; see test_heif
        out = tmp_path / f"out{suffix}"
        write_image(out, image)
        with PillowImage.open(out) as again:
            assert again.getexif().get(0x0112, 1) == 1
        back = read_image(out)
        assert back.pixels.shape == upright.shape
        scale = 257 if back.bit_depth == 16 else 1
        exact = kind != "JPEG" and suffix not in (".jpg", ".jpeg", ".avif")
        assert np.abs(back.pixels.astype(int) // scale - upright).max() <= (0 if exact else 20)  # the corners differ by 200


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_xmp_states_orientation_where_exif_does_not(tmp_path, kind):
    stored = PillowImage.fromarray(smooth(8, 24))
    if kind == "PNG":
        data = with_chunks(pillow_bytes("PNG", stored), (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP % 6))
    else:
        data = pillow_bytes(kind, stored, xmp=XMP % 6)
    image = read_image(saved(tmp_path / "photo", data))
    assert image.pixels.shape == (24, 8, 3)
    assert image.metadata.xmp == XMP % 1


def test_exif_orientation_goes_before_that_of_xmp(tmp_path):
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 24)), exif=b"Exif\0\0" + exif(orientation=1), xmp=XMP % 6)
    assert read_image(saved(tmp_path / "photo", data)).pixels.shape == (8, 24, 3)


# --- metadata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("before", "after"), list(itertools.product([".jpg", ".png", ".webp", ".tif"], repeat=2)))
def test_metadata_survives_from_format_to_format(tmp_path, before, after, order):
    metadata = Metadata(exif=exif(order=order), icc=ICC, xmp=XMP % 1, dpi=(300.0, 150.0))
    write_image(tmp_path / f"first{before}", Image(smooth(20, 30), metadata=metadata))
    first = read_image(tmp_path / f"first{before}")
    write_image(tmp_path / f"second{after}", first.with_pixels(255 - first.pixels))
    second = read_image(tmp_path / f"second{after}")
    assert second.metadata.icc == ICC
    assert second.metadata.xmp == XMP % 1
    kept_order, kept = tags(second.metadata.exif)
    _, original = tags(metadata.exif)
    assert kept_order == order
    sizes = {(0x8769, 0xA002): struct.pack(order + "I", 30), (0x8769, 0xA003): struct.pack(order + "I", 20)}
    assert original | sizes == {key: value for key, value in kept.items() if key[0] != "main" or key[1] not in (282, 283, 296)}
    if ".webp" not in (before, after):
        assert second.metadata.dpi == pytest.approx((300, 150), rel=1e-3)
    assert second.notes == ()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_metadata_as_pillow_reads_it(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    write_image(path, Image(smooth(20, 30), metadata=Metadata(exif=exif(), icc=ICC, xmp=XMP % 1, dpi=(300.0, 150.0))))
    with PillowImage.open(path) as shown:
        shown.load()
        found = shown.getexif()
        assert found[0x010F] == "Make"
        assert found[0x0132] == "2024:05:06 07:08:09"
        assert found.get_ifd(0x8769)[0x927C] == MAKER_NOTE
        assert found.get_ifd(0x8825)[2] == (51.0, 30.0, 12.34)
        assert shown.info["icc_profile"] == ICC
        assert (shown.info.get("xmp") or shown.info.get("XML:com.adobe.xmp").encode()) == XMP % 1
        if suffix != ".webp":
            assert shown.info["dpi"] == pytest.approx((300, 150), rel=1e-3)


def test_true_profile_is_usable(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for suffix in (".jpg", ".png", ".webp", ".tif"):
        write_image(tmp_path / f"photo{suffix}", Image(smooth(8, 8), metadata=Metadata(icc=profile)))
        with PillowImage.open(tmp_path / f"photo{suffix}") as shown:
            ImageCms.ImageCmsProfile(io.BytesIO(shown.info["icc_profile"]))


def test_maker_note_keeps_its_place(tmp_path):
    """Maker notes hold places counted from the start of EXIF, so in JPEG, PNG and WebP nothing may move."""
    source = exif(orientation=6)
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(20, 30)), exif=b"Exif\0\0" + source)
    image = read_image(saved(tmp_path / "photo.jpg", data))
    for suffix in (".jpg", ".png", ".webp"):
        write_image(tmp_path / f"out{suffix}", image)
        kept = read_image(tmp_path / f"out{suffix}").metadata.exif
        assert kept.index(MAKER_NOTE) == source.index(MAKER_NOTE)
        assert len(kept) == len(source)


def test_thumbnail_is_dropped(tmp_path):
    small = pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 8)))
    main = exif()
    order, ifd = read_exif(main)
    pointer = 8 + 2 + 12 * len(ifd)
    directory = struct.pack("<H", 2) + struct.pack("<HHIIHHII", 0x201, 4, 1, len(main) + 30, 0x202, 4, 1, len(small)) + bytes(4)
    with_thumbnail = main[:pointer] + struct.pack("<I", len(main)) + main[pointer + 4 :] + directory + small
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 24)), exif=b"Exif\0\0" + with_thumbnail)
    path = saved(tmp_path / "photo.jpg", data)
    assert read_directory(reader_of(with_thumbnail), order, 8).following == len(main)
    write_image(tmp_path / "out.jpg", read_image(path))
    written = (tmp_path / "out.jpg").read_bytes()
    assert data.count(b"\xff\xd8\xff") == 2
    assert written.count(b"\xff\xd8\xff") == 1
    assert tags(read_image(tmp_path / "out.jpg").metadata.exif)[1][0x8769, 0x927C] == MAKER_NOTE


def test_photoshop_captions_survive_without_the_thumbnail(tmp_path):
    caption = b"8BIM" + struct.pack(">HBBI", 1028, 0, 0, 6) + b"IPTC 1"
    thumbnail = b"8BIM" + struct.pack(">HBBI", 1036, 0, 0, 5) + b"blur!\0"
    extra = b"Photoshop 3.0\0" + thumbnail + caption
    extra = struct.pack(">BBH", 0xFF, 0xED, len(extra) + 2) + extra
    image = read_image(saved(tmp_path / "photo.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 8)), extra=extra)))
    assert image.metadata.photoshop == caption
    for suffix in (".jpg", ".tif"):
        write_image(tmp_path / f"out{suffix}", image)
        assert read_image(tmp_path / f"out{suffix}").metadata.photoshop == caption


def test_jpeg_comment_survives(tmp_path):
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 8)), comment="a shaky cat")
    data = data[:2] + b"\xff\xfe\0\7first" + data[2:]
    write_image(tmp_path / "out.jpg", read_image(saved(tmp_path / "photo.jpg", data)))
    assert read_image(tmp_path / "out.jpg").metadata.comments == (b"first", b"a shaky cat")


def test_png_text_and_colour_chunks_survive(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a shaky cat")
    info.add_itxt("Author", "Žofie", lang="cs")
    info.add_text("Comment", "long " * 100, zip=True)
    data = with_chunks(
        pillow_bytes("PNG", PillowImage.fromarray(smooth(8, 8)), pnginfo=info),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"gAMA", struct.pack(">I", 45455)),
        (b"mDCV", bytes(24)),
    )
    image = read_image(saved(tmp_path / "photo.png", data))
    assert image.metadata.cicp == (9, 16, 0, 1)
    write_image(tmp_path / "out.png", image)
    kept = dict(png_chunks((tmp_path / "out.png").read_bytes()))
    assert kept[b"cICP"] == bytes([9, 16, 0, 1])
    assert kept[b"gAMA"] == struct.pack(">I", 45455)
    assert kept[b"mDCV"] == bytes(24)
    with PillowImage.open(tmp_path / "out.png") as shown:
        assert shown.text == {"Title": "a shaky cat", "Author": "Žofie", "Comment": "long " * 100}
    assert Metadata().cicp is None


@pytest.mark.parametrize("name", [b"exif", b"APP1"])
def test_exif_that_imagemagick_wrote_as_text(tmp_path, name):
    profile = (b"Exif\0\0" + exif(orientation=6)).hex().encode()
    chunk = b"Raw profile type " + name + b"\0\0" + zlib.compress(b"\n" + name + b"\n%8d\n" % (len(profile) // 2) + profile)
    data = with_chunks(pillow_bytes("PNG", PillowImage.fromarray(smooth(8, 24))), (b"zTXt", chunk))
    image = read_image(saved(tmp_path / "photo.png", data))
    assert image.pixels.shape == (24, 8, 3)
    write_image(tmp_path / "out.png", image)
    assert b"zTXt" not in dict(png_chunks((tmp_path / "out.png").read_bytes()))
    assert read_image(tmp_path / "out.png").pixels.shape == (24, 8, 3)


def test_private_tiff_tags_survive(tmp_path):
    tiffinfo = TiffImagePlugin.ImageFileDirectory_v2()
    tiffinfo[33550] = (0.5, 0.5, 0.0)  # GeoTIFF pixel scale, doubles
    tiffinfo.tagtype[33550] = 12
    tiffinfo[315] = "Sophie"
    source = saved(tmp_path / "photo.tif", pillow_bytes("TIFF", PillowImage.fromarray(smooth(8, 8)), tiffinfo=tiffinfo))
    write_image(tmp_path / "out.tif", read_image(source))
    with PillowImage.open(tmp_path / "out.tif") as shown:
        assert shown.tag_v2[33550] == (0.5, 0.5, 0.0)
        assert shown.tag_v2[315] == "Sophie"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_damaged_metadata_stops_nothing(tmp_path, suffix):
    metadata = Metadata(exif=b"II*\0\xff\xff\xff\xff", icc=b"no profile", xmp=b"<no xml\xff")
    write_image(tmp_path / f"photo{suffix}", Image(smooth(16, 16), metadata=metadata))
    image = read_image(tmp_path / f"photo{suffix}")
    assert np.abs(image.pixels.astype(int) - smooth(16, 16)).max() < 8
    assert image.metadata.exif is None
    assert image.metadata.icc == b"no profile"
    assert image.metadata.xmp == b"<no xml\xff"
    assert ("its EXIF is damaged and was not kept" in image.notes) == (suffix != ".tif")  # in TIFF it was not even written


def test_damaged_chunk_of_png_is_named(tmp_path):
    data = with_chunks(pillow_bytes("PNG", PillowImage.fromarray(smooth(8, 8))), (b"tEXt", b"Title\0cat"), (b"iCCP", b"name\0\0rubbish"))
    image = read_image(saved(tmp_path / "photo.png", data.replace(b"Title\0cat", b"Title\0dog")))
    np.testing.assert_array_equal(image.pixels, smooth(8, 8))
    assert image.metadata == Metadata()
    assert image.notes == ("a damaged tEXt chunk was not kept", "its colour profile is damaged and was not kept")


def test_profile_that_inflates_without_end_is_left_out(tmp_path):
    bomb = b"name\0\0" + zlib.compress(bytes(1 << 26))
    image = read_image(
        saved(tmp_path / "photo.png", with_chunks(pillow_bytes("PNG", PillowImage.fromarray(smooth(8, 8))), (b"iCCP", bomb)))
    )
    assert image.metadata.icc is None
    assert image.notes


def test_jpeg_profile_with_a_missing_part(tmp_path):
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 8)), icc_profile=ICC)
    image = read_image(saved(tmp_path / "photo.jpg", data.replace(b"ICC_PROFILE\0\1", b"ICC_PROFILE\0\7")))
    assert image.metadata.icc is None
    assert image.notes == ("its colour profile is damaged and was not kept",)


def test_exif_too_long_for_jpeg_loses_its_largest_value(tmp_path):
    order, main = read_exif(exif())
    main[0x8769].directory[0x927C] = Entry(7, 70000, bytes(70000))
    image = Image(smooth(8, 8), metadata=Metadata(exif=exif_of_directory(order, main), xmp=bytes(70000)))
    notes = write_image(tmp_path / "out.jpg", image)
    kept = tags(read_image(tmp_path / "out.jpg").metadata.exif)[1]
    assert kept["main", 0x010F] == b"Make\0"
    assert (0x8769, 0x927C) not in kept
    assert (0x8769, 0x9003) in kept
    assert "largest values" in notes[0]
    assert "XMP" in notes[1]


def test_phone_photo_with_a_second_picture(tmp_path):
    first, second = PillowImage.fromarray(smooth(16, 16)), PillowImage.fromarray(smooth(8, 8))
    data = pillow_bytes("MPO", first, save_all=True, append_images=[second])
    image = read_image(saved(tmp_path / "photo.jpg", data))
    assert image.pixels.shape == (16, 16, 3)
    assert image.notes == ()
    (behind,) = image.metadata.attached
    assert behind.kind == "further picture"
    write_image(tmp_path / "out.jpg", image)
    with PillowImage.open(tmp_path / "out.jpg") as shown:
        assert shown.n_frames == 2
        shown.seek(1)
        assert shown.size == (8, 8)
        assert np.abs(np.asarray(shown).astype(int) - smooth(8, 8)).max() < 40


def test_half_of_a_stereo_pair_is_not_dropped(tmp_path):
    kinds = struct.pack("<10I", 0x020002, 0, 0, 0, 0, 0x020002, 0, 0, 0, 0)[:32]
    directory = write_directory({0xB001: entry_of("<", 4, [2]), 0xB002: Entry(7, 32, kinds)}, "<", 8)
    extra = b"MPF\0II*\0" + struct.pack("<I", 8) + directory
    extra = struct.pack(">BBH", 0xFF, 0xE2, len(extra) + 2) + extra
    with pytest.raises(UnsupportedError, match="2 pictures of a stereo set"):
        read_image(saved(tmp_path / "photo.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(8, 8)), extra=extra)))


# --- JPEG and WebP quality ----------------------------------------------------------------------------------------


def tables(path):
    with PillowImage.open(path) as shown:
        return {number: list(table) for number, table in shown.quantization.items()}, JpegImagePlugin.get_sampling(shown)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [90, 93, 98])
def test_jpeg_is_written_in_the_quality_it_came_in(tmp_path, quality, subsampling):
    data = pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), quality=quality, subsampling=subsampling)
    source = saved(tmp_path / "photo.jpg", data)
    write_image(tmp_path / "out.jpg", read_image(source))
    assert tables(tmp_path / "out.jpg") == tables(source)


def test_tables_of_a_camera_are_kept(tmp_path):
    camera = [[1 + i // 16 for i in range(64)], [2 + i // 16 for i in range(64)]]
    source = saved(tmp_path / "photo.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), qtables=camera))
    write_image(tmp_path / "out.jpg", read_image(source))
    assert tables(tmp_path / "out.jpg")[0] == {0: camera[0], 1: camera[1]}


def test_coarse_jpeg_is_written_no_coarser_than_quality_90(tmp_path, caplog):
    at_90 = saved(tmp_path / "90.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), quality=90, subsampling=2))
    source = saved(tmp_path / "photo.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), quality=40, subsampling=2))
    with caplog.at_level(logging.INFO):
        write_image(tmp_path / "out.jpg", read_image(source))
    assert tables(tmp_path / "out.jpg") == tables(at_90)
    assert "90, finer than the source" in caplog.text


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_quality_can_be_chosen(tmp_path, quality):
    source = saved(tmp_path / "photo.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), quality=93, subsampling=0))
    same = saved(tmp_path / "same.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), quality=quality, subsampling=0))
    write_image(tmp_path / "out.jpg", read_image(source), quality=quality)
    assert tables(tmp_path / "out.jpg") == tables(same)


def test_other_sources_become_jpeg_of_quality_95_without_subsampling(tmp_path):
    same = saved(tmp_path / "same.jpg", pillow_bytes("JPEG", PillowImage.fromarray(smooth(32, 48)), quality=95, subsampling=0))
    write_image(tmp_path / "out.jpg", Image(smooth(32, 48)))
    assert tables(tmp_path / "out.jpg") == tables(same)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_quality_out_of_range(tmp_path, quality):
    with pytest.raises(InputError, match="1 to 100"):
        write_image(tmp_path / "out.jpg", Image(smooth(8, 8)), quality=quality)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_stays_as_it_came(tmp_path, lossless):
    data = pillow_bytes("WEBP", PillowImage.fromarray(noise(20, 30)), lossless=lossless)
    image = read_image(saved(tmp_path / "photo.webp", data))
    write_image(tmp_path / "out.webp", image)
    back = read_image(tmp_path / "out.webp")
    assert image.source.lossless == back.source.lossless == lossless
    assert np.array_equal(back.pixels, image.pixels) == lossless
    write_image(tmp_path / "small.webp", image, quality=10)
    assert not read_image(tmp_path / "small.webp").source.lossless
    assert (tmp_path / "small.webp").stat().st_size < (tmp_path / "out.webp").stat().st_size


def test_lossy_webp_keeps_alpha_exactly(tmp_path):
    alpha = noise(20, 30, 1, seed=1)[..., 0]
    write_image(tmp_path / "out.webp", Image(smooth(20, 30), alpha), quality=50)
    np.testing.assert_array_equal(read_image(tmp_path / "out.webp").alpha, alpha)


def test_grey_profile_is_not_put_on_rgb_webp(tmp_path):
    icc = bytes(16) + b"GRAY" + bytes(100)
    (note,) = write_image(tmp_path / "out.webp", Image(smooth(8, 8)[..., :1], metadata=Metadata(icc=icc)))
    assert read_image(tmp_path / "out.webp").metadata.icc is None
    assert "grey colour profile" in note


# --- what a format cannot hold ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
def test_16_bit_is_rounded_to_8(tmp_path, suffix):
    levels = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32, 1)
    write_image(tmp_path / f"out{suffix}", Image(levels))
    back = read_image(tmp_path / f"out{suffix}").pixels[..., 0]
    expected = np.rint(levels[..., 0] / 257)
    assert np.abs(back - expected).max() <= (3 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_left_out_only_where_it_says_nothing(tmp_path, dtype):
    most = np.iinfo(dtype).max
    opaque = np.full((8, 8), most, dtype)
    *bits, note = write_image(tmp_path / "out.jpg", Image(noise(8, 8, 3, dtype), opaque))
    assert "alpha" in note
    assert ["JPEG is written with 8 bit" in each for each in bits] == [True] * (dtype == np.uint16)
    opaque[3, 4] = most - 1
    with pytest.raises(OutputError, match=r"transparent.*\.png"):
        write_image(tmp_path / "other.jpg", Image(noise(8, 8, 3, dtype), opaque))
    assert not (tmp_path / "other.jpg").exists()


@pytest.mark.parametrize("name", ["out.psd", "out.gif", "out", "out.mp4"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(OutputError, match=r"must end in one of \.jpg, .*\.avif"):
        write_image(tmp_path / name, Image(smooth(8, 8)))
    assert list(tmp_path.iterdir()) == []


def test_suffix_in_capitals(tmp_path):
    write_image(tmp_path / "OUT.JPG", Image(smooth(8, 8)))
    assert (tmp_path / "OUT.JPG").read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65501), (".webp", 16384)])
def test_too_long_for_the_format(tmp_path, suffix, side):
    with pytest.raises(OutputError, match="choose PNG or TIFF"):
        write_image(tmp_path / f"out{suffix}", Image(np.zeros((1, side, 3), np.uint8)))
    assert list(tmp_path.iterdir()) == []


# --- the file system ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", WRITTEN)
def test_existing_file_is_kept_unless_overwrite(tmp_path, suffix):
    target = saved(tmp_path / f"out{suffix}", b"mine")
    with pytest.raises(OutputError, match="--overwrite"):
        write_image(target, Image(smooth(8, 8)))
    assert target.read_bytes() == b"mine"
    write_image(target, Image(smooth(8, 8)), overwrite=True)
    assert read_image(target).pixels.shape == (8, 8, 3)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("suffix", WRITTEN)
def test_full_disk_keeps_the_old_file(tmp_path, monkeypatch, suffix):
    target = saved(tmp_path / f"out{suffix}", b"mine")
    true_open = Path.open

    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() + len(data) > 500:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    monkeypatch.setattr(Path, "open", lambda path, mode="r": Full() if mode == "wb" else true_open(path, mode))
    with pytest.raises(OutputError, match="disk is full"):
        write_image(target, Image(noise(64, 64)), overwrite=True)
    monkeypatch.undo()
    assert target.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.skipif(sys.platform == "win32", reason="the operating system has no limit on the size of files")
def test_true_refusal_of_the_system_while_writing(tmp_path):
    """The file may not grow beyond 2000 bytes: the error is ours, and no file is left."""
    program = (
        "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
        "from unblur.errors import OutputError; from unblur.io.image import Image, write_image\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)\n"
        "for suffix in ('.jpg', '.png', '.webp', '.tif', '.bmp'):\n"
        "    try: write_image(Path(sys.argv[1]) / ('out' + suffix), Image(pixels))\n"
        "    except OutputError as error: assert 'too large' in str(error), error\n"
        "    else: raise SystemExit(suffix)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    saved(tmp_path / "file", b"")
    with pytest.raises(OutputError, match="cannot write"):
        write_image(tmp_path / "file" / "out.png", Image(smooth(8, 8)))


def test_missing_folder_is_made(tmp_path):
    write_image(tmp_path / "a" / "b" / "out.png", Image(smooth(8, 8)))
    assert (tmp_path / "a" / "b" / "out.png").exists()


def test_name_with_other_letters(tmp_path):
    path = tmp_path / "žluťoučký kůň 写真.tif"
    pixels = noise(9, 9, 3, np.uint16)
    path.write_bytes(cv2.imencode(".tif", pixels[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes())
    np.testing.assert_array_equal(read_image(path).pixels, pixels)
    write_image(path, read_image(path), overwrite=True)
    np.testing.assert_array_equal(read_image(path).pixels, pixels)


# --- what cannot be read ------------------------------------------------------------------------------------------


def every_kind():
    shown = PillowImage.fromarray(noise(40, 40))
    deep = noise(40, 40, 3, np.uint16)
    return {
        "photo.jpg": pillow_bytes("JPEG", shown, exif=b"Exif\0\0" + exif()),
        "progressive.jpg": pillow_bytes("JPEG", shown, progressive=True),
        "photo.png": pillow_bytes("PNG", shown),
        "deep.png": cv2.imencode(".png", deep)[1].tobytes(),
        "lossy.webp": pillow_bytes("WEBP", shown),
        "lossless.webp": pillow_bytes("WEBP", shown, lossless=True),
        "plain.tif": pillow_bytes("TIFF", shown),
        "lzw.tif": pillow_bytes("TIFF", shown, compression="tiff_lzw"),
        "deep.tif": cv2.imencode(".tif", deep)[1].tobytes(),
        "photo.bmp": pillow_bytes("BMP", shown),
        "photo.gif": pillow_bytes("GIF", shown),
        "photo.avif": pillow_bytes("AVIF", shown),
        "photo.ppm": pillow_bytes("PPM", shown),
        "deep.ppm": cv2.imencode(".ppm", deep)[1].tobytes(),
    }


@pytest.mark.parametrize("name", every_kind())
def test_broken_off(tmp_path, name):
    data = every_kind()[name]
    for part in (0.999, 0.9, 0.5, 0.1):
        path = saved(tmp_path / name, data[: int(len(data) * part)])
        with pytest.raises(UnreadableError) as caught:
            read_image(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", every_kind())
def test_hostile_bytes_raise_nothing_but_our_errors(tmp_path, name):
    data = every_kind()[name]
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(40):
        changed = bytearray(data)
        for at in generator.integers(0, min(len(data), 300), 4):
            changed[at] = generator.choice([0, 255, generator.integers(256)])
        path = saved(tmp_path / name, bytes(changed))
        is_image(path)
        try:
            read_image(path)
        except InputError:
            refused += 1
    assert refused


def test_trailing_bytes_do_no_harm(tmp_path):
    for name, data in every_kind().items():
        assert read_image(saved(tmp_path / name, data + b"rubbish" * 9)).pixels.shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, world", "not a picture"),
        (b"\xff\xd8\xff", "broken off"),
        (b"BM is how this text begins, and it goes on", "not a picture"),
    ],
)
def test_no_picture(tmp_path, data, words):
    path = saved(tmp_path / "photo.jpg", data)
    with pytest.raises(UnreadableError, match=words) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_missing_and_folder(tmp_path):
    with pytest.raises(UnreadableError, match="not there"):
        read_image(tmp_path / "photo.jpg")
    with pytest.raises(UnreadableError, match="folder"):
        read_image(tmp_path)


def animation(kind):
    frames = [PillowImage.fromarray(noise(8, 8, seed=seed)) for seed in range(3)]
    return pillow_bytes(kind, frames[0], save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_frames_are_never_dropped_in_silence(tmp_path, kind):
    with pytest.raises(UnsupportedError, match="animation"):
        read_image(saved(tmp_path / "photo", animation(kind)))


def test_tiff_samples_that_cannot_be_taken(tmp_path):
    with pytest.raises(UnsupportedError, match="signed"):
        read_image(saved(tmp_path / "photo.tif", pillow_bytes("TIFF", PillowImage.new("I", (8, 8)))))


def test_size_limit(tmp_path):
    def empty_png(width, height):
        return png_of([(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")])

    with pytest.raises(UnsupportedError, match="401 megapixels; the most is 400"):
        read_image(saved(tmp_path / "photo.png", empty_png(20050, 20000)))
    for name, data in every_kind().items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(picture, "MAX_PIXELS", 1599)
            with pytest.raises(UnsupportedError, match="scale it down"):
                read_image(saved(tmp_path / name, data))
            patch.setattr(picture, "MAX_PIXELS", 1600)
            assert read_image(tmp_path / name).pixels.size == 4800


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_large_pictures_are_read_without_a_warning(tmp_path, monkeypatch, kind):
    """Pillow warns of pictures above its own limit, and refuses those above twice that; both are below ours."""
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 1 << 23)
    side = 4200  # twice the limit and more
    data = pillow_bytes(kind, PillowImage.new("L", (side, side)))
    assert read_image(saved(tmp_path / "photo", data)).pixels.shape[:2] == (side, side)


@pytest.mark.parametrize(("suffix", "dtype"), [(".tif", np.uint8), (".tif", np.uint16), (".png", np.uint16)])
def test_memory_while_reading_and_writing(tmp_path, suffix, dtype):
    """What Python's allocator sees: one picture when reading strips, never two and a half."""
    pixels = np.zeros((1500, 2000, 3), dtype)
    image = Image(pixels)
    tracemalloc.start()
    write_image(tmp_path / f"photo{suffix}", image)
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    read_image(tmp_path / f"photo{suffix}")
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 1.5 * pixels.nbytes
    assert read < 2.5 * pixels.nbytes


# --- is_image -----------------------------------------------------------------------------------------------------


def test_is_image(tmp_path):
    for name, data in every_kind().items():
        assert is_image(saved(tmp_path / f"{name}.txt", data)), name
    for name, data in {
        "clip.mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        "clip.mov": b"\0\0\0\x14ftypqt  \0\0\2\0qt  ",
        "clip.mkv": b"\x1aE\xdf\xa3" + bytes(40),
        "clip.avi": b"RIFF\0\0\0\0AVI LIST" + bytes(40),
        "text.png": b"BM, the text begins",
        "empty.jpg": b"",
        "one.jpg": b"\xff",
    }.items():
        assert not is_image(saved(tmp_path / name, data)), name
    assert not is_image(tmp_path)
    assert not is_image(tmp_path / "missing.png")
    assert not is_image(Path("nul\0byte.png"))


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_is_image_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "photo.jpg")
    assert not is_image(tmp_path / "photo.jpg")


def test_every_readable_format_is_read(tmp_path):
    assert {read_image(saved(tmp_path / name, data)).source.format for name, data in every_kind().items()} | {
        "HEIC",
        "JPEG XL",
        "DPX",
        "OpenEXR",
        "TGA",
        "raw",
        "Radiance HDR",
        "JPEG 2000",
        "Photoshop",
    } == set(READABLE)


def test_jpeg_whose_copy_was_never_finished(tmp_path):
    """Some file systems fill the missing part with zeros."""
    data = every_kind()["photo.jpg"]
    with pytest.raises(UnreadableError, match="broken off"):
        read_image(saved(tmp_path / "photo.jpg", data[:-600] + bytes(600)))


def test_unknown_chunks_of_webp_are_named(tmp_path):
    data = pillow_bytes("WEBP", PillowImage.fromarray(smooth(8, 8)), exif=b"Exif\0\0" + exif())
    data += b"C2PA\4\0\0\0jumbOWN \2\0\0\0xy"
    image = read_image(saved(tmp_path / "photo.webp", data[:4] + struct.pack("<I", len(data) - 8) + data[8:]))
    assert ["origin" in image.notes[0], "`OWN `" in image.notes[1], len(image.notes)] == [True, True, 2]


@pytest.mark.parametrize(("tag", "words"), [(330, "SubIFDs"), (301, "transfer function"), (290, "grey response"), (37724, "layers")])
def test_tags_of_tiff_that_are_not_kept_are_named(tmp_path, tag, words):
    data = retagged(pillow_bytes("TIFF", PillowImage.fromarray(smooth(8, 8))), {tag: entry_of("<", 4, [8])})
    (note,) = read_image(saved(tmp_path / "photo.tif", data)).notes
    assert words in note
