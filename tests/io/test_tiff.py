"""TIFF of many pages, with floats, inks, planes and 64-bit places; each is written as it came."""

import io
import itertools
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.exif import read_exif
from unblur.io.ifd import Entry, entry_of, next_place, read_directory, read_tiff_header, reader_of, write_directory
from unblur.io.image import read_image, write_image

HEIGHT, WIDTH = 12, 20


def ramp(channels=3, dtype=np.uint8):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = np.stack([x / WIDTH, y / HEIGHT, (x + y) / (HEIGHT + WIDTH), np.full((HEIGHT, WIDTH), 0.25)], axis=-1)[..., :channels]
    return planes.astype(dtype) if np.issubdtype(dtype, np.floating) else np.rint(planes * np.iinfo(dtype).max).astype(dtype)


def tiff(*pages, order="<", big=False, photometric=None, planar=False, packed=None, changes=()):
    """Write pages (H, W, C) in one strip each, or one a plane; `packed` makes the bytes of a strip of samples."""
    word = "Q" if big else "I"
    names = {"<": b"II", ">": b"MM"}
    head = struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)
    data = bytearray(names[order] + head)
    pointer = 8 if big else 4
    for samples in pages:
        channels = samples.shape[2]
        planes = [samples[..., [c]] for c in range(channels)] if planar else [samples]
        strips = [(packed or (lambda each: each.astype(each.dtype.newbyteorder(order)).tobytes()))(plane) for plane in planes]
        places = list(itertools.accumulate((len(strip) for strip in strips), initial=len(data)))[:-1]
        for strip in strips:
            data += strip
        data += bytes(len(data) % 2)
        shorts = {258: [8 * samples.dtype.itemsize] * channels, 259: [1], 277: [channels], 284: [1 + planar]}
        shorts |= {262: [photometric if photometric is not None else 2 if channels > 2 else 1]}
        if np.issubdtype(samples.dtype, np.floating):
            shorts[339] = [3] * channels
        ifd = {tag: entry_of(order, 3, values) for tag, values in shorts.items()}
        longs = {256: [samples.shape[1]], 257: [samples.shape[0]], 273: places, 278: [samples.shape[0]], 279: [len(s) for s in strips]}
        ifd |= {tag: entry_of(order, 16 if big else 4, values) for tag, values in longs.items()} | dict(changes)
        data[pointer : pointer + struct.calcsize("=" + word)] = struct.pack(order + word, len(data))
        pointer = next_place(len(data), len(ifd), big=big)
        data += write_directory(ifd, order, len(data), big=big)
    return bytes(data)


def saved(path, data):
    path.write_bytes(data)
    return path


def tags_of(path):
    data = path.read_bytes()
    order, big, first = read_tiff_header(reader_of(data))
    return read_directory(reader_of(data), order, first, big=big).entries


@pytest.fixture
def codecs():
    return pytest.importorskip("imagecodecs", reason="the extra `codecs` is not installed")


# --- floats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("channels", "planar"), [(1, False), (3, False), (3, True)])
def test_floats(tmp_path, order, dtype, channels, planar):
    stored = ramp(channels, dtype)
    image = read_image(saved(tmp_path / "photo.tif", tiff(stored, order=order, planar=planar)))
    np.testing.assert_array_equal(image.pixels, stored.astype(np.float32))
    assert image.notes == ()
    assert image.bit_depth == (16 if dtype == np.float16 else 32)
    write_image(tmp_path / "out.tif", image)
    back = read_image(tmp_path / "out.tif")
    np.testing.assert_array_equal(back.pixels, image.pixels)
    assert back.bit_depth == image.bit_depth


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.usefixtures("codecs")
def test_floats_under_their_predictor(tmp_path, dtype, channels):
    stored = ramp(channels, dtype)
    plain = saved(tmp_path / "plain.tif", tiff(stored))
    image = read_image(saved(tmp_path / "photo.tif", tiff(stored, changes={259: entry_of("<", 3, [8])}.items(), packed=deflated)))
    write_image(tmp_path / "out.tif", image)  # deflated, as the source was
    assert tags_of(tmp_path / "out.tif")[317].value == b"\3\0"
    np.testing.assert_array_equal(read_image(tmp_path / "out.tif").pixels, read_image(plain).pixels)
    tifffile = pytest.importorskip("tifffile")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif").reshape(stored.shape), stored)


def deflated(plane):
    return zlib.compress(plane.tobytes())


def test_floats_beyond_white_keep_their_range(tmp_path):
    stored = ramp(3, np.float32) * 400 - 100
    image = read_image(saved(tmp_path / "photo.tif", tiff(stored)))
    assert 0 <= image.pixels.min() <= image.pixels.max() <= 1
    assert any("restored over the range" in note for note in image.notes)
    write_image(tmp_path / "out.tif", image)
    tifffile = pytest.importorskip("tifffile")
    np.testing.assert_allclose(tifffile.imread(tmp_path / "out.tif"), stored, atol=1e-3)


def test_floats_in_a_format_of_integers(tmp_path):
    image = read_image(saved(tmp_path / "photo.tif", tiff(ramp(3, np.float32))))
    notes = write_image(tmp_path / "out.png", image)
    assert notes == ("PNG does not hold floating-point samples, which became integers",)
    assert np.abs(read_image(tmp_path / "out.png").pixels / 65535 - image.pixels).max() < 1e-5


def test_floats_with_alpha(tmp_path):
    stored = ramp(4, np.float32)
    image = read_image(saved(tmp_path / "photo.tif", tiff(stored, changes={338: entry_of("<", 3, [1])}.items())))
    np.testing.assert_allclose(image.pixels, np.minimum(stored[..., :3] / 0.25, image.levels.white) / image.levels.white, rtol=1e-5)
    write_image(tmp_path / "out.tif", image)
    np.testing.assert_array_equal(read_image(tmp_path / "out.tif").alpha, image.alpha)


# --- deep integers, planes and rarer compressions -----------------------------------------------------------------


def test_integers_of_32_bit(tmp_path):
    image = read_image(saved(tmp_path / "photo.tif", tiff(ramp(3, np.uint32))))
    np.testing.assert_array_equal(image.pixels, (ramp(3, np.uint32) >> 16).astype(np.uint16))
    assert image.notes == ("its samples of 32 bit were read with 16",)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", [False, True])
def test_lzw(tmp_path, codecs, dtype, planar):
    stored = ramp(3, dtype)
    data = tiff(
        stored, planar=planar, packed=lambda plane: codecs.lzw_encode(plane.tobytes()), changes={259: entry_of("<", 3, [5])}.items()
    )
    np.testing.assert_array_equal(read_image(saved(tmp_path / "photo.tif", data)).pixels, stored)


def test_planar_lzw_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    data = tiff(ramp(3, np.uint16), planar=True, changes={259: entry_of("<", 3, [5])}.items())
    with pytest.raises(UnsupportedError, match=r"compression 5 with planar 16-bit samples.*unblur\[codecs\]"):
        read_image(saved(tmp_path / "photo.tif", data))


@pytest.mark.usefixtures("codecs")
def test_samples_of_12_bit(tmp_path):
    stored = ramp(1, np.uint16) >> 4
    bits = "".join(f"{value:012b}" for value in stored.ravel())
    data = tiff(stored, packed=lambda _: int(bits, 2).to_bytes(len(bits) // 8, "big"), changes={258: entry_of("<", 3, [12])}.items())
    image = read_image(saved(tmp_path / "photo.tif", data))
    np.testing.assert_array_equal(image.pixels, (stored.astype(int) * 65535 // 4095).astype(np.uint16))


# --- inks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
def test_cmyk_becomes_rgb(tmp_path, dtype, planar):
    most = np.iinfo(dtype).max
    inks = np.array([[[0, 0, 0, 0], [most, 0, 0, 0], [0, 0, 0, most], [0, most, most, 0]]], dtype)
    image = read_image(
        saved(tmp_path / "photo.tif", tiff(inks, photometric=5, planar=planar, changes={274: entry_of("<", 3, [3])}.items()))
    )
    assert (image.pixels[:, ::-1] // most).tolist() == [[[1, 1, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0]]]
    assert image.pixels.dtype == dtype
    assert image.notes == ("its CMYK was converted to RGB without a colour profile, so that colours are not exact",)


def test_cmyk_by_pillow(tmp_path):
    inks = PillowImage.fromarray(np.full((8, 9, 4), (255, 0, 0, 0), np.uint8), "CMYK")
    inks.save(tmp_path / "photo.tif", compression="tiff_lzw")
    assert (read_image(tmp_path / "photo.tif").pixels == (0, 255, 255)).all()


def test_damaged_profile_of_inks(tmp_path):
    inks = ramp(4, np.uint16)
    image = read_image(saved(tmp_path / "photo.tif", tiff(inks, photometric=5, changes={34675: Entry(7, 4, b"none")}.items())))
    assert "without a colour profile" in image.notes[-1]
    assert image.metadata.icc is None


# --- pages and BigTIFF --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_all_pages_are_read_and_written(tmp_path, order, big):
    stored = [ramp(3), ramp(1)[:5] // 2, ramp(3, np.uint16)]
    author = {315: Entry(2, 7, b"Sophie\0")}
    image = read_image(saved(tmp_path / "photo.tif", tiff(*stored, order=order, big=big, changes=author.items())))
    for path in (None, tmp_path / "out.tif"):
        if path:
            assert write_image(path, image) == ()
            image = read_image(path)
        shown = [image, *(page() for page in image.pages)]
        assert len(shown) == 3
        for page, pixels in zip(shown, stored, strict=True):
            np.testing.assert_array_equal(page.pixels, pixels)
            assert read_exif(page.metadata.exif)[1][315].value == b"Sophie\0"
            assert page.source.big == big
    assert (tmp_path / "out.tif").read_bytes()[:4] == {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "H", 43 if big else 42)
    if not big or order == "<":  # Pillow takes the other kind of BigTIFF for a plain TIFF
        with PillowImage.open(tmp_path / "out.tif") as seen:
            assert seen.n_frames == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compressed_pages(tmp_path, dtype, codecs):
    stored = [ramp(3, dtype), ramp(3, dtype)[::-1]]
    pack = {259: entry_of("<", 3, [5])}
    data = tiff(*stored, packed=lambda plane: codecs.lzw_encode(plane.tobytes()), changes=pack.items())
    image = read_image(saved(tmp_path / "photo.tif", data))
    np.testing.assert_array_equal(image.pixels, stored[0])
    np.testing.assert_array_equal(image.pages[0]().pixels, stored[1])


def test_pages_in_another_format_are_said(tmp_path):
    image = read_image(saved(tmp_path / "photo.tif", tiff(ramp(3), ramp(3))))
    assert write_image(tmp_path / "out.png", image) == ("PNG holds a single picture; its further pages (1) were not kept",)


def test_a_page_that_cannot_be_read_is_refused_before_the_work(tmp_path):
    data = tiff(ramp(3), np.repeat(ramp(3), 2, axis=2))
    with pytest.raises(UnsupportedError, match="6 channels"):
        read_image(saved(tmp_path / "photo.tif", data))


def test_a_directory_without_a_picture_is_not_called_damaged(tmp_path):
    maker = b"Eastman Kodak Company\0"
    data = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 271, 2, len(maker), 26, 0) + maker
    with pytest.raises(UnreadableError, match=r"is a TIFF without a picture$"):
        read_image(saved(tmp_path / "folder.inf", data))


def test_a_broken_page(tmp_path):
    data = tiff(ramp(3), ramp(3))
    image = read_image(saved(tmp_path / "photo.tif", data))
    (tmp_path / "photo.tif").write_bytes(data[:900])
    with pytest.raises(UnreadableError):
        write_image(tmp_path / "out.tif", image)
    assert not (tmp_path / "out.tif").exists()


def test_what_follows_the_last_page_and_is_damaged_is_said(tmp_path):
    data = bytearray(tiff(ramp(3)))
    found = read_directory(reader_of(bytes(data)), "<", struct.unpack("<I", data[4:8])[0])
    data[found.pointer : found.pointer + 4] = struct.pack("<I", len(data) + 90)
    assert read_image(saved(tmp_path / "photo.tif", bytes(data))).notes == ("a damaged page behind the last one was not kept",)


def test_notes_of_pages_are_said(tmp_path):
    data = io.BytesIO()
    pages = [PillowImage.fromarray(ramp(3)), PillowImage.fromarray(ramp(4), "CMYK")]
    pages[0].save(data, format="TIFF", save_all=True, append_images=pages[1:])
    image = read_image(saved(tmp_path / "photo.tif", data.getvalue()))
    (note,) = write_image(tmp_path / "out.tif", image)
    assert note.startswith("page 2: its CMYK")


def lab_of(pixels):
    from_srgb = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    return ImageCms.applyTransform(PillowImage.fromarray(pixels), from_srgb)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_lab_of_8_bit_becomes_srgb(tmp_path, compression):
    y, x = np.mgrid[0:40, 0:60] / [[[40]], [[60]]]
    pixels = np.rint(80 + np.stack([x, y, (x + y) / 2], axis=-1) * 120).astype(np.uint8)
    lab_of(pixels).save(tmp_path / "a.tif", compression=compression)
    image = read_image(tmp_path / "a.tif")
    assert image.notes == ("its Lab colours were converted to sRGB",)
    assert np.abs(image.pixels.astype(int) - pixels).max() <= 6  # of 8 bit in Lab
    assert np.abs(image.pixels.astype(int) - pixels).mean() <= 2
    assert write_image(tmp_path / "b.tif", image) == ()


@pytest.mark.parametrize(("photometric", "shape", "dtype"), [(8, (8, 9, 3), np.uint16), (8, (8, 9, 4), np.uint8), (9, (8, 9, 3), np.uint8)])
def test_other_lab_is_refused(tmp_path, photometric, shape, dtype):
    tifffile = pytest.importorskip("tifffile", reason="the extra `codecs` is not installed")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, dtype), photometric=photometric, planarconfig="contig")
    with pytest.raises(UnsupportedError, match=r"Lab picture.*convert it to RGB"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.complex64])
def test_signed_and_complex_samples_are_refused(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile", reason="the extra `codecs` is not installed")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), dtype), photometric="minisblack")
    with pytest.raises(UnsupportedError, match=r"signed or complex samples; convert it to 16-bit integers first"):
        read_image(tmp_path / "a.tif")
