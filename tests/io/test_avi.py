"""Parts of AVI that FFmpeg does not read are named."""

import struct
from fractions import Fraction

import pytest
from clips import Clip, copy

from unblur.io.avi import unread_chunks


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def avi(path, *chunks):
    """A clip with more chunks behind its head."""
    clip = Clip(encoder="mjpeg", options={}, pixel_format="yuvj420p", time_base=Fraction(1, 25), pts=range(5), tags={"title": "Cat"})
    data = clip.make(path).read_bytes()
    size = struct.unpack_from("<I", data, 16)[0]
    at = 20 + size
    more = b"".join(chunks)
    riff = struct.pack("<I", struct.unpack_from("<I", data, 4)[0] + len(more))
    path.write_bytes(data[:4] + riff + data[8:at] + more + data[at:])
    return path


@pytest.mark.parametrize(
    ("chunks", "names"),
    [
        ((), []),
        ((chunk(b"JUNK", bytes(31)), chunk(b"JUNK", b"[an encoder]")), []),
        ((chunk(b"LIST", b"hydt" + chunk(b"hymn", b"a note")), chunk(b"_PMX", b"<x/>")), ["hydt", "_PMX"]),
        ((chunk(b"JUNK", b"OLYMDigital Camera"),), ["JUNK"]),
    ],
)
def test_what_makers_and_editors_add_is_named(tmp_path, chunks, names):
    source = avi(tmp_path / "a.avi", *chunks)
    assert unread_chunks(source) == names
    notes = [note for note in copy(source, tmp_path / "b.mkv").notes if "header" in note]
    listed = ", ".join(f"`{name}`" for name in names)
    assert notes == ([f"data in the file's header ({listed}) cannot be kept in `.mkv`"] if names else [])


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\xff\0\0\0WAVEfmt ", b"RIFF\xff\xff\xff\xffAVI LIST"])
def test_what_is_broken_or_none_has_nothing(tmp_path, data):
    (tmp_path / "a.avi").write_bytes(data)
    assert unread_chunks(tmp_path / "a.avi") == []
