"""Dolby Vision of profile 8 is kept frame by frame, and its loss is said."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.sidedata.sidedata import Type
from clips import Clip, copy

from unblur.io.clip_info import side_data
from unblur.io.colour import Colour
from unblur.io.dolby_vision import is_writable, profile_of, record
from unblur.io.video import VideoReader

PQ, HLG = 16, 18
DISPLAY = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
SAID = "Dolby Vision metadata is not kept; players show the base layer"


def golomb(value: int) -> str:
    """An unsigned number as Exp-Golomb code (ITU-T H.265, 9.2)."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def checksum(data: bytes) -> bytes:
    """CRC-32 of MPEG-2."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value.to_bytes(4, "big")


def metadata(slope: int, *, profile: int = 1) -> bytes:
    """A unit of Dolby Vision metadata (RPU) whose three curves are lines of a slope, in 1/16 above 1."""
    fields = [
        f"{2:06b}{18:011b}{profile:04b}{0:04b}",
        "1",
        "0",
        "00",
        golomb(23),
        "01",
        "0",
        golomb(2),
        golomb(2),
        golomb(4),
        "0",
        "000",
        "0",
        "1",
    ]
    fields += ["0", "0", golomb(0), golomb(0), golomb(0)]  # no colours of a display, no earlier curves
    fields += [golomb(0) + f"{0:010b}{1023:010b}"] * 3 + [golomb(0), golomb(0)]
    coefficients = golomb(0) + f"{0:023b}" + golomb(1) + f"{slope << 19:023b}"
    fields += [golomb(0) + golomb(0) + "0" + coefficients] * 3
    bits = "".join(fields)
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    unit = b"\x19" + data + checksum(data) + b"\x80"
    escaped = bytearray()
    for byte in unit:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return b"\0\0\0\1\x7c\x01" + bytes(escaped)


def vision(path: Path, *, transfer: int, display: bool = True, profile: int = 1, without: tuple[int, ...] = ()) -> Path:
    """Write a clip of ten frames, each with metadata of its own but those in `without`."""
    clip = Clip(
        pts=range(0, 36000, 3600),
        time_base=Fraction(1, 90000),
        encoder="libx265",
        pixel_format="yuv420p10le",
        options={"preset": "ultrafast", "x265-params": "log-level=error:bframes=0:repeat-headers=1" + (f":{DISPLAY}" if display else "")},
        colour=(9, transfer, 9, 1),
    )
    with av.open(str(path), "w") as out:
        stream = clip._video(out)
        for number, packet in enumerate(clip._video_packets(stream)):
            changed = av.Packet(bytes(packet) + (b"" if number in without else metadata(number, profile=profile)))
            changed.stream, changed.pts, changed.dts, changed.time_base = stream, packet.pts, packet.dts, packet.time_base
            changed.is_keyframe = packet.is_keyframe
            out.mux(changed)
    return path


def curves(path: Path) -> list[bytes | None]:
    with av.open(str(path)) as container:
        return [side_data(frame, Type.DOVI_METADATA) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("transfer", "compatible"), [(PQ, 1), (HLG, 4)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_metadata_of_each_frame_is_kept(tmp_path, transfer, compatible, suffix):
    source, target = vision(tmp_path / "a.ts", transfer=transfer), tmp_path / f"b{suffix}"
    assert len(set(curves(source))) == 10
    assert VideoReader(source).info.dolby_profile == 8
    assert copy(source, target).notes == ()
    assert curves(target) == curves(source)
    said = record(VideoReader(source).info.colour, width=64, height=48, rate=Fraction(25))
    assert said[4] == compatible << 4
    assert target.read_bytes().count(said) == 1
    again = ".mov" if suffix == ".mov" else ".mkv"
    assert copy(target, tmp_path / f"c{again}").notes == ()  # from a container that has the record
    assert curves(tmp_path / f"c{again}") == curves(source)
    assert (tmp_path / f"c{again}").read_bytes().count(said) == 1


def test_a_frame_without_metadata_has_that_before_it(tmp_path):
    source = vision(tmp_path / "a.ts", transfer=HLG, without=(4, 5))
    found = curves(source)
    assert copy(source, tmp_path / "b.mp4").notes == ()
    assert curves(tmp_path / "b.mp4") == [*found[:4], found[3], found[3], *found[6:]]


def test_a_clip_that_was_stopped_gets_the_same_metadata(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "4")  # three encoders, one after the other
    source = vision(tmp_path / "a.ts", transfer=HLG)
    copy(source, tmp_path / "b.mp4")
    copy(source, tmp_path / "c.mp4")
    assert curves(tmp_path / "b.mp4") == curves(source)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()


@pytest.mark.parametrize(
    ("options", "how"),
    [({"codec": "h264"}, {}), ({"codec": "av1"}, {}), ({"quality": 100}, {}), ({}, {"display": False}), ({}, {"transfer": 1})],
    ids=["H.264", "AV1", "lossless", "no mastering display", "no HDR"],
)
def test_its_loss_is_said(tmp_path, options, how):
    source = vision(tmp_path / "a.ts", **({"transfer": PQ} | how))
    notes = copy(source, tmp_path / "b.mkv", **options).notes
    assert notes[0] == SAID
    assert curves(tmp_path / "b.mkv") == [None] * 10
    assert b"dvvC" not in (tmp_path / "b.mkv").read_bytes()


def test_record_by_hand():
    said = record(Colour(9, HLG, 9, 1), width=3840, height=2160, rate=Fraction(30))
    assert said == bytes([1, 0, 8 << 1, 7 << 3 | 0b101, 4 << 4]) + bytes(19)
    assert len(record(Colour(9, PQ, 9, 1), width=8192, height=8192, rate=Fraction(240))) == 24


def test_profiles_by_the_fields_of_the_metadata():
    def header(**places):
        fields = bytearray(24)
        for place, value in places.items():
            fields[int(place[1:])] = value
        return (8).to_bytes(8, "little") + bytes(fields)

    assert [profile_of(data) for data in (None, b"", bytes(100))] == [0, 0, 0]
    assert profile_of(header(p4=0, p10=1)) == 5
    assert profile_of(header(p4=1, p16=1)) == 8
    assert [profile_of(header(p4=1, p15=1, p13=depth)) for depth in (12, 8)] == [7, 4]
    assert profile_of(header(p4=2)) == 0
    assert not is_writable(7, Colour(9, PQ, 9, 1), has_mastering=True)
