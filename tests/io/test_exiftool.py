"""What ExifTool reads of a file is the same of the result, but for what is said and what is of the encoding."""

import importlib
import io
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import Clip, Sound, copy
from PIL import Image as PillowImage
from PIL import ImageCms, PngImagePlugin

from unblur.io.exif import exif_of_directory
from unblur.io.ifd import Entry, entry_of
from unblur.io.image import Image, Metadata, output_suffix, read_image, write_image
from unblur.io.tiff_write import write_tiff

ROOT = Path(__file__).parents[2]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" dc:source="A cat"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
CAPTION = b"8BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x05\0\x05A cat"
needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")


@pytest.fixture
def metadata(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.metadata")


def text(value):
    return Entry(2, len(value) + 1, value.encode() + b"\0")


def nested(**entries):
    return Entry(4, 1, bytes(4), directory={int(tag[1:], 16): entry for tag, entry in entries.items()})


def maker_note(place):
    """A note of Canon: a directory whose text is at a place that is counted from the beginning of the EXIF."""
    firmware = b"Firmware Version 1.00\0"
    return struct.pack("<HHHII", 1, 0x0007, 2, len(firmware), place + 18) + bytes(4) + firmware


def exif(*, orientation=6):
    """EXIF with a note of the maker, which lies behind the header and is not moved."""
    place = 200
    note = maker_note(place)
    details = nested(
        x9003=text("2024:05:06 07:08:09"),
        x9286=Entry(7, 16, b"ASCII\0\0\0A comment"[:16]),
        x927C=Entry(7, len(note), note, place),
        xA002=entry_of("<", 4, [96]),
        xA003=entry_of("<", 4, [64]),
    )
    tags = {0x010F: text("Canon"), 0x0110: text("Canon PowerShot"), 0x0112: entry_of("<", 3, [orientation]), 0x8769: details}
    tags[0x8825] = nested(x0001=text("N"), x0002=entry_of("<", 5, [48, 1, 8, 1, 30, 1]))
    return exif_of_directory("<", tags)


def icc():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pixels(dtype=np.uint8):
    y, x = np.mgrid[0:64, 0:96] / [[[64]], [[96]]]
    return np.rint(np.stack([x, y, (x + y) / 2], axis=-1) * np.iinfo(dtype).max).astype(dtype)


def made(path, *, dtype=np.uint8):
    """A file with all metadata that its format holds, by Pillow, or where that moves EXIF or has no such format by our own writers."""
    kind = path.suffix
    if kind in (".tif", ".heic", ".avif"):
        about = Metadata(
            exif=exif(orientation=1), icc=icc(), xmp=XMP.replace(b'"6"', b'"1"'), photoshop=CAPTION if kind == ".tif" else None
        )
        assert write_image(path, Image(pixels(dtype), metadata=about)) == ()
        return path
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    options = {".jpg": {"comment": b"A comment", "xmp": XMP}, ".png": {"pnginfo": texts}, ".webp": {"xmp": XMP}}[kind]
    PillowImage.fromarray(pixels()).save(path, exif=b"Exif\0\0" + exif(), icc_profile=icc(), **options)
    if kind == ".jpg":
        data = path.read_bytes()
        block = b"Photoshop 3.0\0" + CAPTION
        path.write_bytes(data[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + data[2:])
    return path


@needs_exiftool
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.jpg", np.uint8), ("a.png", np.uint8), ("a.tif", np.uint16), ("a.webp", np.uint8), ("a.avif", np.uint8), ("a.heic", np.uint8)],
)
def test_photos_keep_what_exiftool_reads(tmp_path, metadata, name, dtype):
    if name == "a.heic":
        pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")
    source = made(tmp_path / name, dtype=dtype)
    before = metadata.tags_of(source)
    assert before["IFD0:Make"] == {"Canon"}
    assert before["GPS:GPSLatitude"]
    assert before["XMP-dc:Source"] == {"A cat"}
    assert before["ICC_Profile:ProfileDescription"]
    image = read_image(source)
    target = tmp_path / f"out{output_suffix(source)}"
    said = (*image.notes, *write_image(target, image))
    unsaid = [each for each in metadata.compare(source, target, said) if not each.why]
    assert unsaid == []
    assert metadata.tags_of(target)["Canon:CanonFirmwareVersion"] == {"Firmware Version 1.00"}


@needs_exiftool
def test_jpeg_xl_keeps_in_png_what_exiftool_reads(tmp_path, metadata):
    pytest.importorskip("imagecodecs", reason="the extra `jxl` is not installed")
    pytest.importorskip("pillow_jxl", reason="the extra `jxl` is not installed")
    source = tmp_path / "a.jxl"
    PillowImage.fromarray(pixels()).save(source, exif=b"Exif\0\0" + exif(orientation=1), icc_profile=icc(), xmp=XMP, lossless=True)
    image = read_image(source)
    said = (*image.notes, *write_image(tmp_path / "b.png", image))
    assert metadata.tags_of(source)["XMP-dc:Source"] == {"A cat"}
    assert [each for each in metadata.compare(source, tmp_path / "b.png", said) if not each.why] == []


@needs_exiftool
def test_a_note_of_the_maker_stays_readable_in_a_tiff(tmp_path, metadata):
    source = made(tmp_path / "a.jpg")
    write_image(tmp_path / "b.tif", read_image(source))
    assert metadata.tags_of(tmp_path / "b.tif")["Canon:CanonFirmwareVersion"] == {"Firmware Version 1.00"}


@needs_exiftool
def test_what_is_lost_is_found(tmp_path, metadata):
    source = made(tmp_path / "a.png")
    image = read_image(source)
    write_image(tmp_path / "b.png", Image(image.pixels))
    unsaid = {each.tag: each for each in metadata.compare(source, tmp_path / "b.png", ()) if not each.why}
    assert unsaid["IFD0:Make"].before == ("Canon",)
    assert unsaid["IFD0:Make"].after == ()
    notes = write_image(tmp_path / "b.bmp", image)
    why = {each.tag: each.why for each in metadata.compare(source, tmp_path / "b.bmp", notes)}
    assert "does not hold its EXIF" in why["IFD0:Make"]


@needs_exiftool
@pytest.mark.parametrize(
    ("suffix", "clip"),
    [
        (
            ".mov",
            Clip(
                rotation=90,
                chapters=True,
                sounds=[Sound()],
                tags={"com.apple.quicktime.make": "A maker"},
                container={"movflags": "use_metadata_tags"},
            ),
        ),
        (
            ".mp4",
            Clip(
                rotation=180,
                chapters=True,
                sounds=[Sound()],
                subtitles="mov_text",
                tags={"location": "+48.1+011.5/", "artist": "me"},
                cover=True,
            ),
        ),
        (".mov", Clip(timecode="01:00:00:00", sounds=[Sound(title="Voice")], tags={"title": "Cat", "location": "+48.1+011.5/"})),
        (".mkv", Clip(chapters=True, sounds=[Sound()], tags={"title": "Cat", "mine": "yours"}, attachment=True, cover=True)),
    ],
    ids=["free tags and rotation", "subtitles, place and cover", "timecode", "Matroska"],
)
def test_clips_keep_what_exiftool_reads(tmp_path, metadata, suffix, clip):
    source, target = clip.make(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    notes = copy(source, target).notes
    assert [each for each in metadata.compare(source, target, notes) if not each.why] == []


@needs_exiftool
def test_the_command_restores_and_compares(tmp_path, metadata, monkeypatch, capsys):
    source = made(tmp_path / "a.jpg")
    monkeypatch.setattr(sys, "argv", ["metadata", str(source)])
    metadata.main()
    assert f"{source}: 0 unsaid, 0 said" in capsys.readouterr().out


def test_without_exiftool_the_command_says_so(metadata, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["metadata", "a.jpg"])
    with pytest.raises(SystemExit, match=r"exiftool\.org"):
        metadata.main()


def test_a_note_of_the_maker_is_where_it_was():
    place = exif().find(maker_note(200))
    assert place == 200
    held = io.BytesIO()
    write_tiff(held, Image(pixels(), metadata=Metadata(exif=exif())))
    assert held.getvalue().find(maker_note(200)) == 200
