"""What stands before and behind a JPEG: kept where it is still true."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.io.exif import exif_of_directory
from unblur.io.ifd import Entry, entry_of, read_directory, read_header, reader_of, write_directory
from unblur.io.image import Image, Metadata, read_image, write_image
from unblur.io.jpeg_parts import NO_FRAME, end_of_picture, frame_of, moved_afcp, segments_of, without_claims
from unblur.io.picture import Attached

FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 5 + b"\xff\xd9 no end of a picture"
DESCRIPTION = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dc:title="A cat" %s</rdf:Description></rdf:RDF></x:xmpmeta>'
ITEM = b'<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="%s" Item:Semantic="%s" Item:Length="%d"/></rdf:li>'


def smooth(height, width):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, np.full((height, width), 60.0)], axis=-1).astype(np.uint8)


def coded(pixels, **options):
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, format="JPEG", quality=95, **options)
    return buffer.getvalue()


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(data, *segments):
    return data[:2] + b"".join(segment(marker, content) for marker, content in segments) + data[2:]


def xmp_segment(xmp):
    return 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp


def directory_of(*items):
    return b"><Container:Directory><rdf:Seq>" + b"".join(ITEM % item for item in items) + b"</rdf:Seq></Container:Directory>"


def index_of(*entries, order=">"):
    """Give an MPF segment of (attribute, size, offset)."""
    table = b"".join(struct.pack(order + "IIIHH", *entry, 0, 0) for entry in entries)
    tags = {0xB000: Entry(7, 4, b"0100"), 0xB001: entry_of(order, 4, [len(entries)]), 0xB002: Entry(7, len(table), table)}
    return 0xE2, b"MPF\0" + {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8) + write_directory(tags, order, 8)


def listed(data):
    """Give (place in the file, size) of each picture that the index of a file names."""
    ((content, place),) = [(content, place) for marker, content, place in segments_of(data) if content.startswith(b"MPF\0")]
    read_at = reader_of(content[4:])
    order, first = read_header(read_at)
    entries = read_directory(read_at, order, first).entries
    rows = struct.iter_unpack(order + "IIIHH", entries[0xB002].value)
    assert entries[0xB001].value == struct.pack(order + "I", len(entries[0xB002].value) // 16)
    return [(offset + place + 4 if offset else 0, size) for _, size, offset, _, _ in rows]


def gain_map(height=20, width=30):
    ramp = smooth(height, width)[..., 0]
    return with_segments(coded(ramp), xmp_segment(b'<rdf:Description hdrgm:Version="1.0" hdrgm:GainMapMax="2.3"/>')), ramp


def ultra_hdr(*, orientation=1, order=">", preview=b""):
    """Give a photo with a gain map that both indexes name, and perhaps a preview between both."""
    behind, _ = gain_map()
    xmp = DESCRIPTION % (b'hdrgm:Version="1.0"' + directory_of((b"image/jpeg", b"Primary", 0), (b"image/jpeg", b"GainMap", len(behind))))
    exif = exif_of_directory("<", {0x0112: entry_of("<", 3, [orientation])})
    before = [(0xE1, b"Exif\0\0" + exif), xmp_segment(xmp), (0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")]
    picture = coded(smooth(40, 60))
    entries = [(0x20030000, 0, 0), (0, len(behind), 1)] + ([(0x010001, len(preview), 1)] if preview else [])
    length = len(with_segments(picture, *before, index_of(*entries, order=order)))
    base = 2 + sum(len(segment(*each)) for each in before) + 4 + 4
    entries = [(0x20030000, length, 0), (0, len(behind), length - base)]
    entries += [(0x010001, len(preview), length + len(behind) - base)] if preview else []
    return with_segments(picture, *before, index_of(*entries, order=order)) + behind + preview


def rewritten(tmp_path, data, suffix=".jpg"):
    (tmp_path / "photo.jpg").write_bytes(data)
    image = read_image(tmp_path / "photo.jpg")
    out = tmp_path / f"out{suffix}"
    lost = write_image(out, image.with_pixels(255 - image.pixels), quality=60, overwrite=True)  # of another length
    return out.read_bytes(), read_image(out).metadata, (*image.notes, *lost)


def test_end_is_that_of_the_picture_and_not_one_within_a_segment_or_behind():
    data = with_segments(coded(smooth(16, 16), progressive=True), (0xE5, b"\xff\xd9"))
    assert end_of_picture(data) == end_of_picture(data + FILM) == len(data)
    assert end_of_picture(data[:-2]) is None


def test_segments_of_makers_are_kept_byte_for_byte(tmp_path):
    own = [(0xE0, b"AVI1"), (0xE1, b"FLIR\0\1\0\0" + bytes(900)), (0xE2, b"JUNK"), (0xE5, b"RMETA\0x"), (0xE6, b"GoPro\0y"), (0xEF, b"z")]
    own += [(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(50))]
    data, metadata, notes = rewritten(tmp_path, with_segments(coded(smooth(16, 16)), *own))
    assert metadata.segments == tuple(own)
    assert [(marker, content) for marker, content, _ in segments_of(data) if (marker, content) in own] == own
    assert notes == ()


def test_what_is_a_claim_on_the_pixels_is_named(tmp_path):
    data = with_segments(coded(smooth(16, 16)), (0xEB, b"JP\0\1jumb...c2pa"), (0xEB, b"HDR_RI ver=11"))
    data, metadata, notes = rewritten(tmp_path, data)
    assert metadata.segments == ()
    assert [word for word in ("C2PA", "enhancement layer") for note in notes if word in note] == ["C2PA", "enhancement layer"]


def test_index_of_pictures_that_are_not_there_is_named(tmp_path):
    data = with_segments(coded(smooth(16, 16)), index_of((0x20030000, 900, 0), (0, 500, 1_000_000)))
    _, metadata, notes = rewritten(tmp_path, data)
    assert metadata.segments == ()
    assert notes == ("its index of further pictures (MPF), which are not in the file, was not kept",)


@pytest.mark.parametrize("order", "<>")
def test_gain_map_is_kept_and_found_by_both_indexes(tmp_path, order):
    behind, _ = gain_map()
    data, metadata, notes = rewritten(tmp_path, ultra_hdr(order=order))
    assert data.endswith(behind)
    end = len(data) - len(behind)
    assert end_of_picture(data) == end
    assert listed(data) == [(0, end), (end, len(behind))]
    assert b'Item:Length="%d"' % len(behind) in metadata.xmp
    assert b"hdrgm:Version" in metadata.xmp
    assert any(content.startswith(b"urn:iso:std:iso:ts:21496:-1") for _, content in metadata.segments)
    assert notes == ()


def test_gain_map_is_turned_with_the_picture(tmp_path):
    data, metadata, notes = rewritten(tmp_path, ultra_hdr(orientation=6))
    (behind,) = metadata.attached
    assert behind.kind == "gain map"
    end = len(data) - len(behind.data)
    assert listed(data) == [(0, end), (end, len(behind.data))]
    assert b'Item:Length="%d"' % len(behind.data) in metadata.xmp
    assert b'hdrgm:GainMapMax="2.3"' in behind.data
    with PillowImage.open(io.BytesIO(data[end:])) as shown, PillowImage.open(io.BytesIO(gain_map()[0])) as stored:
        expected = np.rot90(np.asarray(stored), -1).astype(int)
        assert shown.size == (20, 30)
        assert np.abs(np.asarray(shown) - expected).max() <= 4
    assert read_image(tmp_path / "out.jpg").pixels.shape == (60, 40, 3)
    assert notes == ()


def test_preview_shows_the_blurry_picture_and_goes(tmp_path):
    data, metadata, notes = rewritten(tmp_path, ultra_hdr(preview=coded(smooth(8, 8))))
    assert [part.kind for part in metadata.attached] == ["gain map"]
    assert len(listed(data)) == 2
    assert data.endswith(gain_map()[0])
    assert "previews" in notes[0]


def test_damaged_gain_map_that_would_be_turned_takes_its_claims_with_it(tmp_path):
    data = ultra_hdr(orientation=3)
    at = len(data) - len(gain_map()[0])
    _, metadata, notes = rewritten(tmp_path, data[: at + 300] + bytes(len(data) - at - 300))
    assert metadata.attached == metadata.segments == ()
    assert b"hdrgm" not in metadata.xmp
    assert b"Container:" not in metadata.xmp
    assert b'dc:title="A cat"' in metadata.xmp
    assert notes == ("a damaged gain map was not kept",)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_other_formats_hold_no_gain_map_and_claim_none(tmp_path, suffix):
    _, metadata, notes = rewritten(tmp_path, ultra_hdr(), suffix)
    assert b"hdrgm" not in metadata.xmp
    assert b"Container:" not in metadata.xmp
    assert b'dc:title="A cat"' in metadata.xmp
    assert any("gain map" in note for note in notes)


def test_motion_photo_keeps_its_film_where_xmp_says(tmp_path):
    directory = directory_of((b"image/jpeg", b"Primary", 0), (b"video/mp4", b"MotionPhoto", len(FILM)))
    xmp = DESCRIPTION % (b'GCamera:MotionPhoto="1"' + directory)
    data, metadata, notes = rewritten(tmp_path, with_segments(coded(smooth(16, 16)), xmp_segment(xmp)) + FILM)
    assert data.endswith(FILM)
    assert end_of_picture(data) == len(data) - len(FILM)
    assert metadata.attached == (Attached("motion-photo video", FILM),)
    assert metadata.xmp == xmp
    assert notes == ()
    _, metadata, notes = rewritten(tmp_path, (tmp_path / "photo.jpg").read_bytes(), ".png")
    assert b"MotionPhoto" not in metadata.xmp
    assert "motion-photo video" in notes[0]


def test_older_motion_photo_keeps_its_film_at_its_distance_from_the_end(tmp_path):
    xmp = DESCRIPTION % (b'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="%d">' % len(FILM))
    data, metadata, _ = rewritten(tmp_path, with_segments(coded(smooth(16, 16)), xmp_segment(xmp)) + FILM)
    offset = int(re.search(rb'MicroVideoOffset="(\d+)"', metadata.xmp)[1])
    assert data[-offset:] == FILM
    assert metadata.attached == (Attached("motion-photo video", FILM),)


@pytest.mark.parametrize("trailer", [b"MotionPhoto_Data" + FILM + b"SEFHk\0\0\0SEFT", b"cbipcbbl", b"\0" * 7])
def test_other_trailers_are_kept(tmp_path, trailer):
    data, metadata, notes = rewritten(tmp_path, coded(smooth(16, 16)) + trailer)
    assert data.endswith(b"\xff\xd9" + trailer)
    assert [part.kind for part in metadata.attached] == ["data behind the picture"]
    assert notes == ()


@pytest.mark.parametrize(("name", "order"), [(b"AXS!", ">"), (b"AXS*", "<")])
def test_places_in_a_trailer_of_afcp_are_mended(tmp_path, name, order):
    picture = coded(smooth(16, 16))

    def trailer(begins):
        values = struct.pack(order + "4sII", b"IPTC", 7, begins + 24)
        return name + struct.pack(order + "HHI", 1, 1, 0) + values + b"caption" + name + struct.pack(order + "II", begins, 0)

    data, _, _ = rewritten(tmp_path, picture + trailer(len(picture)))
    end = end_of_picture(data)
    assert end != len(picture)
    assert data[end:] == trailer(end)
    assert moved_afcp(b"short" + name + bytes(8), to=5) == b"short" + name + bytes(8)


def test_claims_as_elements_are_left_out():
    xmp = b"<a><GCamera:MotionPhoto>1</GCamera:MotionPhoto><hdrgm:Version>1.0</hdrgm:Version><dc:title>t</dc:title><GContainer:Directory/></a>"
    assert without_claims(xmp) == b"<a><dc:title>t</dc:title></a>"


def test_hostile_indexes_raise_nothing(tmp_path):
    data = bytearray(ultra_hdr(orientation=6))
    generator = np.random.default_rng(3)
    for _ in range(60):
        changed = bytearray(data)
        for at in generator.integers(20, 1400, 6):
            changed[at] = generator.integers(256)
        (tmp_path / "photo.jpg").write_bytes(changed)
        try:
            image = read_image(tmp_path / "photo.jpg")
        except ValueError:
            continue
        write_image(tmp_path / "out.jpg", image, overwrite=True)


def test_attached_parts_of_a_picture_that_was_no_jpeg(tmp_path):
    write_image(tmp_path / "out.jpg", Image(smooth(8, 8), metadata=Metadata(attached=(Attached("data behind the picture", b"more"),))))
    assert (tmp_path / "out.jpg").read_bytes().endswith(b"\xff\xd9more")


def test_the_frame_is_found_behind_any_number_of_segments_and_never_guessed():
    data = with_segments(coded(smooth(16, 16)), *[(0xE5, bytes(60_000))] * 4)
    assert frame_of(data) == (0xC0, 8)
    at = data.index(b"\xff\xc0")
    assert frame_of(data[: at + 4]) == frame_of(data[:100]) == NO_FRAME
