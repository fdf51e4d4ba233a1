"""HEIC and AVIF: in, restored, and out with their metadata."""

import io
import sys

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.boxes import box_of, boxes_of
from unblur.io.exif import exif_of_directory, read_exif
from unblur.io.ifd import Entry, entry_of
from unblur.io.image import Coding, Image, Metadata, check_target, is_image, output_suffix, read_image, write_image
from unblur.io.kind import kind_of

HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
XMP = b'<x:xmpmeta><rdf:Description dc:title="A cat"/></x:xmpmeta>'
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(100)
FILM = box_of(b"mpvd", VIDEO)
LARGE_FILM = b"\0\0\0\1mpvd" + (16 + len(VIDEO)).to_bytes(8, "big") + VIDEO
FEWER_BITS = "{} is written with {} bit; the other bits were not kept (choose .png or .tif to keep them)"
BT2020_PQ = bytes((9, 16, 0, 1))


def smooth(height, width, channels=3, dtype=np.uint8):
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    planes = np.stack([x, y, np.full((height, width), 0.4), (x + y) / 2], axis=-1)[..., :channels]
    return np.rint(planes * np.iinfo(dtype).max).astype(dtype)


def exif(orientation=1):
    return exif_of_directory("<", {0x010F: Entry(2, 5, b"Make\0"), 0x0112: entry_of("<", 3, [orientation])})


def icc():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def heif():
    return pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")


def test_heic_without_the_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(HEIC_HEAD)
    assert is_image(path)
    with pytest.raises(UnsupportedError, match=r"pip install 'unblur\[heif\]'.*x265.*GPL"):
        read_image(path)
    for act in (lambda: check_target(path, Image(smooth(8, 8))), lambda: write_image(path, Image(smooth(8, 8)), overwrite=True)):
        with pytest.raises(OutputError, match=r"pip install 'unblur\[heif\]'"):
            act()
    assert path.read_bytes() == HEIC_HEAD


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.usefixtures("heif")
def test_heic_round_trip(tmp_path, channels, has_alpha, dtype):
    pixels = smooth(64, 96, 4, dtype)
    alpha = pixels[..., 3].copy() if has_alpha else None
    metadata = Metadata(exif=exif(), icc=icc() if channels == 3 else None, xmp=XMP)
    notes = write_image(tmp_path / "out.heic", Image(pixels[..., :channels].copy(), alpha, metadata))
    assert notes == ((FEWER_BITS.format("HEIC", 10),) if dtype == np.uint16 else ())
    back = read_image(tmp_path / "out.heic")
    assert back.notes == ()
    assert back.metadata == metadata
    assert back.pixels.shape == (64, 96, 3 if has_alpha else channels)  # grey with alpha becomes RGB
    assert back.pixels.dtype == dtype
    scale = np.iinfo(dtype).max
    assert np.abs(back.pixels.astype(float) - pixels[..., :channels]).max() <= 0.04 * scale
    assert (back.alpha is not None) == has_alpha
    if has_alpha:
        assert np.abs(back.alpha.astype(float) - alpha).max() <= 0.04 * scale
    if dtype == np.uint16:
        assert len(np.unique(back.pixels[0, :, 0])) > 60  # finer than 8 bit would be along 96 pixels of one row's rise
        assert (back.pixels[..., 0] % 257).any()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_turned_once(tmp_path, heif, orientation):
    stored = smooth(64, 96)
    heif.encode("RGB", (96, 64), stored.tobytes(), tmp_path / "photo.heic", quality=90, exif=b"Exif\0\0" + exif(orientation))
    image = read_image(tmp_path / "photo.heic")
    upright = np.rot90(stored, {1: 0, 3: 2, 6: -1, 8: 1}[orientation])
    assert image.pixels.shape == upright.shape
    assert np.abs(image.pixels.astype(int) - upright).max() <= 12
    write_image(tmp_path / "out.heic", image)
    back = read_image(tmp_path / "out.heic")
    assert back.pixels.shape == upright.shape
    assert read_exif(back.metadata.exif)[1][0x0112].value == (1).to_bytes(2, "little")


@pytest.mark.usefixtures("heif")
def test_colours_of_hdr_are_kept(tmp_path):
    metadata = Metadata(png_chunks=((b"cICP", BT2020_PQ),))
    write_image(tmp_path / "out.heic", Image(smooth(32, 32, 3, np.uint16), metadata=metadata))
    back = read_image(tmp_path / "out.heic")
    assert back.metadata.cicp == tuple(BT2020_PQ)
    assert np.abs(back.pixels.astype(int) - smooth(32, 32, 3, np.uint16)).max() < 3000
    (note,) = write_image(tmp_path / "other.heic", Image(smooth(8, 8), metadata=Metadata(png_chunks=((b"tIME", bytes(7)),))))
    assert "tIME" in note


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("film", [FILM, LARGE_FILM], ids=["size of 4 bytes", "size of 8 bytes"])
def test_film_of_a_motion_photo_stays_in_heic_and_is_named_elsewhere(tmp_path, film):
    write_image(tmp_path / "photo.heic", Image(smooth(32, 32), metadata=Metadata(xmp=b'<a GCamera:MotionPhoto="1" dc:title="b"/>')))
    (tmp_path / "photo.heic").write_bytes((tmp_path / "photo.heic").read_bytes() + film)
    image = read_image(tmp_path / "photo.heic")
    assert write_image(tmp_path / "out.heic", image) == ()
    assert (tmp_path / "out.heic").read_bytes().endswith(film)
    assert [kind for kind, _, _ in boxes_of((tmp_path / "out.heic").read_bytes())][-1] == b"mpvd"
    for suffix in (".jpg", ".png"):
        (note,) = write_image(tmp_path / f"out{suffix}", image)
        assert "motion-photo video" in note
        assert read_image(tmp_path / f"out{suffix}").metadata.xmp == b'<a dc:title="b"/>'


def test_further_pictures_in_heic_are_named(tmp_path, heif):
    both = heif.from_bytes("RGB", (96, 64), smooth(64, 96).tobytes())
    both.add_frombytes("RGB", (64, 64), smooth(64, 64).tobytes())
    both.save(tmp_path / "photo.heic", quality=90)
    assert read_image(tmp_path / "photo.heic").notes == ("the further pictures in it were not kept",)


@pytest.mark.parametrize("coding", [b"avc1", b"jpeg", b"vvc1", b"unci"])
@pytest.mark.usefixtures("heif")
def test_heif_of_another_coding_is_not_called_damaged(tmp_path, coding):
    path = tmp_path / "photo.heif"
    write_image(path, Image(smooth(64, 64)))
    path.write_bytes(path.read_bytes().replace(b"hvc1", coding))
    with pytest.raises(UnsupportedError, match=f"a coding that is not known here .`{coding.decode()}`."):
        read_image(path)


@pytest.mark.parametrize("brand", [b"avci", b"vvic", b"j2ki", b"mif2", b"unif", b"xyz1"])
def test_heif_of_any_brand_is_no_video(tmp_path, brand):
    path = tmp_path / "photo.heif"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1miaf" + bytes(40))
    assert kind_of(path) == "photo"


@pytest.mark.usefixtures("heif")
def test_damaged_heic(tmp_path):
    write_image(tmp_path / "photo.heic", Image(smooth(64, 64)))
    data = (tmp_path / "photo.heic").read_bytes()
    (tmp_path / "photo.heic").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableError, match="damaged or broken off"):
        read_image(tmp_path / "photo.heic")


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("channels", [3, 4])
def test_avif_round_trip(tmp_path, channels, orientation):
    stored = smooth(64, 96, channels)
    PillowImage.fromarray(stored).save(
        tmp_path / "photo.avif", quality=95, subsampling="4:4:4", exif=b"Exif\0\0" + exif(orientation), xmp=XMP, icc_profile=icc()
    )
    image = read_image(tmp_path / "photo.avif")
    assert output_suffix(tmp_path / "photo.avif") == ".avif"
    assert image.pixels.shape == ((96, 64, 3) if orientation == 6 else (64, 96, 3))
    assert write_image(tmp_path / "out.avif", image) == ()
    back = read_image(tmp_path / "out.avif")
    assert back.metadata == image.metadata
    assert (back.metadata.xmp, len(back.metadata.icc)) == (XMP, len(icc()))
    upright = np.rot90(stored, -1) if orientation == 6 else stored
    assert np.abs(back.pixels.astype(int) - upright[..., :3]).max() <= 8
    assert (back.alpha is None) == (channels == 3)


def test_avif_of_10_bit_becomes_png_of_16(tmp_path):
    stored = smooth(64, 96, 3, np.uint16) >> 6
    data = cv2.imencode(".avif", stored[..., ::-1], [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 98])[1].tobytes()
    (tmp_path / "photo.avif").write_bytes(data)
    image = read_image(tmp_path / "photo.avif")
    assert image.pixels.dtype == np.uint16
    assert np.abs(image.pixels.astype(int) - smooth(64, 96, 3, np.uint16)).max() < 1500
    assert output_suffix(tmp_path / "photo.avif") == ".png"
    (note,) = write_image(tmp_path / "out.avif", image)
    assert "8 bit" in note


def test_avif_that_moves(tmp_path):
    frames = [PillowImage.fromarray(np.full((16, 16, 3), value, np.uint8)) for value in (0, 128, 255)]
    frames[0].save(tmp_path / "photo.avif", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedError, match="animation"):
        read_image(tmp_path / "photo.avif")


def test_avif_by_its_compatible_brands(tmp_path):
    buffer = io.BytesIO()
    PillowImage.fromarray(smooth(16, 16)).save(buffer, format="AVIF")
    data = buffer.getvalue().replace(b"ftypavif", b"ftypmif1", 1)
    (tmp_path / "photo").write_bytes(data)
    assert read_image(tmp_path / "photo").source.format == "AVIF"


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize(
    ("bits", "suffix", "expected"), [(10, ".heic", ()), (12, ".heic", ("HEIC", 10)), (10, ".jpg", ("JPEG", 8)), (12, ".png", ())]
)
def test_bits_that_a_format_does_not_hold_are_named(tmp_path, bits, suffix, expected):
    image = Image(smooth(64, 64, dtype=np.uint16), source=Coding("HEIC", lossless=False, bits=bits))
    assert write_image(tmp_path / f"out{suffix}", image) == ((FEWER_BITS.format(*expected),) if expected else ())
    if suffix == ".heic":
        assert read_image(tmp_path / "out.heic").source.bits == 10


@pytest.mark.usefixtures("heif")
def test_xmp_that_is_no_utf_8_becomes_it(tmp_path):
    xmp = XMP.replace(b"cat", "Žofie, café".encode("latin-1", "replace"))
    assert write_image(tmp_path / "out.heic", Image(smooth(64, 64), metadata=Metadata(xmp=xmp))) == (
        "its XMP, which was not valid UTF-8, was written as UTF-8",
    )
    assert "café".encode() in read_image(tmp_path / "out.heic").metadata.xmp


def test_depth_map_of_avif_is_named(tmp_path):
    pixels = smooth(64, 64, 4)
    write_image(tmp_path / "a.avif", Image(pixels[..., :3].copy(), pixels[..., 3].copy()))
    assert read_image(tmp_path / "a.avif").notes == ()
    data = (tmp_path / "a.avif").read_bytes()
    assert data.count(b"auxiliary:alpha") == 1
    (tmp_path / "b.avif").write_bytes(data.replace(b"auxiliary:alpha", b"auxiliary:depth"))
    assert read_image(tmp_path / "b.avif").notes == ("its depth map was not kept",)


def test_avif_that_the_library_does_not_know_is_not_called_damaged(tmp_path, monkeypatch):
    write_image(tmp_path / "a.avif", Image(smooth(64, 64)))

    def refuse(_self):
        raise ValueError("Failed to decode image: Not implemented")

    monkeypatch.setattr("PIL.AvifImagePlugin.AvifImageFile.load", refuse)
    with pytest.raises(UnsupportedError, match="AVIF of a layout that is not known"):
        read_image(tmp_path / "a.avif")
