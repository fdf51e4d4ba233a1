import gc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import HEIGHT, MILLISECOND, WIDTH, Clip, Sound, jpeg, number_of
from PIL import Image

from unblur.errors import InputError, UnreadableError, UnsupportedError
from unblur.io.containers import exact
from unblur.io.video import VideoReader, is_video
from unblur.io.video_reader import MAX_CONSECUTIVE_FAILURES

INTRA = {"encoder": "mjpeg", "pixel_format": "yuvj420p", "options": {}}
"""A codec in which every frame stands alone, so that packets can be put anywhere."""


def numbers(reader: VideoReader) -> list[int]:
    return [number_of(frame.pixels) for frame in reader]


def times(reader: VideoReader) -> list[Fraction]:
    return [frame.pts * reader.info.time_base for frame in reader]


def with_times(path: Path, pts: list[int]) -> Path:
    """Write frames numbered in the order of the file, with times that an encoder would refuse."""
    with av.open(str(path), "w") as out:
        clip = Clip(pts=range(len(pts)), **INTRA)
        stream = clip._video(out)
        for i, packet in enumerate(clip._video_packets(stream)):
            packet.pts, packet.dts = pts[i], min(pts[i:])  # Matroska writes no decoding times, but they must not fall
            out.mux(packet)
    return path


def damaged(path: Path, *, which: range) -> Path:
    """Overwrite the pictures of some packets with zeros."""
    with av.open(str(path)) as container:
        pictures = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    for i in which:
        assert pictures[i] in data
        data = data.replace(pictures[i], bytes(len(pictures[i])), 1)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_come_in_order_of_presentation(tmp_path, suffix, b_frames):
    options = {"crf": "10", "preset": "ultrafast", "bf": str(b_frames), "x264-params": "log-level=none"}
    path = Clip(options=options).make(tmp_path / f"clip{suffix}")
    with VideoReader(path) as clip:
        frames = list(clip)
    assert [number_of(frame.pixels) for frame in frames] == list(range(15))
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    assert frames[0].pixels.shape == (HEIGHT, WIDTH, 3)
    assert frames[0].pixels.dtype == np.uint8


def test_variable_rate_and_gaps(tmp_path):
    pts = [0, 1, 2, 40, 41, 700, 701, 9000]
    reader = VideoReader(Clip(pts=pts, time_base=Fraction(1, 30000)).make(tmp_path / "clip.mp4"))
    assert times(reader) == [Fraction(p, 30000) for p in pts]
    assert numbers(reader) == list(range(8))
    assert reader.repaired_times == 0


def test_equal_times_are_moved_apart_and_counted(tmp_path):
    reader = VideoReader(with_times(tmp_path / "clip.mkv", [0, 40, 40, 39, 80, 120]))
    assert times(reader) == [p * MILLISECOND for p in (0, 40, 41, 42, 80, 120)]
    assert numbers(reader) == list(range(6))
    assert reader.repaired_times == 2


def test_times_that_jump_back_are_refused(tmp_path):
    reader = VideoReader(with_times(tmp_path / "clip.mkv", [0, 40, 5000, 80]))
    with pytest.raises(UnsupportedError, match=r"jump back from 5\.000 s to 0\.080 s"):
        list(reader)


def test_frames_without_times_follow_at_the_rate(tmp_path):
    path = Clip(pts=range(12), time_base=Fraction(1, 25), encoder="mpeg4", options={"bf": "0"}).make(tmp_path / "clip.avi")
    reader = VideoReader(path)
    assert times(reader) == [Fraction(i, 25) for i in range(12)]


def test_edit_list_hides_what_comes_before_zero(tmp_path):
    reader = VideoReader(Clip(pts=range(-200, 400, 40)).make(tmp_path / "clip.mp4"))
    assert numbers(reader) == list(range(5, 15))
    assert times(reader)[0] == 0


def test_late_start_is_kept(tmp_path):
    options = {"movie_timescale": "90000", "video_track_timescale": "90000"}
    clip = Clip(pts=[1001 + 3600 * i for i in range(5)], time_base=Fraction(1, 90000), container=options, sounds=[Sound()])
    reader = VideoReader(clip.make(tmp_path / "clip.mp4"))
    assert times(reader)[0] == Fraction(1001, 90000)
    assert reader.info.start_pts == 1001


def test_one_frame(tmp_path):
    reader = VideoReader(Clip(pts=[0], last_duration=500).make(tmp_path / "clip.mp4"))
    (frame,) = reader
    assert frame.duration * reader.info.time_base == Fraction(1, 2)


def test_can_be_iterated_again_and_left_early(tmp_path):
    with VideoReader(Clip().make(tmp_path / "clip.mp4")) as clip:
        first = next(iter(clip))
        assert numbers(clip) == numbers(clip) == list(range(15))
        assert number_of(first.pixels) == 0
        next(iter(clip))
    gc.collect()


def test_facts(tmp_path):
    clip = Clip(
        sounds=[Sound(language="fra", title="son")],
        rotation=90,
        aspect=Fraction(4, 3),
        colour=(1, 1, 1, 1),
        timecode="01:00:00:00",
    )
    reader = VideoReader(clip.make(tmp_path / "clip.mov"))
    info = reader.info
    assert (info.width, info.height, info.pixel_format, info.bit_depth, info.codec) == (WIDTH, HEIGHT, "yuv420p", 8, "h264")
    assert (info.colour.primaries, info.colour.transfer, info.colour.matrix, info.colour.range) == (1, 1, 1, 1)
    assert (info.average_rate, info.duration, info.frame_count, reader.frame_count) == (25, Fraction(6, 10), 15, 15)
    assert (info.rotation, info.sample_aspect_ratio, info.timecode) == (90, Fraction(4, 3), "01:00:00:00")
    assert info.display_matrix is not None
    assert not info.interlaced
    sound = info.streams[1]
    assert (sound.type, sound.codec, sound.language) == ("audio", "aac", "fra")
    assert str(sound) == "audio stream 1 (fra, aac)"


@pytest.mark.parametrize(
    ("pixel_format", "depth", "dtype"),
    [("yuv420p", 8, np.uint8), ("yuv422p10le", 10, np.uint16), ("gbrp12le", 12, np.uint16), ("gray", 8, np.uint8)],
)
def test_depth_decides_the_type(tmp_path, pixel_format, depth, dtype):
    clip = Clip(encoder="ffv1", options={}, pixel_format=pixel_format, size=(63, 49))
    reader = VideoReader(clip.make(tmp_path / "clip.mkv"))
    assert reader.info.bit_depth == depth
    assert {frame.pixels.dtype.type for frame in reader} == {dtype}
    assert {frame.pixels.shape for frame in reader} == {(49, 63, 3)}
    assert numbers(reader) == list(range(15))


@pytest.mark.parametrize(
    ("start", "duration", "expected"), [(0, 0.2, (0, 5)), (0.2, 0.2, (5, 10)), (0.19, 0.02, (5, 6)), (1.201, None, (31, 60))]
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_part_is_exact_to_the_frame(tmp_path, suffix, start, duration, expected):
    # Short groups of pictures with B-frames, so that seeking matters and may land too late.
    clip = Clip(pts=range(0, 2400, 40), options={"preset": "veryfast", "crf": "12", "g": "10", "bf": "3", "x264-params": "log-level=none"})
    reader = VideoReader(clip.make(tmp_path / f"clip{suffix}"), start=start, duration=duration)
    assert numbers(reader) == [n % 24 for n in range(*expected)]
    assert reader.frame_count is not None
    assert abs(reader.frame_count - (expected[1] - expected[0])) <= 1


def test_part_counts_from_the_first_frame(tmp_path):
    clip = Clip(pts=[200 + 40 * i for i in range(10)], container={"movie_timescale": "16000"}).make(tmp_path / "clip.mp4")
    assert numbers(VideoReader(clip, start=0.08, duration=0.08)) == [2, 3]


@pytest.mark.parametrize(("start", "duration"), [(-1, None), (0, 0), (0, -1)])
def test_impossible_part(tmp_path, start, duration):
    with pytest.raises(InputError, match="part of a clip"):
        VideoReader(tmp_path / "clip.mp4", start=start, duration=duration)


def test_part_behind_the_end(tmp_path):
    reader = VideoReader(Clip().make(tmp_path / "clip.mp4"), start=7)
    with pytest.raises(InputError, match=r"from 7 s\); the clip lasts 0\.600 s"):
        list(reader)


def test_interlaced_is_refused_unless_allowed(tmp_path):
    options = {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:log-level=none"}
    path = Clip(options=options).make(tmp_path / "clip.mp4")
    with pytest.raises(UnsupportedError, match="deinterlace"):
        VideoReader(path)
    with pytest.raises(InputError, match="one of refuse, keep, deinterlace, got 'yes'"):
        VideoReader(path, interlaced="yes")
    reader = VideoReader(path, interlaced="keep")
    assert reader.info.interlaced
    assert numbers(reader) == list(range(15))


def test_change_of_size_is_refused(tmp_path):
    path = tmp_path / "clip.ts"
    small = Clip(size=(32, 32), time_base=Fraction(1, 90000), pts=range(54000, 90000, 3600)).make(tmp_path / "small.ts")
    Clip(time_base=Fraction(1, 90000), pts=range(0, 54000, 3600)).make(path)
    path.write_bytes(path.read_bytes() + small.read_bytes())
    with pytest.raises(UnsupportedError, match="changes its size from 64×48 to 32×32"):
        list(VideoReader(path))


@pytest.mark.parametrize("matrix", [8, 14])
def test_matrix_that_cannot_be_undone_is_refused(tmp_path, matrix):
    path = Clip(colour=(9, 16, matrix, 1)).make(tmp_path / "clip.mp4")
    with pytest.raises(UnsupportedError, match="colour matrix"):
        VideoReader(path)


# Damage


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("share", [0.4, 0.7])
def test_cut_off_file_gives_what_is_there(tmp_path, suffix, share):
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    clip = Clip(pts=range(100), time_base=Fraction(1, 25), container=options, **INTRA)
    path = clip.make(tmp_path / f"clip{suffix}")
    assert numbers(whole := VideoReader(path)) == [n % 24 for n in range(100)]
    assert not whole.truncated
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    reader = VideoReader(path)
    found = numbers(reader)
    assert 100 * share - 20 < len(found) < 100
    assert found[:-1] == [n % 24 for n in range(len(found) - 1)]  # the last may be half a picture
    assert reader.truncated


def test_recording_without_its_index(tmp_path):
    path = Clip().make(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UnreadableError, match="broken off: the index"):
        VideoReader(path)


def test_damaged_packets_are_skipped_and_counted(tmp_path):
    path = damaged(Clip(pts=range(0, 800, 40), **INTRA).make(tmp_path / "clip.mkv"), which=range(5, 8))
    reader = VideoReader(path)
    assert numbers(reader) == [n for n in range(20) if n not in range(5, 8)]
    assert reader.decode_failures == 3
    assert not reader.truncated
    assert len(list(reader)) == 17  # counted anew each time
    assert reader.decode_failures == 3


def test_much_damage_is_an_error(tmp_path):
    count = MAX_CONSECUTIVE_FAILURES + 10
    path = damaged(Clip(pts=range(0, 40 * count, 40), **INTRA).make(tmp_path / "clip.mkv"), which=range(3, count))
    with pytest.raises(UnreadableError, match="packets in a row"):
        list(VideoReader(path))


def test_damaged_first_frame_is_not_the_end(tmp_path):
    path = damaged(Clip(pts=range(0, 800, 40), **INTRA).make(tmp_path / "clip.mkv"), which=range(2))
    assert numbers(VideoReader(path)) == list(range(2, 20))


# What is no video


def make_sound(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame) + stream.encode(None))
    return path


def make_covered_sound(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48000)
        sound.layout = "mono"
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(jpeg())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
        out.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        out.mux(sound.encode(frame) + sound.encode(None))
    return path


def test_what_is_not_a_video(tmp_path):
    text, empty, picture = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "photo.jpg"
    text.write_text("not a video, however it is called\n" * 50)
    empty.touch()
    picture.write_bytes(jpeg())
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost:9/clip.ts\n")
    cases = {
        text: "is not a video",
        empty: "is empty",
        picture: "is not a video",
        playlist: "is not a video",
        tmp_path: "is a folder",
        tmp_path / "nothing.mp4": "there is no file",
        tmp_path / "nul\0.mp4": "is not a video",
        make_sound(tmp_path / "sound.wav"): "only sound",
        make_covered_sound(tmp_path / "album.mp4"): "only sound",
    }
    for path, words in cases.items():
        assert not is_video(path)
        with pytest.raises(UnreadableError, match=words):
            VideoReader(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".avif", ".png"])
def test_pictures_are_not_videos_even_if_they_move(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    pictures = [Image.new("RGB", (32, 32), (n, 90, 200)) for n in (0, 120, 240)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    assert not is_video(path)


def test_is_video_goes_by_content(tmp_path):
    path = Clip(cover=True).make(tmp_path / "clip.mp4").rename(tmp_path / "clip.txt")
    assert is_video(path)
    assert VideoReader(path).info.width == WIDTH  # and not that of the cover


def test_title_in_an_old_encoding(tmp_path):
    path = Clip(tags={"title": "XXXX"}).make(tmp_path / "clip.mkv")
    path.write_bytes(path.read_bytes().replace(b"XXXX", b"\xe9t\xe9s"))
    assert numbers(VideoReader(path)) == list(range(15))


class Rational:
    """As PyAV 19 gives it: never None, 0/1 if unknown."""

    def __init__(self, numerator: int, denominator: int) -> None:
        self.numerator, self.denominator = numerator, denominator


def test_rational_numbers_of_both_releases():
    assert exact(Rational(1, 25)) == exact(Fraction(1, 25)) == Fraction(1, 25)
    assert exact(Rational(0, 1)) is exact(Rational(1, 0)) is exact(None) is None


def with_b_frames(path: Path, *, encoder: str = "libx264", rate: Fraction = Fraction(25)) -> Path:
    """Write a clip of 15 frames with frames that are decoded in another order than shown, in the times of its container."""
    with av.open(str(path), "w") as out:
        parameters = "log-level=error:bframes=3:b-adapt=0"
        stream = out.add_stream(encoder, rate=rate, options={"preset": "fast", f"{encoder[3:]}-params": parameters})
        stream.width, stream.height = WIDTH, HEIGHT
        clip = Clip()
        for number in range(15):
            frame = clip._frame(number)
            frame.pts, frame.time_base = number, 1 / rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_order_of_h264_in_avi(tmp_path):
    path = with_b_frames(tmp_path / "clip.avi")
    reader = VideoReader(path)
    assert numbers(reader) == list(range(15))
    assert times(reader) == [Fraction(i, 25) for i in range(15)]
    assert reader.repaired_times == 0
    assert numbers(VideoReader(path, start=0.2, duration=0.12)) == [5, 6, 7]
    assert [frame.pts for frame in reader.frames_from(9)] == list(range(9, 15))


@pytest.mark.parametrize("rate", [Fraction(60), Fraction(24000, 1001)])
@pytest.mark.parametrize(("encoder", "suffix"), [("libx264", ".h264"), ("libx265", ".hevc")])
def test_rate_of_a_raw_stream_is_the_one_that_it_states(tmp_path, encoder, suffix, rate):
    reader = VideoReader(with_b_frames(tmp_path / f"clip{suffix}", encoder=encoder, rate=rate))
    assert numbers(reader) == list(range(15))
    start = reader.info.start_pts * reader.info.time_base
    assert [time - start for time in times(reader)] == [i / rate for i in range(15)]
    assert reader.info.average_rate == rate


@pytest.mark.parametrize("name", ["scan.pdf", "camera.raw"])
def test_picture_inside_another_file_is_no_clip(tmp_path, name):
    head = {"scan.pdf": b"%PDF-1.4\n1 0 obj\n<</Filter/DCTDecode>>\nstream\n", "camera.raw": bytes([16, 18, 0, 9]) + bytes(120)}[name]
    (tmp_path / name).write_bytes(head + jpeg() + b"\nendstream\n%%EOF")
    assert not is_video(tmp_path / name)
    with pytest.raises(UnreadableError, match="is not a video that can be read"):
        VideoReader(tmp_path / name)
    (tmp_path / "film.mjpeg").write_bytes(jpeg() * 3)
    assert is_video(tmp_path / "film.mjpeg")


@pytest.mark.parametrize(
    ("name", "words"), [(b"zzzz", "FFmpeg does not decode"), (b"drmi", r"encrypted \(DRM\)"), (b"encv", r"encrypted \(DRM\)")]
)
def test_a_sound_file_is_not_called_damaged(tmp_path, name, words):
    path = Clip().make(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1\0\0", name + b"\0\0"))
    assert is_video(path)
    with pytest.raises(UnsupportedError, match=words):
        VideoReader(path)
