import zlib
from fractions import Fraction

import av
import pytest
from clips import Clip, Sound, copy

from unblur.errors import OutputError
from unblur.io import ebml
from unblur.io.sound import acm_header, single_frames
from unblur.io.video import VideoReader, VideoWriter, output_suffix

PLAIN = {"pts": range(15), "time_base": Fraction(1, 25), "options": {"bf": "0", "x264-params": "log-level=error"}}


@pytest.mark.parametrize(
    ("codec", "rate", "source", "suffix"),
    [
        ("aac", 48000, ".mp4", ".mp4"),
        ("aac", 48000, ".MP4", ".MP4"),
        ("aac", 48000, ".ts", ".mkv"),
        ("libopencore_amrnb", 8000, ".3gp", ".mov"),
        ("pcm_alaw", 8000, ".avi", ".mkv"),
        ("wmav2", 44100, ".wmv", ".mkv"),
        ("pcm_bluray", 48000, ".m2ts", ".mkv"),
    ],
)
def test_suffix_is_one_that_holds_the_sound(tmp_path, codec, rate, source, suffix):
    clip = Clip(sounds=[Sound(codec=codec, rate=rate)], **(PLAIN if source == ".avi" else {}))
    path = clip.make(tmp_path / f"a{source.lower()}").rename(tmp_path / f"b{source}")
    assert output_suffix(path) == suffix


def test_suffix_of_what_cannot_be_read(tmp_path):
    (tmp_path / "a.mov").write_bytes(b"nothing")
    assert output_suffix(tmp_path / "a.mov") == ".mov"
    assert output_suffix(tmp_path / "a.avi") == ".mkv"


def test_sound_in_the_words_of_windows(tmp_path):
    source = Clip(sounds=[Sound(codec="adpcm_ms"), Sound(codec="pcm_alaw", language="fra")], **PLAIN).make(tmp_path / "a.avi")
    copy(source, tmp_path / "b.mkv")
    data = (tmp_path / "b.mkv").read_bytes()
    assert data.count(b"A_MS/ACM") == 2
    assert b"A_TRUEHD" not in data
    with av.open(str(source)) as a, av.open(str(tmp_path / "b.mkv")) as b:
        assert [s.codec_context.name for s in b.streams.audio] == ["adpcm_ms", "pcm_alaw"]
        assert [acm_header(s) for s in b.streams.audio] == [acm_header(s) for s in a.streams.audio]
    (segment,) = (each for each in ebml.children(data) if each.id == ebml.SEGMENT)
    (tracks,) = (each for each in ebml.children(data, segment.body) if each.id == ebml.TRACKS)
    checksum = next(ebml.children(data, tracks.body, tracks.end))
    assert data[checksum.body : checksum.end] == zlib.crc32(data[checksum.end : tracks.end]).to_bytes(4, "little")


def test_a_clip_is_refused_before_the_work_rather_than_written_silent(tmp_path):
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    with pytest.raises(OutputError, match=r"audio stream 1 \(eng, aac\) cannot be kept in `.webm`.*write to `.mkv` to keep it"):
        copy(source, tmp_path / "b.webm")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_pcm_has_no_gaps_where_the_sound_has_none(tmp_path):
    source = Clip(sounds=[Sound(codec="wmav2", rate=44100, seconds=0.5)]).make(tmp_path / "a.wmv")
    out = copy(source, tmp_path / "b.mp4")
    assert out.notes == ("audio stream 1 (eng, wmav2) became PCM, without loss, since `.mp4` does not hold wmav2",)
    with av.open(str(tmp_path / "b.mp4")) as b:
        frames = list(b.decode(audio=0))
    ends = [frame.pts + frame.samples for frame in frames]
    assert [frame.pts for frame in frames[1:]] == ends[:-1]


def without_names(path):
    """Take the names of the channels out of a QuickTime file, as in those of Sony's cameras."""
    path.write_bytes(path.read_bytes().replace(b"chan", b"free"))
    return path


@pytest.mark.parametrize(
    ("layout", "notes"),
    [
        ("mono", ()),
        ("stereo", ()),
        ("5.1", ("the channels of audio stream 1 (eng, pcm_s16be), which the source does not name, are named as 5.1",)),
    ],
)
def test_channels_of_pcm_without_names(tmp_path, layout, notes):
    source = without_names(Clip(sounds=[Sound(codec="pcm_s16be", layout=layout)]).make(tmp_path / "a.mov"))
    out = copy(source, tmp_path / "b.mp4")
    assert out.notes == notes
    with av.open(str(source)) as a, av.open(str(tmp_path / "b.mp4")) as b:
        assert a.streams.audio[0].codec_context.layout.name.endswith("channels")
        assert b.streams.audio[0].codec_context.layout.name == ("1 channels" if layout == "mono" else layout)  # FFmpeg reads one channel so
        assert b"".join(map(bytes, a.demux(audio=0))) == b"".join(map(bytes, b.demux(audio=0)))
    assert copy(source, tmp_path / "b.mov").notes == ()  # QuickTime leaves them without names


def test_more_channels_without_names_than_have_a_usual_layout(tmp_path):
    source = without_names(Clip(sounds=[Sound(codec="pcm_s16be", layout="hexadecagonal")]).make(tmp_path / "a.mov"))
    with pytest.raises(OutputError, match=r"cannot be kept in `.mp4`, which has to name its channels; write to `.mkv` to keep it"):
        copy(source, tmp_path / "b.mp4")
    copy(source, tmp_path / "b.mkv")


def test_channels_of_sound_that_becomes_pcm(tmp_path):
    source = Clip(sounds=[Sound(codec="adpcm_ms", layout="stereo")], **PLAIN).make(tmp_path / "a.avi")
    copy(source, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as b:
        assert b.streams.audio[0].codec_context.layout.name == "stereo"


def test_frames_of_amr_one_by_one():
    """Modes 7 (32 bytes), 8 (6 bytes) and 15 (1 byte) of RFC 4867, 20 ms each."""
    frames = [bytes([7 << 3 | 4]) + bytes(31), bytes([8 << 3 | 4]) + bytes(5), bytes([15 << 3 | 4])]
    packet = av.Packet(b"".join(frames))
    packet.pts = packet.dts = 100
    packet.duration, packet.time_base = 480, Fraction(1, 8000)
    single = single_frames(packet, "amr_nb")
    assert [bytes(each) for each in single] == frames
    assert [(each.pts, each.duration) for each in single] == [(100, 160), (260, 160), (420, 160)]
    assert single_frames(packet, "aac") == [packet]


@pytest.mark.parametrize(("codec", "suffix"), [("adpcm_ms", ".mkv"), ("adpcm_ms", ".mp4")])
def test_sound_of_a_clip_that_was_stopped(tmp_path, monkeypatch, codec, suffix):
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "5")
    source = Clip(sounds=[Sound(codec=codec)], **PLAIN).make(tmp_path / "a.avi")
    copy(source, tmp_path / f"whole{suffix}", work={})
    target = tmp_path / f"b{suffix}"
    with pytest.raises(KeyboardInterrupt), VideoReader(source) as clip, VideoWriter(target, clip, work={}) as out:
        for number, frame in enumerate(clip):
            if number == 8:
                raise KeyboardInterrupt
            out.write(frame.pixels, frame)
    with VideoReader(source) as clip, VideoWriter(target, clip, work={}) as out:
        assert out.frames_before > 0
        for frame in clip.frames_from(out.begin_at):
            out.write(frame.pixels, frame)
    with av.open(str(target)) as a, av.open(str(tmp_path / f"whole{suffix}")) as b:
        assert [(p.stream.index, p.pts, bytes(p)) for p in a.demux()] == [(p.stream.index, p.pts, bytes(p)) for p in b.demux()]
