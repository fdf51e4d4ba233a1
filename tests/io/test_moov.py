from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import MILLISECOND, Clip, Sound, copy, number_of

from unblur.io.boxes import Box, parsed, places, read_box
from unblur.io.video import VideoReader, VideoWriter

KEYS = b"\0\0\0\x18mebx" + bytes(6) + b"\0\7\0\0\0\x08keys"
"""A sample entry as phones write it, with a table of keys, that refers to the seventh place of data."""

RTMD = b"\0\0\0\x10rtmd" + bytes(6) + b"\0\1"
"""A sample entry of Sony's cameras."""

FACES = [b"face %d" % i for i in range(4)]
"""Samples of timed metadata, a tenth of a second each."""

HANDLER = bytes(8) + b"meta" + bytes(12) + b"Core Media Metadata\0"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x:xmpmeta/>"
C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"manifest"
FREE_KEYS = [
    Box(b"hdlr", bytes(8) + b"mdta" + bytes(13)),
    Box(b"keys", bytes(4) + b"\0\0\0\1" + b"\0\0\0\x0emdtaprompt"),
    Box(b"ilst", b"\0\0\0\x1d\0\0\0\1" + b"\0\0\0\x15data\0\0\0\1\0\0\0\0hello"),
]
SPHERE = Box(b"sv3d", bytes(Box(b"svhd", bytes(5))) + bytes(Box(b"proj", bytes(Box(b"prhd", bytes(16))) + bytes(Box(b"equi", bytes(20))))))


def phone_clip(path: Path, *, entry: bytes = KEYS, samples: Sequence[bytes] = FACES, **more) -> Path:
    """Write a clip with a track of timed metadata that FFmpeg has no name for, and much else in its header."""
    plain = Clip(sounds=[Sound()], **more).make(path.with_stem("plain"))
    klv = Clip(data=True, time_base=Fraction(1, 90000), pts=range(0, 36000, 3600)).make(path.with_suffix(".ts"))
    with av.open(str(plain)) as source, av.open(str(klv)) as named, av.open(str(path), "w") as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in source.streams if s.type != "data"}
        data = out.add_stream_from_template(next(s for s in named.streams if s.type == "data"))
        data.time_base = MILLISECOND
        for i, sample in enumerate(samples):
            packet = av.Packet(sample)
            packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = data, 100 * i, 100 * i, 100, MILLISECOND
            out.mux(packet)
        for packet in source.demux(*[source.streams[i] for i in streams]):
            if packet.size:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    moov = read_box(path, b"moov")
    video, sound, faces = moov.all(b"trak")
    faces.child(b"mdia", b"minf", b"stbl", b"stsd").body = bytes(4) + b"\0\0\0\1" + entry
    faces.child(b"mdia", b"hdlr").body = HANDLER
    faces.children.insert(1, Box(b"tref", children=[Box(b"cdsc", b"\0\0\0\1\0\0\0\x63")]))
    sound.child(b"mdia").children.insert(1, Box(b"elng", bytes(4) + b"pt-BR\0"))
    described = video.child(b"mdia", b"minf", b"stbl", b"stsd")
    own = parsed(described.body[8:])[0]
    described.body = described.body[:8] + bytes(Box(own.kind, own.body + bytes(SPHERE)))
    video.children.append(Box(b"udta", children=[Box(b"vndr", b"lens")]))
    moov.children = [each for each in moov.children if each.kind != b"udta"]
    moov.children.append(Box(b"meta", b"".join(map(bytes, FREE_KEYS))))
    moov.children.append(Box(b"udta", children=[Box(b"XMP_", b"<x/>"), Box(b"\xa9xyz", b"\0\x12\x15\xc7+12.0000-034.0000/")]))
    moov.children.append(Box(b"gps ", b"here"))
    with path.open("r+b") as file:
        (place,) = (each for each in places(file) if each.kind == b"moov")
        file.truncate(place.begin)
        file.seek(place.begin)
        file.write(bytes(moov) + bytes(Box(b"uuid", XMP)) + bytes(Box(b"uuid", C2PA)))
    return path


@contextmanager
def header_of(path: Path) -> Iterator[Box]:
    """Give the header, to be changed; what follows it is behind it again afterwards."""
    with path.open("r+b") as file:
        (place,) = (each for each in places(file) if each.kind == b"moov")
        file.seek(place.body)
        moov = Box(b"moov", children=parsed(file.read(place.end - place.body)))
        rest = file.read()
        yield moov
        file.seek(place.begin)
        file.write(bytes(moov) + rest)
        file.truncate()


def top(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [place.kind for place in places(file)]


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_tracks_that_ffmpeg_has_no_name_for_are_carried_whole(tmp_path, suffix):
    source, target = phone_clip(tmp_path / "a.mov"), tmp_path / f"b{suffix}"
    out = copy(source, target)
    assert out.dropped_streams == ()
    _, sound, faces = read_box(target, b"moov").all(b"trak")
    assert faces.child(b"mdia", b"minf", b"stbl", b"stsd").body[8:] == KEYS.replace(b"\0\7", b"\0\1")
    assert faces.child(b"mdia", b"hdlr").body == HANDLER
    assert faces.child(b"tref", b"cdsc").body == b"\0\0\0\1"  # the track with number 99 is in neither file
    assert sound.child(b"mdia", b"elng").body == bytes(4) + b"pt-BR\0"
    with av.open(str(target)) as container:
        (stream,) = (s for s in container.streams if s.type == "data")
        found = [(p.pts * Fraction(p.time_base), bytes(p)) for p in container.demux(stream) if p.size]
    assert found == [(Fraction(i, 10), face) for i, face in enumerate(FACES)]


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_a_track_that_tells_the_timecode_among_other_things_is_carried_whole(tmp_path, suffix):
    """As in clips of Sony's cameras, of whose samples FFmpeg reads the timecode."""
    samples = [bytes(13) + bytes([16, 56, 7, number, 0]) + b"ISO 2500" for number in range(4)]
    source, target = phone_clip(tmp_path / "a.mov", entry=RTMD, samples=samples), tmp_path / f"b{suffix}"
    assert copy(source, target).dropped_streams == ()
    with av.open(str(source)) as a, av.open(str(target)) as b:
        for container in (a, b):
            (data,) = (s for s in container.streams if s.type == "data")
            assert data.metadata["timecode"] == "16:56:07:00"
        assert [bytes(packet) for packet in b.demux(data) if packet.size] == samples
    assert read_box(target, b"moov").all(b"trak")[2].child(b"mdia", b"minf", b"stbl", b"stsd").body[8:] == RTMD


@pytest.mark.parametrize("kind", [b"camm", b"gpmd", b"mett", b"CTMD", b"djmd"])
@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_timed_metadata_of_any_maker_is_carried(tmp_path, kind, suffix):
    entry = b"\0\0\0\x10" + kind + bytes(6) + b"\0\1"
    source, target = phone_clip(tmp_path / "a.mov", entry=entry), tmp_path / f"b{suffix}"
    assert copy(source, target).dropped_streams == ()
    data = read_box(target, b"moov").all(b"trak")[2]
    assert data.child(b"mdia", b"minf", b"stbl", b"stsd").body[8:] == entry
    assert data.child(b"mdia", b"hdlr").body == HANDLER
    with av.open(str(target)) as container:
        (stream,) = (s for s in container.streams if s.type == "data")
        found = [(packet.pts * Fraction(packet.time_base), bytes(packet)) for packet in container.demux(stream) if packet.size]
    assert found == [(Fraction(i, 10), face) for i, face in enumerate(FACES)]


def test_its_timecode_is_kept_where_it_is_not(tmp_path):
    source = phone_clip(tmp_path / "a.mov", entry=RTMD, samples=[bytes(13) + bytes([16, 56, 7, 0, 0])] * 4)
    out = copy(source, tmp_path / "b.mkv")
    assert any("data stream 2" in note and note.endswith("cannot be kept in `.mkv`; write to `.mov` to keep it") for note in out.notes)
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert container.streams.video[0].metadata["TIMECODE"] == "16:56:07:00"


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_data_without_times_which_ffmpeg_passes_over_is_said(tmp_path, suffix):
    """As in the track `fdsc` of GoPro cameras."""
    source = phone_clip(tmp_path / "a.mov")
    with header_of(source) as moov:
        moov.all(b"trak")[2].child(b"mdia", b"minf", b"stbl", b"stts").body = bytes(7) + b"\1" + b"\0\0\0\4" + bytes(4)
    target = tmp_path / f"b{suffix}"
    out = copy(source, target)
    assert out.dropped_streams == ("data stream 2",)
    assert "data stream 2 is not kept: all of it is at one time, and FFmpeg reads none of it" in out.notes
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


def length_of_film(path: Path) -> float:
    head = read_box(path, b"moov").child(b"mvhd").body
    assert head[0] == 0
    return int.from_bytes(head[16:20], "big") / int.from_bytes(head[12:16], "big")


@pytest.mark.parametrize("stated", [600, 0], ids=["shorter than its data", "unknown"])
def test_data_that_lasts_longer_does_not_make_the_film_longer(tmp_path, stated):
    """As in clips of GoPro's Karma."""
    source = phone_clip(tmp_path / "a.mov")
    with header_of(source) as moov:
        faces = moov.all(b"trak")[2]
        last = b"\0\0\0\1" + (2000).to_bytes(4, "big")  # of four samples, in milliseconds
        faces.child(b"mdia", b"minf", b"stbl", b"stts").body = bytes(7) + b"\2" + b"\0\0\0\3" + (100).to_bytes(4, "big") + last
        media, head = faces.child(b"mdia", b"mdhd"), moov.child(b"mvhd")
        media.body = media.body[:16] + (2300).to_bytes(4, "big") + media.body[20:]
        head.body = head.body[:12] + (1000).to_bytes(4, "big") + stated.to_bytes(4, "big") + head.body[20:]
    target = tmp_path / "b.mov"
    copy(source, target)
    length = read_box(target, b"moov").all(b"trak")[2].child(b"mdia", b"mdhd").body[16:20]
    assert int.from_bytes(length, "big") == 2300
    assert length_of_film(target) == pytest.approx(0.6 if stated else 2.3, abs=0.05)


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_what_the_header_says_is_carried(tmp_path, suffix):
    source, target = phone_clip(tmp_path / "a.mov"), tmp_path / f"b{suffix}"
    out = copy(source, target)
    moov = read_box(target, b"moov")
    assert moov.child(b"udta", b"XMP_").body == b"<x/>"
    assert moov.child(b"udta", b"\xa9xyz").body == b"\0\x12\x15\xc7+12.0000-034.0000/"
    assert moov.child(b"meta").body == b"".join(map(bytes, FREE_KEYS))
    video = moov.all(b"trak")[0]
    assert video.child(b"udta", b"vndr").body == b"lens"
    assert video.child(b"mdia", b"minf", b"stbl", b"stsd").body.count(bytes(SPHERE)) == 1
    with av.open(str(target)) as container:
        assert container.metadata["prompt"] == "hello"
    assert target.read_bytes().count(XMP) == 1
    assert C2PA not in target.read_bytes()
    assert set(out.notes) == {
        "`gps` in the header is not kept, since it tells places in the old file",
        "the proof of origin (C2PA) is not kept, since the pixels change",
    }


def test_other_containers_say_what_they_lose(tmp_path):
    out = copy(phone_clip(tmp_path / "a.mov"), tmp_path / "b.mkv")
    assert out.notes[0].startswith("data stream 2 cannot be kept in `.mkv`; write to `.mov` to keep it")
    assert "data in the file's header (`XMP_`, `gps`, `uuid`) cannot be kept in `.mkv`; write to `.mov` to keep it" in out.notes


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_header_stays_in_front_where_it_was(tmp_path, suffix):
    behind = Clip(sounds=[Sound()]).make(tmp_path / f"a{suffix}")
    front = Clip(sounds=[Sound()], container={"movflags": "faststart"}).make(tmp_path / f"c{suffix}")
    for source, order in ((behind, [b"mdat", b"moov"]), (front, [b"moov", b"mdat"])):
        target = source.with_stem(f"{source.stem}_out")
        copy(source, target)
        assert [kind for kind in top(target) if kind in (b"moov", b"mdat")] == order
        assert [number_of(frame.pixels) for frame in VideoReader(target)] == list(range(15))
        with av.open(str(source)) as a, av.open(str(target)) as b:
            assert [bytes(p) for p in a.demux(audio=0)] == [bytes(p) for p in b.demux(audio=0)]


GYRO = b"\0\0\7\xd0" + b"gyro" * 40 + b"8db42d694ccc418790edff439fe026bf"
"""What a maker of cameras writes behind the last box, and finds by the last bytes of the file."""


def with_more(path: Path, *data: bytes) -> Path:
    Clip(sounds=[Sound()]).make(path)
    with path.open("ab") as file:
        file.write(b"".join(data))
    return path


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_what_lies_behind_the_boxes_stays_there(tmp_path, suffix):
    maker = bytes(Box(b"inst", b"data of a maker"))
    source = with_more(tmp_path / "a.mp4", maker, bytes(Box(b"thum", b"blurry")), bytes(Box(b"free", b"nothing")), GYRO)
    assert copy(source, tmp_path / f"b{suffix}").notes == ("`thum` beside the header is not kept, since it shows the blurry picture",)
    data = (tmp_path / f"b{suffix}").read_bytes()
    assert data.endswith(maker + GYRO)
    assert [number_of(frame.pixels) for frame in VideoReader(tmp_path / f"b{suffix}")] == list(range(15))
    notes = copy(source, tmp_path / "b.mkv").notes
    assert notes == (
        "data in the file's header (`inst`, `thum`, `what is behind its end`) cannot be kept in `.mkv`; write to `.mov` to keep it",
    )


@pytest.mark.parametrize("behind", [bytes(99), b"\0\1\0\0mdatcut off"])
def test_nothing_and_what_is_cut_off_is_not_carried(tmp_path, behind):
    source = with_more(tmp_path / "a.mp4", behind)
    assert copy(source, tmp_path / "b.mp4").notes == ()
    assert top(tmp_path / "b.mp4")[-1] == b"moov"
    assert not (tmp_path / "b.mp4").read_bytes().endswith(behind)


def test_cover_in_quicktime(tmp_path):
    source = Clip(cover=True).make(tmp_path / "a.mp4")
    out = copy(source, tmp_path / "b.mov")
    assert out.notes == ()
    with av.open(str(source)) as a, av.open(str(tmp_path / "b.mov")) as b:
        assert bytes(next(b.demux(b.streams[1]))) == bytes(next(a.demux(a.streams[1])))


def test_boxes_round_trip():
    data = bytes(Box(b"moov", children=[Box(b"mvhd", b"1"), Box(b"trak", children=[Box(b"tkhd", b"22"), Box(b"udta")])]))
    (moov,) = parsed(data)
    assert bytes(moov) == data
    assert moov.child(b"trak", b"tkhd").body == b"22"
    assert moov.child(b"trak", b"mdia", b"hdlr") is None
    long = b"\0\0\0\1free" + (17).to_bytes(8, "big") + b"x"
    assert [each.body for each in parsed(long + b"\0\0\0\x09cut")] == [b"x"]


def test_a_clip_that_was_stopped_gets_the_same_header(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "5")
    source = phone_clip(tmp_path / "a.mov")
    copy(source, tmp_path / "whole.mov", work={})
    with pytest.raises(KeyboardInterrupt), VideoReader(source) as clip, VideoWriter(tmp_path / "b.mov", clip, work={}) as out:
        for number, frame in enumerate(clip):
            if number == 8:
                raise KeyboardInterrupt
            out.write(frame.pixels, frame)
    with VideoReader(source) as clip, VideoWriter(tmp_path / "b.mov", clip, work={}) as out:
        assert out.frames_before > 0
        for frame in clip.frames_from(out.begin_at):
            out.write(frame.pixels, frame)
    assert (tmp_path / "b.mov").read_bytes() == (tmp_path / "whole.mov").read_bytes()
