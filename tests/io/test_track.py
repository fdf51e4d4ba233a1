import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.sidedata.sidedata import Type
from clips import HEIGHT, WIDTH, Clip, Sound, copy, number_of

from unblur.errors import UnsupportedError
from unblur.io import ebml
from unblur.io.boxes import read_box
from unblur.io.clip_info import side_data
from unblur.io.track import languages_of
from unblur.io.video import VideoReader

NAME, VIDEO, PROJECTION, STEREO, CROP_BOTTOM, CROP_TOP = 0x536E, 0xE0, 0x7670, 0x53B8, 0x54AA, 0x54BB
PROJECTION_TYPE, COLOUR, SITING_ACROSS, SITING_DOWN, DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT = (
    0x7671,
    0x55B0,
    0x55B7,
    0x55B8,
    0x54B0,
    0x54BA,
    0x54B2,
)
SPHERE = ebml.element(PROJECTION, ebml.element(PROJECTION_TYPE, b"\1"))
TITLE = "t" * 120


def video_with(path: Path, *parts: bytes, **more) -> Path:
    """Write a Matroska clip whose video track says more than FFmpeg has written, in the place of a long title."""

    def change(_: int, track: bytes) -> bytes:
        whole = next(ebml.children(track))
        kept = []
        for part in ebml.children(track, whole.body):
            data = track[part.begin : part.end]
            if part.id == VIDEO:
                data = ebml.element(VIDEO, track[part.body : part.end], *parts)
            kept.append(b"" if part.id == NAME else data)
        return track[: whole.body] + ebml.padded(b"".join(kept), whole.end - whole.body)

    Clip(**({"title": TITLE} | more)).make(path)
    ebml.change_tracks(path, change)
    return path


def said(path: Path) -> dict[int, bytes]:
    """What the video track of a Matroska file says of its picture."""
    found: dict[int, bytes] = {}

    def look(index: int, track: bytes) -> bytes:
        whole = next(ebml.children(track))
        for part in ebml.children(track, whole.body):
            if index == 0 and part.id == VIDEO:
                found.update({each.id: track[each.body : each.end] for each in ebml.children(track, part.body, part.end)})
            if index == 0 and part.id == NAME:
                found[NAME] = track[part.body : part.end]
        return track

    ebml.change_tracks(path, look)
    return found


def is_spherical(path: Path) -> bool:
    with av.open(str(path)) as container:
        return side_data(next(container.decode(video=0)), Type.SPHERICAL) is not None


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "ffv1"])
def test_spherical_video_stays_so_in_any_codec(tmp_path, codec):
    source = video_with(tmp_path / "a.mkv", SPHERE)
    assert is_spherical(source)
    copy(source, tmp_path / "b.mkv", codec=codec)
    assert is_spherical(tmp_path / "b.mkv")
    assert [number_of(frame.pixels) for frame in VideoReader(tmp_path / "b.mkv")] == list(range(15))
    assert VideoReader(tmp_path / "b.mkv").info.codec == codec


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_spherical_video_stays_so_in_other_containers(tmp_path, suffix):
    copy(video_with(tmp_path / "a.mkv", SPHERE), tmp_path / f"b{suffix}")
    assert is_spherical(tmp_path / f"b{suffix}")
    copy(tmp_path / f"b{suffix}", tmp_path / "c.mkv")
    assert is_spherical(tmp_path / "c.mkv")


def test_stereo_and_place_of_chroma(tmp_path):
    colour = ebml.element(COLOUR, ebml.element(SITING_ACROSS, b"\1"), ebml.element(SITING_DOWN, b"\1"))
    copy(video_with(tmp_path / "a.mkv", ebml.element(STEREO, b"\1"), colour), tmp_path / "b.mkv")
    parts = said(tmp_path / "b.mkv")
    assert parts[STEREO] == b"\1"
    siting = {each.id: parts[COLOUR][each.body : each.end] for each in ebml.children(parts[COLOUR])}
    assert (siting[SITING_ACROSS], siting[SITING_DOWN]) == (b"\1", b"\1")


def test_crop_and_the_shape_of_pixels_beside_it(tmp_path):
    """48 rows without 4 at the top and bottom are shown as 4:3, which makes pixels of 5:6."""
    size = ebml.element(DISPLAY_WIDTH, b"\4"), ebml.element(DISPLAY_HEIGHT, b"\3"), ebml.element(DISPLAY_UNIT, b"\0")
    source = video_with(tmp_path / "a.mkv", ebml.element(CROP_BOTTOM, b"\4"), ebml.element(CROP_TOP, b"\4"), *size)
    assert VideoReader(source).info.sample_aspect_ratio == Fraction(5, 6)
    copy(source, tmp_path / "b.mkv")
    parts = said(tmp_path / "b.mkv")
    assert (parts[CROP_BOTTOM], parts[CROP_TOP]) == (b"\4", b"\4")
    shown = [int.from_bytes(parts[kind], "big") for kind in (DISPLAY_WIDTH, DISPLAY_HEIGHT)]
    assert Fraction(*shown) == Fraction(4, 3)
    assert VideoReader(tmp_path / "b.mkv").info.sample_aspect_ratio == Fraction(5, 6)


@pytest.mark.parametrize("title", ["", "Main"])
@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_shape_of_pixels_is_in_the_container(tmp_path, codec, title):
    source = Clip(aspect=Fraction(4, 3), title=title).make(tmp_path / "a.mp4")
    for suffix in (".mkv", ".webm"):
        if codec == "vp9" or suffix == ".mkv":
            target = tmp_path / f"b{suffix}"
            copy(source, target, codec=codec)
            parts = said(target)
            shown = [int.from_bytes(parts[kind], "big") for kind in (DISPLAY_WIDTH, DISPLAY_HEIGHT)]
            assert Fraction(*shown) == Fraction(WIDTH, HEIGHT) * Fraction(4, 3)
            assert VideoReader(target).info.sample_aspect_ratio == Fraction(4, 3)
            assert NAME not in parts or parts[NAME] == title.encode()


LANGUAGE = 0x22B59D
LONG = "zh-cmn-Hans-CN-x-private-use-of-many-letters"


def with_languages(path: Path, *languages: str) -> Path:
    """Write a Matroska clip whose tracks say languages by BCP 47, in the place of long titles."""

    def change(index: int, track: bytes) -> bytes:
        whole = next(ebml.children(track))
        kept = [track[part.begin : part.end] for part in ebml.children(track, whole.body) if part.id != NAME]
        said = ebml.element(LANGUAGE, languages[index].encode()) if languages[index] else b""
        return track[: whole.body] + ebml.padded(b"".join([*kept, said]), whole.end - whole.body)

    Clip(title=TITLE, sounds=[Sound(title=TITLE), Sound(title=TITLE)], aspect=Fraction(4, 3)).make(path)
    ebml.change_tracks(path, change)
    assert languages_of(path) == {index: language for index, language in enumerate(languages) if language}
    return path


def test_languages_by_bcp_47_stay_in_matroska(tmp_path):
    source = with_languages(tmp_path / "a.mkv", LONG, "", "pt-BR")
    assert copy(source, tmp_path / "b.mkv").notes == ()
    assert languages_of(tmp_path / "b.mkv") == {0: LONG, 2: "pt-BR"}
    assert NAME not in said(tmp_path / "b.mkv")
    assert VideoReader(tmp_path / "b.mkv").info.sample_aspect_ratio == Fraction(4, 3)
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert ["title" in stream.metadata for stream in container.streams] == [False, False, False]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_languages_by_bcp_47_go_from_container_to_container(tmp_path, suffix):
    copy(with_languages(tmp_path / "a.mkv", "", "", "pt-BR"), tmp_path / f"b{suffix}")
    tracks = read_box(tmp_path / f"b{suffix}", b"moov").all(b"trak")
    found = [track.child(b"mdia", b"elng") for track in tracks]
    assert [each.body if each is not None else None for each in found] == [None, None, bytes(4) + b"pt-BR\0"]
    assert [number_of(frame.pixels) for frame in VideoReader(tmp_path / f"b{suffix}")] == list(range(15))
    copy(tmp_path / f"b{suffix}", tmp_path / "c.mkv")
    assert languages_of(tmp_path / "c.mkv") == {2: "pt-BR"}


def test_a_file_without_tracks_has_no_languages(tmp_path):
    (tmp_path / "a.mkv").write_bytes(ebml.element(ebml.EBML) + ebml.element(ebml.SEGMENT, ebml.element(ebml.CLUSTER)))
    assert languages_of(tmp_path / "a.mkv") == {}


def test_elements_round_trip():
    data = ebml.element(VIDEO, ebml.element(STEREO, ebml.unsigned(300)), b"")
    (video,) = ebml.children(data)
    (stereo,) = ebml.children(data, video.body, video.end)
    assert (stereo.id, data[stereo.body : stereo.end]) == (STEREO, (300).to_bytes(2, "big"))
    assert len(ebml.padded(data, len(data) + 9)) == len(data) + 9
    assert ebml.padded(data, len(data)) == data
    with pytest.raises(ValueError, match="no element"):
        ebml.padded(data, len(data) + 8)
    assert ebml.number(b"\x01\xff\xff\xff\xff\xff\xff\xff", 0) == (-1, 8)  # a live recording does not know its length
    assert ebml.number(b"\x81", 0) == (1, 1)


def test_mastering_display_in_the_container(tmp_path):
    """Red, green, blue and white point, and the luminance, as Matroska has them (RFC 9559, section 5.1.4.1.28.30)."""
    values = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000.0, 0.005]
    display = ebml.element(0x55D0, *(ebml.element(0x55D1 + i, struct.pack(">d", value)) for i, value in enumerate(values)))
    source = video_with(tmp_path / "a.mkv", ebml.element(COLOUR, display), title="t" * 240)
    before = VideoReader(source).info.mastering
    assert before is not None
    out = copy(source, tmp_path / "b.webm", codec="vp9")
    after = VideoReader(tmp_path / "b.webm").info.mastering
    assert after == before
    assert out.notes == ()


def test_encrypted_video_in_matroska_is_called_so(tmp_path):
    path = Clip(title=TITLE).make(tmp_path / "clip.mkv")
    encryption = ebml.element(0x5035, ebml.element(0x47E1, b"\5"), ebml.element(0x47E2, b"key"))  # AES
    encodings = ebml.element(0x6D80, ebml.element(0x6240, ebml.element(0x5033, b"\1"), encryption))

    def change(_: int, track: bytes) -> bytes:
        whole = next(ebml.children(track))
        kept = b"".join(track[part.begin : part.end] for part in ebml.children(track, whole.body) if part.id != NAME)
        return track[: whole.body] + ebml.padded(kept + encodings, whole.end - whole.body)

    ebml.change_tracks(path, change)
    with pytest.raises(UnsupportedError, match=r"is encrypted \(DRM\), and cannot be read without its key"):
        VideoReader(path)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="there is no such call on this system")
def test_a_header_of_av1_that_is_asked_for_leaves_the_scheduling_as_it_is(tmp_path):
    source = video_with(tmp_path / "a.mkv", SPHERE, encoder="libsvtav1", options={"preset": "12"})
    copy(source, tmp_path / "b.mkv")
    assert is_spherical(tmp_path / "b.mkv")
    assert os.sched_getscheduler(0) not in (os.SCHED_FIFO, os.SCHED_RR)
