import array
import errno
import os
import threading
from fractions import Fraction
from pathlib import Path
from queue import Queue

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from clips import HEIGHT, WIDTH, Clip, Sound, chapters, copy, number_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unblur.errors import InputError, OutputError, ShapeError, VerifyError
from unblur.io.clip_info import LightLevel, side_data
from unblur.io.containers import exact
from unblur.io.video import Expected, VideoReader, VideoWriter, verify_video

FINE = {"movie_timescale": "720000", "video_track_timescale": "90000"}
HDR = "log-level=error:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"


def shown(path: Path, **part) -> list[tuple[Fraction, int]]:
    reader = VideoReader(path, **part)
    return [(frame.pts * reader.info.time_base, number_of(frame.pixels)) for frame in reader]


def packets(path: Path, kind: str) -> list[list[tuple[Fraction, bytes]]]:
    """Times and bytes of the packets of each stream of a kind."""
    with av.open(str(path)) as container:
        found = {stream.index: [] for stream in container.streams if stream.type == kind}
        for packet in container.demux():
            if packet.size and packet.stream.index in found:
                found[packet.stream.index].append((packet.pts * exact(packet.time_base), bytes(packet)))
    return list(found.values())


def texts(path: Path) -> list[tuple[Fraction, bytes]]:
    """Subtitles, without the empty packets with which MP4 fills the time between them."""
    (found,) = packets(path, "subtitle")
    return [(time, data) for time, data in found if data != b"\0\0"]


def length(path: Path) -> Fraction:
    """Seconds that a file says that it lasts. FFmpeg works out that of MP4 from its frames, so it is read here."""
    if path.suffix == ".mkv":
        return Fraction(av.open(str(path)).duration, 1_000_000)
    data = path.read_bytes()
    at = data.index(b"mvhd") + 4
    return Fraction(int.from_bytes(data[at + 16 : at + 20], "big"), int.from_bytes(data[at + 12 : at + 16], "big"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Times and frames


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
@pytest.mark.parametrize("pts", [range(0, 600, 40), [0, 1, 2, 40, 41, 500, 501, 4000, 9000], [70], [70, 110], [70, 110, 150]])
def test_times_are_kept_to_the_tick(tmp_path, suffix, encoder, pts):
    options = (
        {"preset": "veryfast", "bf": "3", "x264-params": "log-level=none"} if encoder == "libx264" else {"x265-params": "log-level=error"}
    )
    source = Clip(pts=pts, encoder=encoder, options=options | {"crf": "10"}, container=FINE if suffix != ".mkv" else {}).make(
        tmp_path / f"a{suffix}"
    )
    copy(source, tmp_path / f"b{suffix}")
    assert shown(tmp_path / f"b{suffix}") == shown(source)
    assert [time * 1000 for time, _ in shown(source)] == list(pts)
    assert VideoReader(tmp_path / f"b{suffix}").info.time_base == VideoReader(source).info.time_base


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.integers(1, 5000), min_size=1, max_size=20),
    first=st.integers(0, 3000),
    denominator=st.sampled_from([25, 600, 30000, 90000]),
    fps_like=st.sampled_from([1, 1001]),
)
def test_any_times_are_kept(tmp_path, steps, first, denominator, fps_like):
    source = tmp_path / "a.mp4"
    pts = np.cumsum([first, *steps]).tolist()
    Clip(
        pts=[p * fps_like for p in pts],
        time_base=Fraction(1, denominator),
        container={"movie_timescale": "90000", "video_track_timescale": str(denominator)},
    ).make(source)
    copy(source, tmp_path / "b.mp4", overwrite=True)
    assert shown(tmp_path / "b.mp4") == shown(source)


def test_last_frame_is_shown_as_long_as_before(tmp_path):
    source = Clip(pts=[0, 40, 80], last_duration=700).make(tmp_path / "a.mp4")
    for suffix in (".mp4", ".mkv"):
        copy(source, tmp_path / f"b{suffix}")
        assert length(tmp_path / f"b{suffix}") == Fraction(78, 100)


def test_edit_list_and_sound_before_zero(tmp_path):
    source = Clip(pts=range(-200, 400, 40), sounds=[Sound(start=-2048), Sound(start=5555)]).make(tmp_path / "a.mp4")
    copy(source, tmp_path / "b.mp4")
    assert shown(tmp_path / "b.mp4") == shown(source)
    assert packets(tmp_path / "b.mp4", "audio") == packets(source, "audio")


@pytest.mark.parametrize("offset", [0, 1, 77, 40001])
def test_sound_keeps_its_distance_to_the_picture(tmp_path, offset):
    options = {"movie_timescale": "1440000", "video_track_timescale": "90000"}
    clip = Clip(pts=[1001 + 3600 * i for i in range(8)], time_base=Fraction(1, 90000), container=options, sounds=[Sound(start=offset)])
    source = clip.make(tmp_path / "a.mp4")
    copy(source, tmp_path / "b.mp4")
    assert packets(tmp_path / "b.mp4", "audio") == packets(source, "audio")
    assert shown(tmp_path / "b.mp4") == shown(source)


def test_clock_of_a_broadcast_becomes_zero(tmp_path):
    source = Clip(pts=[900000 + 3600 * i for i in range(10)], time_base=Fraction(1, 90000), sounds=[Sound(start=480000 + 960)]).make(
        tmp_path / "a.ts"
    )
    out = copy(source, tmp_path / "b.mp4")
    before, after = shown(source), shown(tmp_path / "b.mp4")
    assert before[0][0] > 1
    shift = before[0][0] - after[0][0]
    assert after == [(time - shift, number) for time, number in before]
    (((first, _), *_),) = packets(tmp_path / "b.mp4", "audio")
    (((was, _), *_),) = packets(source, "audio")
    assert min(first, after[0][0]) == 0
    assert abs(was - first - shift) <= Fraction(1, 48000)
    assert out.dropped_streams == ()


# What stands beside the pictures


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_other_streams_are_copied_byte_for_byte(tmp_path, suffix):
    clip = Clip(
        sounds=[Sound(language="eng"), Sound(language="fra", title="deux", seconds=1.5)],
        subtitles="subrip" if suffix == ".mkv" else "mov_text",
        cover=suffix != ".mov",
        attachment=suffix == ".mkv",
        chapters=True,
        timecode="01:00:00:00" if suffix != ".mkv" else "",
        tags={"title": "Wedding"},
    )
    source, target = clip.make(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    out = copy(source, target)
    assert out.dropped_streams == ()
    assert out.notes == ()
    assert packets(target, "audio") == packets(source, "audio")
    assert texts(target) == texts(source)
    assert len(texts(source)) == 2
    before, after = VideoReader(source).info, VideoReader(target).info
    assert sorted(str(stream) for stream in after.streams) == sorted(str(stream) for stream in before.streams)
    assert after.timecode == before.timecode
    with av.open(str(source)) as a, av.open(str(target)) as b:
        assert [chapter["metadata"] for chapter in b.chapters()] == [chapter["metadata"] for chapter in chapters()]
        assert [c["start"] * exact(c["time_base"]) for c in b.chapters()] == [c["start"] * exact(c["time_base"]) for c in a.chapters()]
        assert len(b.chapters()) == 2
        assert b.metadata["title"] == "Wedding"
        assert [s.disposition for s in b.streams] == [s.disposition for s in a.streams]
        assert [getattr(s, "data", b"") for s in b.streams if s.type == "attachment"] == [
            s.data for s in a.streams if s.type == "attachment"
        ]


def test_raw_sound_in_quicktime(tmp_path):
    source = Clip(sounds=[Sound(codec="pcm_s16le")]).make(tmp_path / "a.mov")
    copy(source, tmp_path / "b.mov")
    (before,), (after,) = packets(source, "audio"), packets(tmp_path / "b.mov", "audio")
    assert b"".join(data for _, data in after) == b"".join(data for _, data in before)


def test_webm(tmp_path):
    source = Clip(encoder="libvpx-vp9", options={"deadline": "realtime"}, sounds=[Sound(codec="libopus")]).make(tmp_path / "a.webm")
    out = copy(source, tmp_path / "b.webm")
    assert out.encoding.encoder == "libvpx-vp9"
    assert shown(tmp_path / "b.webm") == shown(source)
    assert packets(tmp_path / "b.webm", "audio") == packets(source, "audio")


def test_stream_that_does_not_fit_is_named(tmp_path):
    source = Clip(sounds=[Sound(language="fra")], subtitles="subrip", attachment=True).make(tmp_path / "a.mkv")
    out = copy(source, tmp_path / "b.mp4")
    assert out.dropped_streams == ("subtitle stream 2 (deu, subrip)", "attachment stream 3 (font.ttf)")
    assert packets(tmp_path / "b.mp4", "audio")[0][0][1] == packets(source, "audio")[0][0][1]
    source = Clip(data=True, time_base=Fraction(1, 90000), pts=range(0, 36000, 3600)).make(tmp_path / "a.ts")
    assert copy(source, tmp_path / "c.mp4").dropped_streams == ("data stream 1 (klv)",)


def test_tags_of_a_phone(tmp_path):
    clip = Clip(tags={"com.apple.quicktime.make": "Maker"}, container={"movflags": "use_metadata_tags"})
    copy(clip.make(tmp_path / "a.mov"), tmp_path / "b.mov")
    with av.open(str(tmp_path / "b.mov")) as container:
        assert container.metadata["com.apple.quicktime.make"] == "Maker"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_and_shape_of_pixels(tmp_path, suffix, rotation):
    source = Clip(rotation=rotation, aspect=Fraction(4, 3)).make(tmp_path / f"a{suffix}")
    copy(source, tmp_path / f"b{suffix}")
    before, after = VideoReader(source).info, VideoReader(tmp_path / f"b{suffix}").info
    assert after.display_matrix == before.display_matrix
    assert after.rotation % 360 == rotation
    assert after.sample_aspect_ratio == Fraction(4, 3)
    assert (after.width, after.height) == (WIDTH, HEIGHT)


# Colour


@pytest.mark.parametrize("code_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_lossless_copy_has_no_tint(tmp_path, matrix, code_range, pixel_format):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.stack([0.5 + 0.4 * np.sin(x / 17 + 2 * c) * np.cos(y / 13 - c) for c in range(3)], -1)
    frame = av.VideoFrame.from_ndarray((picture * 255).astype(np.uint8), "rgb24").reformat(
        format=pixel_format, dst_colorspace=matrix, dst_color_range=code_range
    )
    frame.pts = None
    clip = Clip(pts=[0], encoder="ffv1", options={}, pixel_format=pixel_format, colour=(2, 2, matrix, code_range), picture=frame)
    source = clip.make(tmp_path / "a.mkv")
    for codec in ("ffv1", "h264"):
        target = tmp_path / f"{codec}.mkv"
        copy(source, target, codec=codec, quality=100)
        assert VideoReader(target).info.colour == VideoReader(source).info.colour
        assert VideoReader(target).info.pixel_format.replace("yuvj", "yuv") == pixel_format
        (before,), (after,) = VideoReader(source), VideoReader(target)
        difference = (after.pixels.astype(float) - before.pixels) / (257 if after.pixels.dtype == np.uint16 else 1)
        assert np.abs(difference).mean() < 0.3
        assert np.abs(difference.mean(axis=(0, 1))).max() < 0.1


@pytest.mark.parametrize(("encoder", "suffix"), [("libx265", ".mp4"), ("libx265", ".mkv")])
def test_hdr_is_kept(tmp_path, encoder, suffix):
    clip = Clip(encoder=encoder, options={"x265-params": HDR}, pixel_format="yuv420p10le", colour=(9, 16, 9, 1), pts=range(0, 200, 40))
    source = clip.make(tmp_path / f"a{suffix}")
    before = VideoReader(source).info
    assert before.mastering is not None
    assert (before.mastering.brightest, before.mastering.red) == (1000, (Fraction(68, 100), Fraction(32, 100)))
    assert before.light == LightLevel(brightest_pixel=1000, brightest_frame=400)
    for codec in ("hevc", "av1", "h264"):
        copy(source, tmp_path / f"{codec}.mkv", codec=codec)
        after = VideoReader(tmp_path / f"{codec}.mkv").info
        assert (after.colour, after.bit_depth, after.light) == (before.colour, 10, before.light)
        assert after.mastering is not None
        assert float(after.mastering.green[1]) == pytest.approx(0.69, abs=1e-4)
        assert float(after.mastering.brightest) == pytest.approx(1000)


def test_what_the_codec_cannot_keep_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.io.encoders.deep_vp9", lambda: None)  # the encoder of PyAV alone
    clip = Clip(encoder="libx265", options={"x265-params": HDR}, pixel_format="yuv420p10le", pts=[0])
    out = copy(clip.make(tmp_path / "a.mkv"), tmp_path / "b.webm", codec="vp9")
    assert len(out.notes) == 2
    assert "HDR mastering metadata is not kept" in out.notes[0]
    assert "10-bit video is written with 8 bits" in out.notes[1]
    source = Clip(encoder="ffv1", options={}, pixel_format="yuva420p", pts=[0]).make(tmp_path / "c.mkv")
    assert copy(source, tmp_path / "d.mkv", codec="h264").notes == ("transparency is not kept",)


# Codecs and sizes


def test_h265_has_the_tag_that_apple_plays(tmp_path):
    source = Clip(pts=[0]).make(tmp_path / "a.mp4")
    copy(source, tmp_path / "b.mp4", codec="hevc")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("size", [(63, 49), (64, 49), (63, 48), (16, 16), (15, 9)])
@pytest.mark.parametrize("target", ["b.mkv", "b.mp4", "b.webm", "h265.mp4"])
def test_odd_sizes_are_kept(tmp_path, size, target):
    source = Clip(encoder="ffv1", options={}, size=size, pts=[0, 40, 80]).make(tmp_path / "a.mkv")
    if target.startswith("h265") and min(size) < 16:
        with pytest.raises(OutputError, match="cannot be encoded"):
            copy(source, tmp_path / target, codec="hevc")  # smaller than its smallest block
        return
    out = copy(source, tmp_path / target, codec="hevc" if target.startswith("h265") else None)
    info = VideoReader(tmp_path / target).info
    assert (info.width, info.height) == size
    assert [number for _, number in shown(tmp_path / target)] == [0, 1, 2]
    assert any("chroma" in note or "odd size" in note for note in out.notes) == (info.pixel_format != "yuv420p")


@pytest.mark.parametrize(
    ("encoder", "pixel_format", "suffix", "expected"),
    [
        ("libx264", "yuv420p", ".mp4", ("libx264", "yuv420p")),
        ("libx264", "yuv422p10le", ".mkv", ("libx264", "yuv422p10le")),
        ("libx265", "yuv444p12le", ".mkv", ("libx265", "yuv444p12le")),
        ("libx264", "yuv420p10le", ".webm", ("libsvtav1", "yuv420p10le")),
        ("libx264", "yuv420p", ".webm", ("libvpx-vp9", "yuv420p")),
        ("prores_ks", "yuv422p10le", ".mov", ("prores_ks", "yuv422p10le")),
        ("prores_ks", "yuv422p10le", ".mp4", ("libx264", "yuv422p10le")),
        ("ffv1", "gray", ".mkv", ("ffv1", "gray")),
        ("ffv1", "yuv410p", ".mp4", ("libx264", "yuv420p")),
        ("mjpeg", "yuvj422p", ".mkv", ("libx264", "yuv422p")),
        ("libx264rgb", "rgb24", ".mkv", ("libx264rgb", "bgr0")),
        ("libvpx-vp9", "yuv420p", ".mp4", ("libvpx-vp9", "yuv420p")),
    ],
)
def test_codec_and_format_follow_the_source(tmp_path, encoder, pixel_format, suffix, expected):
    options = {"x265-params": "log-level=error"} if encoder == "libx265" else {}
    kept_in = ".mov" if encoder == "prores_ks" else ".mkv"
    source = Clip(encoder=encoder, options=options, pixel_format=pixel_format, pts=[0, 40]).make(tmp_path / f"a{kept_in}")
    out = copy(source, tmp_path / f"b{suffix}")
    assert (out.encoding.encoder, out.encoding.pixel_format) == expected
    assert [number for _, number in shown(tmp_path / f"b{suffix}")] == [0, 1]


@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".mp4"), ("hevc", ".mp4"), ("vp9", ".webm"), ("av1", ".mkv"), ("prores", ".mov")])
def test_quality_and_codec_are_obeyed(tmp_path, codec, suffix):
    noise = av.VideoFrame.from_ndarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8), "rgb24").reformat(format="yuv420p")
    source = Clip(pts=[0], size=(96, 96), encoder="ffv1", options={}, picture=noise).make(tmp_path / "a.mkv")
    sizes = []
    for quality in (90, 12):
        target = tmp_path / f"b{quality}{suffix}"
        copy(source, target, codec=codec, quality=quality)
        assert VideoReader(target).info.codec == codec
        sizes.append(target.stat().st_size)
    assert sizes[0] > 1.2 * sizes[1]


def test_wrong_wishes(tmp_path):
    reader = VideoReader(Clip(pts=[0]).make(tmp_path / "a.mp4"))
    with pytest.raises(OutputError, match="choose one of these suffixes"):
        VideoWriter(tmp_path / "b.avi", reader)
    with pytest.raises(OutputError, match="mp4 cannot hold ffv1"):
        VideoWriter(tmp_path / "b.mp4", reader, codec="ffv1")
    with pytest.raises(InputError, match="codec `divx` cannot be written"):
        VideoWriter(tmp_path / "b.mp4", reader, codec="divx")
    with pytest.raises(InputError, match="1 to 100"):
        VideoWriter(tmp_path / "b.mp4", reader, quality=101)
    assert names(tmp_path) == ["a.mp4"]


# Parts


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_part_starts_at_zero_with_sound_in_step(tmp_path, suffix):
    clip = Clip(pts=range(0, 2000, 40), sounds=[Sound(seconds=2)], chapters=True, subtitles="mov_text" if suffix == ".mp4" else "subrip")
    source, target = clip.make(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    copy(source, target, start=0.19, duration=0.33)
    assert shown(target) == [(Fraction(40 * i, 1000), 5 + i) for i in range(8)]
    begin, end = Fraction(1, 5), Fraction(52, 100)
    tick = Fraction(1, 48000) if suffix == ".mp4" else Fraction(1, 1000)
    for before, after in ((packets(source, "audio")[0], packets(target, "audio")[0]), (texts(source), texts(target))):
        wanted = [(time - begin, data) for time, data in before if begin <= time < end]
        assert wanted
        assert [data for _, data in after] == [data for _, data in wanted]
        assert all(abs(time - want) <= tick for (time, _), (want, _) in zip(after, wanted, strict=True))
    with av.open(str(target)) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["after"]


# Failures


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("sounds", [[Sound(seconds=0.2)], [Sound(seconds=0.2), Sound("fra")]], ids=len)
def test_part_after_the_end_of_a_sound(tmp_path, suffix, sounds):
    source, target = Clip(sounds=sounds).make(tmp_path / f"source{suffix}"), tmp_path / f"out{suffix}"
    copy(source, target, start=0.36)
    assert [number for _, number in shown(target)] == list(range(9, 15))
    late = [[data for time, data in track if time >= Fraction(36, 100)] for track in packets(source, "audio")]
    assert [[data for _, data in track] for track in packets(target, "audio") if track] == late[1:]
    assert late[0] == []


def test_existing_file_is_refused(tmp_path):
    source, target = Clip(pts=[0]).make(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--overwrite"):
        copy(source, target)
    assert target.read_bytes() == b"mine"
    copy(source, target, overwrite=True)
    assert shown(target) == shown(source)


def test_source_is_never_replaced(tmp_path):
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    before = source.read_bytes()
    with pytest.raises(OutputError, match="inputs are never changed"):
        copy(source, source, overwrite=True)
    assert source.read_bytes() == before
    assert names(tmp_path) == ["a.mp4"]


def test_folder_that_cannot_be_made(tmp_path):
    source = Clip(pts=[0]).make(tmp_path / "a.mp4")
    with pytest.raises(OutputError, match="cannot write"):
        copy(source, source / "b.mp4")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("after", [0, 1, 12])
def test_interruption_leaves_nothing_behind(tmp_path, error, after):
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    with pytest.raises(error), VideoReader(source) as clip, VideoWriter(tmp_path / "b.mp4", clip) as out:
        for i, frame in enumerate(clip):
            if i == after:
                raise error
            out.write(frame.pixels, frame)
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("allowed", [0, 1500, 60000])
def test_failing_disk_leaves_nothing_behind(tmp_path, suffix, allowed):
    """The system really refuses to write more, by its limit on the size of files: at the header, on the way, and near the end."""
    noise = av.VideoFrame.from_ndarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8), "rgb24").reformat(format="yuv420p")
    source = Clip(pts=range(0, 400, 40), encoder="ffv1", options={}, picture=noise, sounds=[Sound()]).make(tmp_path / "a.mkv")
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    target = tmp_path / f"b{suffix}"
    reader = VideoReader(source)
    frames = list(reader)
    with pytest.raises(OutputError, match=r"cannot write|disk"):
        try:
            with VideoWriter(target, reader, quality=100) as out:
                resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
                for i in range(3):
                    for frame in frames:
                        moved = type(frame)(frame.pixels, frame.pts + 400 * i, frame.duration)
                        out.write(np.roll(frame.pixels, i + frame.pts, axis=0), moved)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["a.mkv"]


def test_full_disk_names_the_remedy(tmp_path):
    source = Clip().make(tmp_path / "a.mp4")

    class FullDisk:
        def __init__(self, output):
            self.output = output

        def mux_one(self, _packet):
            raise av.error.OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __getattr__(self, name):
            return getattr(self.output, name)

    with pytest.raises(OutputError, match="disk is full"), VideoReader(source) as clip, VideoWriter(tmp_path / "b.mp4", clip) as out:
        out._output = FullDisk(out._output)
        for frame in clip:
            out.write(frame.pixels, frame)
    assert names(tmp_path) == ["a.mp4"]


def test_nothing_written_is_an_error(tmp_path):
    reader = VideoReader(Clip().make(tmp_path / "a.mp4"))
    with pytest.raises(OutputError, match="no frame was written"), VideoWriter(tmp_path / "b.mp4", reader):
        pass
    assert names(tmp_path) == ["a.mp4"]


def test_wrong_frames_are_refused(tmp_path):
    with VideoReader(Clip().make(tmp_path / "a.mp4")) as clip:
        first, second, *_ = clip
        with pytest.raises(ShapeError, match=r"\(48, 64, 3\) of uint8"), VideoWriter(tmp_path / "b.mp4", clip) as out:
            out.write(first.pixels[:-1], first)
        with pytest.raises(ShapeError, match="of float32"), VideoWriter(tmp_path / "b.mp4", clip) as out:
            out.write(first.pixels.astype(np.float32), first)
        with pytest.raises(ValueError, match="in their order"), VideoWriter(tmp_path / "b.mp4", clip) as out:
            out.write(second.pixels, second)
            out.write(first.pixels, first)


def test_cut_off_source_becomes_a_whole_file(tmp_path):
    source = Clip(pts=range(0, 4000, 40), sounds=[Sound(seconds=4)]).make(tmp_path / "a.mkv")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    copy(source, tmp_path / "b.mkv")
    assert shown(tmp_path / "b.mkv") == shown(source)
    assert packets(tmp_path / "b.mkv", "audio") == packets(source, "audio")
    assert 10 < len(shown(source)) < 90


# Verification


@pytest.fixture
def written(tmp_path) -> tuple[Path, Expected]:
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    out = copy(source, tmp_path / "b.mp4")
    return tmp_path / "b.mp4", out.expected


def test_verification_passes_what_is_right(written):
    verify_video(*written)


@pytest.mark.parametrize("where", [0, 7, 14])
def test_verification_misses_a_frame(written, where):
    path, expected = written
    expected.pts.insert(where, expected.pts[where] - 1)
    with pytest.raises(VerifyError, match="has 15 frames instead of 16"):
        verify_video(path, expected)


@pytest.mark.parametrize("where", [1, 7, 14])
def test_verification_sees_one_tick(written, where):
    path, expected = written
    expected.pts[where] += 1
    with pytest.raises(VerifyError, match=f"frame {where} is shown at"):
        verify_video(path, expected)


def test_verification_sees_a_shift_of_the_picture_against_the_sound(written):
    path, expected = written
    expected.pts = array.array("q", [time + 50 for time in expected.pts])
    with pytest.raises(VerifyError, match="begins at another time"):
        verify_video(path, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: setattr(e, "width", 62), "cannot be decoded as 62×48"),
        (lambda e: setattr(e.streams[0], "packets", 3), "packets instead of 3"),
        (lambda e: e.streams[0].digest.update(b"x"), "other bytes"),
        (lambda e: setattr(e.streams[0], "last", e.streams[0].last + 1), "ends at another time"),
        (lambda e: e.streams.append(e.streams[0]), "was written without audio stream 1"),
    ],
)
def test_verification_sees_every_difference(written, change, words):
    path, expected = written
    change(expected)
    with pytest.raises(VerifyError, match=words):
        verify_video(path, expected)


def test_verification_of_a_file_that_cannot_be_read(written):
    path, expected = written
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(VerifyError, match="cannot be read again"):
        verify_video(path, expected)


def write_and_forget_a_frame(source: Path, target: Path, *, verify: bool) -> None:
    with VideoReader(source) as clip, VideoWriter(target, clip, verify=verify) as out:
        for frame in clip:
            out.write(frame.pixels, frame)
        del out.expected.pts[3]


def test_output_that_fails_verification_is_discarded(tmp_path):
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    with pytest.raises(VerifyError, match=r"true\.mp4` has 15 frames"):  # and not the name of the partial file
        write_and_forget_a_frame(source, tmp_path / "true.mp4", verify=True)
    write_and_forget_a_frame(source, tmp_path / "false.mp4", verify=False)
    assert names(tmp_path) == ["a.mp4", "false.mp4"]


CAPTIONS = b"\xb5\x00\x31GA94\x03\xc1\xff\xfc\x94\x2c\xff"
"""A message of CTA-708 captions, as broadcasts have it: one pair of characters."""


def hdr10_plus() -> bytes:
    """A message of SMPTE ST 2094-40 with one window and no curves."""
    fields = [(1, 2), (500, 27), (0, 1), (7777, 17), (8888, 17), (9999, 17), (5555, 17), (0, 4), (5, 10), (0, 1), (0, 1), (0, 1)]
    bits = "".join(f"{value:0{width}b}" for value, width in fields)
    bits += "0" * (-len(bits) % 8)
    return b"\xb5\x00\x3c\x00\x01\x04\x01" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def with_messages(path: Path, message: bytes, *, encoder: str, kind: int = 4) -> Path:
    """Write a clip with a message (SEI, registered by ITU-T T.35, or of another kind) in front of two of its packets."""
    body = bytes([kind]) + bytes([len(message)]) + message + b"\x80"
    sei = b"\0\0\0\1" + (b"\x06" if encoder == "libx264" else b"\x4e\x01") + body.replace(b"\0\0\1", b"\0\0\3\1")
    options = {"crf": "10", "preset": "ultrafast", "x264-params": "log-level=none", "x265-params": "log-level=error:bframes=0"}
    clip = Clip(
        pts=range(0, 36000, 3600),
        time_base=Fraction(1, 90000),
        encoder=encoder,
        pixel_format="yuv420p" if encoder == "libx264" else "yuv420p10le",
        options={key: value for key, value in options.items() if not key.startswith("x26") or key.startswith(encoder[3:])},
    )
    with av.open(str(path), "w") as out:
        stream = clip._video(out)
        for number, packet in enumerate(clip._video_packets(stream)):
            changed = av.Packet(sei + bytes(packet)) if number in (3, 7) else packet
            changed.stream, changed.pts, changed.dts, changed.time_base = stream, packet.pts, packet.dts, packet.time_base
            changed.is_keyframe = packet.is_keyframe
            out.mux(changed)
    return path


def carrying(path: Path, kind: Type) -> list[tuple[int, bytes]]:
    """Numbers of the frames that have a kind of side data, and the data."""
    carried = [(number_of(frame.pixels), side_data(frame.carried, kind)) for frame in VideoReader(path) if frame.carried is not None]
    return [(number, data) for number, data in carried if data is not None]


@pytest.mark.parametrize(("codec", "kept"), [("h264", True), ("hevc", True), ("vp9", False)])
def test_captions_stay_with_their_frames(tmp_path, codec, kept):
    source, target = with_messages(tmp_path / "a.ts", CAPTIONS, encoder="libx264"), tmp_path / "b.mp4"
    assert carrying(source, Type.A53_CC) == [(3, b"\xfc\x94\x2c"), (7, b"\xfc\x94\x2c")]
    out = copy(source, target, codec=codec)
    assert carrying(target, Type.A53_CC) == (carrying(source, Type.A53_CC) if kept else [])
    assert out.notes == (() if kept else ("captions inside the frames are not kept by this codec; choose h264 or hevc to keep them",))


MDPM = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM\x02\x18\xc0\x20\x19\x07"
"""User data of AVCHD cameras: an identifier, and a date."""


@pytest.mark.parametrize(("codec", "kept"), [("h264", True), ("hevc", False), ("vp9", False)])
def test_user_data_stays_with_its_frames(tmp_path, codec, kept):
    source, target = with_messages(tmp_path / "a.ts", MDPM, encoder="libx264", kind=5), tmp_path / "b.mp4"
    assert carrying(source, Type.SEI_UNREGISTERED) == [(3, MDPM), (7, MDPM)]
    out = copy(source, target, codec=codec)
    assert carrying(target, Type.SEI_UNREGISTERED) == (carrying(source, Type.SEI_UNREGISTERED) if kept else [])
    words = "data inside the frames, such as a camera's date and exposure, is not kept by this codec; choose h264 to keep it"
    assert out.notes == (() if kept else (words,))


def test_what_an_encoder_says_of_itself_is_not_kept(tmp_path):
    source = Clip().make(tmp_path / "a.mp4")
    assert source.read_bytes().count(b"x264 - core") == 1
    assert all(frame.carried is None for frame in VideoReader(source))
    assert copy(source, tmp_path / "b.mkv", codec="hevc").notes == ()
    assert b"x264 - core" not in (tmp_path / "b.mkv").read_bytes()


@pytest.mark.parametrize("codec", ["av1", "hevc"])
def test_loss_of_hdr10_plus_is_told_once(tmp_path, codec):
    source = with_messages(tmp_path / "a.ts", hdr10_plus(), encoder="libx265")
    assert [number for number, _ in carrying(source, Type.DYNAMIC_HDR_PLUS)] == [3, 4, 5, 6, 7, 8, 9]  # it holds until it is replaced
    out = copy(source, tmp_path / "b.mp4", codec=codec)
    assert out.notes == ("HDR10+ metadata is not kept; the HDR mastering metadata is",)
    assert carrying(tmp_path / "b.mp4", Type.DYNAMIC_HDR_PLUS) == []  # a codec that keeps it must not be blamed


def test_reader_and_writer_in_threads_of_their_own(tmp_path):
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    queue: Queue = Queue(maxsize=2)
    with VideoReader(source) as clip, VideoWriter(tmp_path / "b.mp4", clip) as out:

        def read() -> None:
            for frame in clip:
                queue.put(frame)
            queue.put(None)

        def write() -> None:
            while (frame := queue.get()) is not None:
                out.write(frame.pixels, frame)

        threads = [threading.Thread(target=read), threading.Thread(target=write)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert shown(tmp_path / "b.mp4") == shown(source)
