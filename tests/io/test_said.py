"""What of a clip cannot be kept is said, in one sentence each."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, Sound, copy

from unblur.errors import OutputError, UnsupportedError
from unblur.io import encoders
from unblur.io.boxes import Box, parsed, places, read_box
from unblur.io.clip_info import ClipInfo, describe
from unblur.io.external_encoder import HOW_TO_KEEP, Executable
from unblur.io.video import VideoReader

FIELDS = {"preset": "ultrafast", "flags": "+ildct+ilme"}


def with_alpha(path: Path, encoder: str) -> Path:
    """Write a clip whose transparency is beside its pictures, and the tag that says so."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(encoder, rate=25, options={"auto-alt-ref": "0", "deadline": "realtime"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.metadata["alpha_mode"] = "1"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 4), 30 + 8 * number, np.uint8), "rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def opacity_of(path: Path) -> list[int]:
    """The mean opacity of each frame."""
    return [round(float(frame.alpha.mean())) for frame in VideoReader(path) if frame.alpha is not None]


@pytest.mark.parametrize(("encoder", "more"), [("libvpx-vp9", ()), ("libvpx", ("vp8 video is written as vp9",))])
@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_transparency_beside_the_pictures_is_kept(tmp_path, encoder, more, suffix):
    source, target = with_alpha(tmp_path / "a.webm", encoder), tmp_path / f"b{suffix}"
    assert VideoReader(source).info.has_alpha
    codec = {"codec": "vp9"} if suffix == ".mkv" else {}
    assert copy(source, target, **codec).notes == (() if codec else more)
    assert VideoReader(target).info.has_alpha
    expected = [30 + 8 * number for number in range(5)]
    assert np.abs(np.subtract(opacity_of(source), expected)).max() <= 1
    assert np.abs(np.subtract(opacity_of(target), expected)).max() <= 2
    assert copy(source, tmp_path / "c.mp4", codec="h264").notes[0] == "transparency is not kept"
    assert not VideoReader(tmp_path / "c.mp4").info.has_alpha


@pytest.mark.parametrize(("encoder", "suffix", "pixel_format"), [("prores_ks", ".mov", "yuva444p10le"), ("ffv1", ".mkv", "yuva420p")])
def test_transparency_of_prores_and_ffv1_is_kept(tmp_path, encoder, suffix, pixel_format):
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    with av.open(str(source), "w") as out:
        stream = out.add_stream(encoder, rate=25, options={"profile": "4444"} if encoder == "prores_ks" else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for number in range(3):
            picture = np.full((48, 64, 4), 90, np.uint8)
            picture[..., 3] = 60 * number
            frame = av.VideoFrame.from_ndarray(picture, "rgba").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert "transparency is not kept" not in copy(source, target).notes
    assert VideoReader(target).info.has_alpha
    peak = 255 if encoder == "ffv1" else 65535
    means = [float(frame.alpha.mean()) / peak * 255 for frame in VideoReader(target)]
    assert np.abs(np.subtract(means, [0, 60, 120])).max() < 1.5


def test_another_codec_is_said_unless_it_was_asked_for(tmp_path):
    source = Clip(encoder="mpeg4", options={}, time_base=Fraction(1, 25), pts=range(5)).make(tmp_path / "a.mkv")
    assert copy(source, tmp_path / "b.mkv").notes == ("mpeg4 video is written as h264",)
    assert copy(source, tmp_path / "c.mkv", codec="h264").notes == ()


@pytest.mark.parametrize(("flavour", "profile"), [("proxy", "Proxy"), ("lt", "LT"), ("standard", "Standard"), ("hq", "HQ")])
def test_flavour_of_prores_is_kept(tmp_path, flavour, profile):
    clip = Clip(encoder="prores_ks", options={"profile": flavour}, pixel_format="yuv422p10le", pts=[0, 40])
    source = clip.make(tmp_path / "a.mov")
    copy(source, tmp_path / "b.mov")
    assert VideoReader(source).info.profile == VideoReader(tmp_path / "b.mov").info.profile == profile


@pytest.mark.parametrize("first", ["tff", "bff"])
def test_order_of_fields_is_kept_in_h264(tmp_path, first):
    source = Clip(options=FIELDS | {"x264-params": f"{first}=1:log-level=none"}).make(tmp_path / "a.mp4")
    with VideoReader(source, interlaced="keep") as clip:
        assert clip.info.top_field_first is (first == "tff")
    notes = copy(source, tmp_path / "b.mp4", interlaced="keep").notes
    assert notes == ("interlaced frames were processed as progressive ones",)
    assert VideoReader(tmp_path / "b.mp4", interlaced="keep").info.top_field_first is (first == "tff")
    notes = copy(source, tmp_path / "c.mp4", interlaced="keep", codec="hevc").notes
    assert "that the frames are interlaced is not kept in the result" in notes


def joined(path: Path, *clips: Path) -> Path:
    """Write transport streams one after the other."""
    path.write_bytes(b"".join(clip.read_bytes() for clip in clips))
    return path


def piece(path: Path, numbers: range, *, interlaced: bool) -> Path:
    options = (FIELDS if interlaced else {"preset": "ultrafast"}) | {"x264-params": "log-level=none" + (":tff=1" if interlaced else "")}
    return Clip(pts=[3600 * i for i in numbers], time_base=Fraction(1, 90000), options=options).make(path)


def test_interlacing_is_seen_in_more_frames_than_the_first(tmp_path):
    one = piece(tmp_path / "one.ts", range(1), interlaced=False)
    rest = piece(tmp_path / "rest.ts", range(1, 15), interlaced=True)
    with pytest.raises(UnsupportedError, match="interlaced"):
        VideoReader(joined(tmp_path / "a.ts", one, rest))


def test_interlaced_frames_behind_progressive_ones_are_counted(tmp_path):
    many = piece(tmp_path / "many.ts", range(10), interlaced=False)
    rest = piece(tmp_path / "rest.ts", range(10, 15), interlaced=True)
    reader = VideoReader(joined(tmp_path / "a.ts", many, rest))
    assert len(list(reader)) == 15
    assert reader.interlaced_frames == 5


@pytest.mark.parametrize(("profile", "refused"), [(5, True), (8, False)])
def test_dolby_vision_of_profile_5_is_refused(tmp_path, profile, refused):
    path = tmp_path / "a.mp4"
    Clip(encoder="libx265", options={"x265-params": "log-level=error"}, pixel_format="yuv420p10le", pts=[0]).make(path)
    moov = read_box(path, b"moov")
    described = moov.child(b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    entry = parsed(described.body[8:])[0]
    record = Box(b"dvcC", bytes([1, 0, profile << 1, 9 << 3 | 5]) + bytes(20))
    described.body = described.body[:8] + bytes(Box(b"dvh1", entry.body + bytes(record)))
    with path.open("r+b") as file:
        (place,) = (each for each in places(file) if each.kind == b"moov")
        file.truncate(place.begin)
        file.seek(place.begin)
        file.write(bytes(moov))
    if refused:
        with pytest.raises(UnsupportedError, match="profile 5"):
            VideoReader(path)
    else:
        assert VideoReader(path).info.codec == "hevc"


LAYERS = Box(b"lhvC", bytes.fromhex("01f000fc0b01a1000100044209010100"))
EYES = Box(b"vexu", bytes(Box(b"eyes", bytes(Box(b"stri", bytes(4) + b"\3")))))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("has_layers", [True, False])
def test_the_picture_of_the_other_eye_is_named_and_not_claimed(tmp_path, suffix, has_layers):
    path = tmp_path / "a.mp4"
    Clip(encoder="libx265", options={"x265-params": "log-level=error"}, pts=range(0, 200, 40)).make(path)
    moov = read_box(path, b"moov")
    described = moov.child(b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    entry = parsed(described.body[8:])[0]
    boxes = (bytes(LAYERS) if has_layers else b"") + bytes(EYES)
    described.body = described.body[:8] + bytes(Box(entry.kind, entry.body + boxes))
    with path.open("r+b") as file:
        (place,) = (each for each in places(file) if each.kind == b"moov")
        file.truncate(place.begin)
        file.seek(place.begin)
        file.write(bytes(moov))
    notes = copy(path, tmp_path / f"b{suffix}").notes
    words = "further layers of the video are not kept: the picture of the other eye (MV-HEVC), or opacity"
    assert [note for note in notes if "layers" in note] == ([words] if has_layers else [])
    if suffix == ".mp4":
        assert (bytes(EYES) in (tmp_path / "b.mp4").read_bytes()) is not has_layers
    assert not VideoReader(tmp_path / f"b{suffix}").info.has_layers


def test_free_tags_of_matroska_in_mp4(tmp_path):
    source = Clip(tags={"prompt": "a cat", "title": "Cat"}).make(tmp_path / "a.mkv")
    assert copy(source, tmp_path / "b.mp4").notes == ()
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}["prompt"] == "a cat"
        assert {key.lower(): value for key, value in container.metadata.items()}["title"] == "Cat"


def test_tags_that_are_lost_are_named(tmp_path):
    source = Clip(tags={"prompt": "a cat", "title": "Cat"}, cover=True).make(tmp_path / "a.mkv")
    assert copy(source, tmp_path / "b.mp4").notes == (
        "the tag(s) `PROMPT` cannot be kept in `.mp4`",
    )  # which has no free names beside a cover


def test_timecode_of_a_part(tmp_path):
    source = Clip(timecode="01:00:00:00").make(tmp_path / "a.mov")
    assert copy(source, tmp_path / "b.mov", start=0.2).notes == (
        "the timecode is not kept, since it is that of the first frame of the whole clip",
    )


def of_codec(path: Path, codec: str, pixel_format: str) -> ClipInfo:
    """What would be known of a clip of another codec and depth."""
    info = describe(Clip(pts=[0, 40]).make(path))
    return replace(info, codec=codec, pixel_format=pixel_format, bit_depth=10)


@pytest.fixture
def formats(monkeypatch):
    """Pixel formats of encoders in place of those that this FFmpeg has."""
    real = encoders._formats

    def put(*, executable=None, **known):
        by_name = {"libvpx-vp9": known.get("vp9"), "libx265": known.get("hevc")}

        def known_formats(name, beside=None):
            if by_name.get(name) is None:
                return real(name, beside)
            return by_name[name] + [each for each in real(name, beside) if beside and each in beside.formats]

        monkeypatch.setattr(encoders, "_formats", known_formats)
        monkeypatch.setattr(encoders, "deep_vp9", lambda: executable)

    return put


@pytest.mark.parametrize(("codec", "encoder"), [("vp9", "libvpx-vp9"), ("hevc", "libx265")])
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_ten_bits_stay_in_their_codec_where_its_encoder_has_them(tmp_path, formats, codec, encoder, container):
    formats(**{codec: ["yuv420p", "yuv420p10le"]})
    chosen = encoders.choose_encoding(of_codec(tmp_path / "a.mp4", codec, "yuv420p10le"), container=container)
    assert (chosen.encoder, chosen.pixel_format, chosen.notes) == (encoder, "yuv420p10le", ())


@pytest.mark.parametrize(
    ("codec", "known", "container", "encoder", "why"),
    [
        (
            "vp9",
            ["yuv420p"],
            "matroska",
            "libx264",
            f"h264, since the encoder libvpx-vp9 of this FFmpeg has no more than 8 bits; {HOW_TO_KEEP}",
        ),
        (
            "vp9",
            ["yuv420p"],
            "webm",
            "libsvtav1",
            f"av1, since the encoder libvpx-vp9 of this FFmpeg has no more than 8 bits; {HOW_TO_KEEP}",
        ),
        ("vp9", [], "mp4", "libx264", f"h264, since this FFmpeg has no encoder libvpx-vp9; {HOW_TO_KEEP}"),
        ("vp9", ["yuv420p"], "mov", "libx264", "h264"),
        ("hevc", [], "mp4", "libx264", "h264, since this FFmpeg has no encoder libx265"),
        ("hevc", ["yuv420p"], "mov", "libx264", "h264, since the encoder libx265 of this FFmpeg has no more than 8 bits"),
    ],
)
def test_ten_bits_without_an_encoder_become_another_codec_which_is_said(tmp_path, formats, codec, known, container, encoder, why):
    formats(**{codec: known})
    chosen = encoders.choose_encoding(of_codec(tmp_path / "a.mp4", codec, "yuv420p10le"), container=container)
    assert (chosen.encoder, chosen.pixel_format, chosen.notes) == (encoder, "yuv420p10le", (f"{codec} video is written as {why}",))


DEEP = Executable(Path("/opt/ffmpeg"), ("yuv420p", "yuv420p10le", "yuv420p12le", "a_format_of_tomorrow"))


@pytest.mark.parametrize(
    ("codec", "wanted", "container", "bits", "expected"),
    [
        ("vp9", None, "webm", 10, ("libvpx-vp9", "yuv420p10le", DEEP.path)),
        ("vp9", None, "mp4", 12, ("libvpx-vp9", "yuv420p12le", DEEP.path)),
        ("hevc", "vp9", "matroska", 10, ("libvpx-vp9", "yuv420p10le", DEEP.path)),
        ("vp9", None, "matroska", 8, ("libvpx-vp9", "yuv420p", None)),
        ("vp9", "hevc", "matroska", 10, ("libx265", "yuv420p10le", None)),
        ("hevc", None, "webm", 10, ("libsvtav1", "yuv420p10le", None)),
        ("vp9", None, "mov", 10, ("libx264", "yuv420p10le", None)),
    ],
)
def test_an_executable_is_used_for_deep_vp9_alone(tmp_path, formats, codec, wanted, container, bits, expected):
    formats(executable=DEEP, vp9=["yuv420p"])
    depth = "yuv420p" if bits == 8 else f"yuv420p{bits}le"
    info = replace(of_codec(tmp_path / "a.mp4", codec, depth), bit_depth=bits)
    chosen = encoders.choose_encoding(info, container=container, codec=wanted)
    assert (chosen.encoder, chosen.pixel_format, chosen.executable) == expected
    assert not any("since" in note or "bits" in note for note in chosen.notes)


def test_a_codec_without_an_encoder_is_refused(tmp_path, formats):
    formats(hevc=[], vp9=["yuv420p"])
    info = of_codec(tmp_path / "a.mp4", "vp9", "yuv420p10le")
    with pytest.raises(OutputError, match="no encoder for hevc"):
        encoders.choose_encoding(info, container="mp4", codec="hevc")
    assert (
        f"10-bit video is written with 8 bits, the most that libvpx-vp9 takes; {HOW_TO_KEEP}"
        in encoders.choose_encoding(info, container="mp4", codec="vp9").notes
    )


def test_ten_bits_of_hevc_stay_hevc(tmp_path):
    clip = Clip(encoder="libx265", options={"x265-params": "log-level=error"}, pixel_format="yuv420p10le")
    assert copy(clip.make(tmp_path / "a.mp4"), tmp_path / "b.mp4").notes == ()
    written = describe(tmp_path / "b.mp4")
    assert (written.codec, written.bit_depth) == ("hevc", 10)


@pytest.mark.parametrize(
    ("suffix", "notes"),
    [(".mp4", ("audio stream 1 (eng, aac) has nothing in it, and MP4 and QuickTime keep no such track",)), (".mkv", ())],
)
def test_a_track_with_nothing_in_it_is_named_where_it_goes(tmp_path, suffix, notes):
    source = Clip(sounds=[Sound(seconds=0), Sound(language="deu")]).make(tmp_path / "a.mkv")
    target = tmp_path / f"b{suffix}"
    assert copy(source, target).notes == notes
    with av.open(str(target)) as written:
        assert [stream.metadata["language"] for stream in written.streams.audio] == ["eng", "deu"][len(notes) :]
    assert copy(source, tmp_path / f"c{suffix}", duration=0.2).notes == ()
