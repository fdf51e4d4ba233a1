"""Tags, flags and timecodes of clips: kept, or said."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from clips import Clip, Sound, copy, jpeg

from unblur.io.tags import kept_tags, lost_tags
from unblur.io.video import VideoReader

RATE = {"pts": range(15), "time_base": Fraction(1, 25)}


def remuxed(source: Path, target: Path, *, tags=None, of_streams=None, flags=None, covers=()) -> Path:
    """Write the streams of a clip again, with other tags and flags."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in opened.streams}
        out.metadata.update(tags or {})
        for index, more in (of_streams or {}).items():
            streams[index].metadata.update(more)
        for index, flag in (flags or {}).items():
            streams[index].disposition = flag
        for name in covers:
            out.add_attachment(name, "image/jpeg", jpeg())
        for packet in opened.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return target


def timecode(path: Path) -> str:
    return VideoReader(path).info.timecode


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".mp4"])
def test_timecode_that_the_file_says_is_kept(tmp_path, suffix):
    source = remuxed(Clip(**RATE).make(tmp_path / "plain.mov"), tmp_path / "a.mkv", tags={"timecode": "01:02:03:04"})
    with av.open(str(source)) as container:
        assert [key for stream in container.streams for key in stream.metadata if key.casefold() == "timecode"] == []
    assert copy(source, tmp_path / f"b{suffix}").notes == ()
    assert timecode(tmp_path / f"b{suffix}") == "01:02:03:04"


def test_timecode_of_mxf_is_kept(tmp_path):
    clip = Clip(encoder="mpeg2video", options={}, **RATE)
    source = tmp_path / "a.mxf"
    with av.open(str(source), "w") as out:
        stream = clip._video(out)
        stream.metadata["timecode"] = "02:00:00:00"
        out.mux(clip._video_packets(stream))
    with av.open(str(source)) as container:
        assert "timecode" not in container.streams.video[0].metadata
    copy(source, tmp_path / "b.mkv")
    assert timecode(tmp_path / "b.mkv") == "02:00:00:00"


@pytest.mark.parametrize("said", ["01:00:00;00", "none"])  # frames are dropped at 30000/1001 a second only
def test_timecode_that_quicktime_does_not_take_is_said(tmp_path, said):
    source = remuxed(Clip(**RATE).make(tmp_path / "plain.mov"), tmp_path / "a.mkv", tags={"timecode": said})
    notes = copy(source, tmp_path / "b.mov").notes
    assert notes == (f"the timecode {said} cannot be kept in `.mov`, which takes none of this form or at this rate",)
    assert copy(source, tmp_path / "b.mkv").notes == ()


def test_name_of_the_reel_is_kept(tmp_path):
    made = Clip(timecode="01:00:00:00", **RATE)
    with av.open(str(tmp_path / "a.mov"), "w") as out:
        stream = made._video(out)
        stream.metadata["reel_name"] = "REEL7"
        out.mux(made._video_packets(stream))
    assert copy(tmp_path / "a.mov", tmp_path / "b.mov").notes == ()
    with av.open(str(tmp_path / "b.mov")) as container:
        assert [stream.metadata["reel_name"] for stream in container.streams if "reel_name" in stream.metadata] == ["REEL7"]
        assert timecode(tmp_path / "b.mov") == "01:00:00:00"


def test_tags_of_streams_are_kept_or_named(tmp_path):
    plain = Clip(sounds=[Sound()]).make(tmp_path / "plain.mkv")
    mine = {0: {"MINE": "a", "title": "V"}, 1: {"SOURCE": "b", "BPS-eng": "7", "title": "Voice"}}
    source = remuxed(plain, tmp_path / "a.mkv", of_streams=mine)
    assert copy(source, tmp_path / "b.mkv").notes == ()
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert [container.streams[0].metadata["MINE"], container.streams[1].metadata["SOURCE"]] == ["a", "b"]
        assert "BPS-eng" not in container.streams[1].metadata
    assert copy(source, tmp_path / "b.mp4").notes == (
        "the tag(s) `MINE` of video stream 0 (h264, “V”) cannot be kept in `.mp4`",
        "the tag(s) `SOURCE` of audio stream 1 (aac, “Voice”) cannot be kept in `.mp4`",
    )


def test_flags_are_kept_or_named(tmp_path):
    plain = Clip(sounds=[Sound(), Sound()]).make(tmp_path / "plain.mkv")
    flags = {1: Disposition.comment, 2: Disposition.hearing_impaired | Disposition.default}
    source = remuxed(plain, tmp_path / "a.mkv", flags=flags)
    for suffix in (".mkv", ".mp4"):
        assert copy(source, tmp_path / f"b{suffix}").notes == ()
        with av.open(str(tmp_path / f"b{suffix}")) as container:
            assert [int(stream.disposition) & int(flag) for stream, flag in zip(container.streams.audio, flags.values(), strict=True)] == [
                int(flag) for flag in flags.values()
            ]
    assert copy(source, tmp_path / "b.mov").notes == (
        "the flag(s) `comment` of audio stream 1 (aac) cannot be kept in `.mov`",
        "the flag(s) `hearing_impaired` of audio stream 2 (aac) cannot be kept in `.mov`",
    )


def test_covers_keep_their_names(tmp_path):
    names = ["small_cover.jpg", "cover_land.jpg"]
    source = remuxed(Clip().make(tmp_path / "plain.mkv"), tmp_path / "a.mkv", covers=names)
    assert copy(source, tmp_path / "b.mkv").notes == ()
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert [stream.metadata["filename"] for stream in container.streams if "filename" in stream.metadata] == names


def test_what_is_written_anew_is_no_loss():
    tags = {"title": "A", "DURATION-eng": "0:01", "_STATISTICS_TAGS": "BPS", "encoder": "x", "handler_name": "y"}
    assert kept_tags(tags) == {"title": "A", "handler_name": "y"}
    assert lost_tags(tags, {"name": "A"}, of_stream=True) == []
    assert lost_tags(tags, {}) == ["title", "handler_name"]
