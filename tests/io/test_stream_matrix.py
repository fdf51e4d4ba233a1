"""Every kind of stream into every container: kept byte for byte, changed and said, left out and said, or refused. The page of formats has the table."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import MILLISECOND, Clip, Sound, copy

from unblur.errors import OutputError
from unblur.io.containers import exact
from unblur.io.encoders import CONTAINERS
from unblur.io.tags import TIMECODE_KEYS

PAGE = (Path(__file__).parents[2] / "docs/reference/formats.md").read_text(encoding="utf-8")
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")


COARSE = {
    ".avi": ("libx264", {"bf": "0", "x264-params": "log-level=error"}),
    ".rm": ("rv10", {}),
    ".vob": ("mpeg2video", {}),
}
"""Containers whose video has times of its rate, and the encoder for them."""


@dataclass
class Kind:
    """A stream of a kind, and the container of its source."""

    source: str = ".mkv"
    clip: Clip | None = None
    codec: str = ""
    packets: tuple[bytes, ...] = ()


def sound(codec: str, source: str, rate: int = 48000) -> Kind:
    clip = Clip(sounds=[Sound(codec=codec, rate=rate)])
    if source in COARSE:
        clip.pts, clip.time_base = range(15), Fraction(1, 25)
        clip.encoder, clip.options = COARSE[source]
    return Kind(source, clip)


KINDS = {
    "AAC": sound("aac", ".mp4"),
    "MP3": sound("mp3", ".mkv"),
    "MP2": sound("mp2", ".ts"),
    "AC-3": sound("ac3", ".mkv"),
    "E-AC-3": sound("eac3", ".mkv"),
    "Opus": sound("libopus", ".mkv"),
    "FLAC": sound("flac", ".mkv"),
    "ALAC": sound("alac", ".mov"),
    "PCM, 16 bit": sound("pcm_s16le", ".mkv"),
    "PCM, 24 bit, of QuickTime": sound("pcm_s24be", ".mov"),
    "PCM, floats": sound("pcm_f32le", ".mkv"),
    "WavPack": sound("wavpack", ".mkv"),
    "A-law": sound("pcm_alaw", ".avi", 8000),
    "µ-law": sound("pcm_mulaw", ".avi", 8000),
    "ADPCM (Microsoft)": sound("adpcm_ms", ".avi"),
    "ADPCM (IMA, WAV)": sound("adpcm_ima_wav", ".avi"),
    "Windows Media Audio": sound("wmav2", ".wmv", 44100),
    "AMR": sound("libopencore_amrnb", ".3gp", 8000),
    "Nellymoser": sound("nellymoser", ".flv", 44100),
    "LPCM of Blu-ray": sound("pcm_bluray", ".m2ts"),
    "LPCM of DVD": sound("pcm_dvd", ".vob"),
    "RealAudio 1": sound("real_144", ".rm", 8000),
    "subtitles: SubRip": Kind(".mkv", Clip(subtitles="subrip")),
    "subtitles: ASS": Kind(".mkv", codec="ass", packets=(b"0,0,Default,,0,0,0,,one", b"1,0,Default,,0,0,0,,two")),
    "subtitles: WebVTT": Kind(".mkv", codec="webvtt", packets=(b"one", b"two")),
    "subtitles: timed text": Kind(".mp4", Clip(subtitles="mov_text")),
    "subtitles: pictures of Blu-ray": Kind(".mkv", codec="hdmv_pgs_subtitle", packets=(b"\x16\0\x02ab", b"\x80\0\0")),
    "subtitles: pictures of DVD": Kind(".mkv", codec="dvd_subtitle", packets=(b"\0\x08ab\0\x04cd", b"\0\x08ef\0\x04gh")),
    "subtitles: pictures of DVB": Kind(".mkv", codec="dvb_subtitle", packets=(b"\x0f\x10ab", b"\x0f\x10cd")),
    "data: KLV": Kind(".ts", Clip(data=True, time_base=Fraction(1, 90000), pts=range(0, 36000, 3600))),
    "attachments": Kind(".mkv", Clip(attachment=True)),
    "cover": Kind(".mp4", Clip(cover=True)),
}

OF_THE_FILE = {
    "chapters": Kind(".mkv", Clip(chapters=True)),
    "timecode": Kind(".mov", Clip(timecode="01:00:00:00")),
    "tags": Kind(".mkv", Clip(tags={"title": "Cat", "mine": "yours"})),
}
"""What is no stream by itself, or is one that the muxer makes."""


def make(kind: Kind, path: Path) -> Path:
    if kind.clip is not None:
        return kind.clip.make(path)
    plain = Clip().make(path.with_stem("plain"))
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0], opaque=True)
        stream = out.add_mux_stream(kind.codec)
        stream.time_base = MILLISECOND
        for number, data in enumerate(kind.packets):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = stream, 100 * number, 100 * number, 90, MILLISECOND
            out.mux(packet)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
    return path


def contents(path: Path) -> list[bytes]:
    """What each stream but the video holds."""
    with av.open(str(path)) as container:
        video = next(s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic)
        found = {s.index: [getattr(s, "data", b"")] for s in container.streams if s.index != video.index}
        texts = {s.index for s in container.streams if s.codec_context is not None and s.codec_context.name == "mov_text"}
        for packet in container.demux():
            if packet.stream.index in found and packet.size and not (packet.stream.index in texts and bytes(packet)[:2] == b"\0\0"):
                found[packet.stream.index].append(bytes(packet))
    return [b"".join(data) for data in found.values()]


def samples(path: Path) -> bytes:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="dbl", layout="mono")
        return b"".join(out.to_ndarray().tobytes() for frame in container.decode(audio=0) for out in resampler.resample(frame))


def outcome(kind: Kind, folder: Path, suffix: str) -> str:
    source, target = make(kind, folder / f"a{kind.source}"), folder / f"b{suffix}"
    with av.open(str(source)) as container:
        (stream,) = (s for s in container.streams if s.type != "video" or s.disposition & av.stream.Disposition.attached_pic)
        words = f"{'cover picture' if stream.type == 'video' else stream.type} stream {stream.index}"
        assert exact(stream.time_base) or stream.type == "attachment"
    refusal = ""
    try:
        out = copy(source, target)
    except OutputError as error:
        refusal = str(error)
    if refusal:
        assert words in refusal
        assert "is not written without its sound" in refusal  # and not what is found when it is verified
        assert not target.exists()
        return "refused"
    said = [note for note in out.notes if words in note]
    if contents(target) == contents(source):
        assert not said
        return "kept"
    assert len(said) == 1  # no cell is lost unsaid
    if contents(target) in ([], [b""]):
        assert out.dropped_streams
        return "named"
    assert out.dropped_streams == ()
    assert samples(target) == samples(source)
    return "PCM"


def said_by(path: Path) -> object:
    """What a file says besides its streams."""
    with av.open(str(path)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items() if key.lower() in ("title", "mine")}
        chapters = [(each["start"] * each["time_base"], each["metadata"].get("title")) for each in container.chapters()]
        return tags, chapters, next((value for key, value in container.streams.video[0].metadata.items() if key in TIMECODE_KEYS), "")


def outcome_of_file(kind: Kind, folder: Path, suffix: str) -> str:
    source, target = make(kind, folder / f"a{kind.source}"), folder / f"b{suffix}"
    notes = copy(source, target).notes
    if said_by(target) == said_by(source):
        return "kept"
    assert len([note for note in notes if "kept" in note]) == 1  # no cell is lost unsaid
    return "named"


def table() -> dict[str, list[str]]:
    part = PAGE.partition("### Streams beside the video")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|(?!-).*\|$", part, flags=re.MULTILINE)]
    assert rows[0][1:] == [f"`{suffix}`" for suffix in SUFFIXES]
    return {row[0]: row[1:] for row in rows[1:]}


@pytest.mark.parametrize("name", [*KINDS, *OF_THE_FILE])
def test_nothing_is_lost_unsaid(tmp_path, name):
    found = []
    for suffix in SUFFIXES:
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        found.append(outcome(KINDS[name], folder, suffix) if name in KINDS else outcome_of_file(OF_THE_FILE[name], folder, suffix))
    assert found == table()[name]


def test_the_table_has_no_other_rows():
    assert table().keys() == {*KINDS, *OF_THE_FILE}


def test_the_table_has_every_container_that_is_written():
    assert {CONTAINERS[suffix] for suffix in SUFFIXES} == set(CONTAINERS.values())
