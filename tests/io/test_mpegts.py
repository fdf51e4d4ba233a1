"""Names of channels in transport streams are told, since they are not kept."""

from fractions import Fraction

import pytest
from clips import Clip, copy

from unblur.io.mpegts import channels_of


def packet(section, *, number=0x11, before=b""):
    body = b"\0" + section if not before else before + b"\0" + section
    flags = 0x10 | (0x20 if before else 0)
    return (bytes((0x47, 0x40 | number >> 8, number & 0xFF, flags)) + body).ljust(188, b"\xff")


def services(*names):
    loop = b""
    for index, name in enumerate(names):
        body = b"\x01\x02me" + bytes((len(name),)) + name
        inner = b"\x53\x01x" + bytes((0x48, len(body))) + body
        loop += index.to_bytes(2, "big") + b"\xfc" + (0x8000 | len(inner)).to_bytes(2, "big") + inner
    body = b"\0\1\xc1\0\0\0\1\xff" + loop + b"sum!"
    return b"\x42" + (0xF000 | len(body)).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", []),
        (b"\x47" * 400, []),
        (packet(services(b"One", b"\x15Zwei \xc3\xbc")), ["One", "Zwei ü"]),
        (packet(services(b"\x05Tr\xeas"), before=b"\x03abc"), ["Três"]),
        (packet(services(b"One"), number=0x12), []),
        (b"".join(b"\0\0\0\0" + packet(services(b"One")) for _ in range(3)), ["One"]),
        (packet(services(b"One", b"Two" * 60))[:188], ["One"]),
        (packet(services(b"Service01")), []),
    ],
    ids=["empty", "rubbish", "two", "adaptation field", "another table", "Blu-ray", "longer than a packet", "of FFmpeg"],
)
def test_names_by_hand(tmp_path, data, names):
    (tmp_path / "a.ts").write_bytes(data)
    assert channels_of(tmp_path / "a.ts") == names


def test_the_name_of_a_channel_is_told(tmp_path):
    clip = Clip(pts=range(0, 36000, 3600), time_base=Fraction(1, 90000), tags={"service_name": "Chan"})
    source = clip.make(tmp_path / "a.ts")
    assert channels_of(source) == ["Chan"]
    assert "the names of its channels (`Chan`) are not kept" in copy(source, tmp_path / "b.mkv").notes
