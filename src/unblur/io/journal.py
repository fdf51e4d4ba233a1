"""What has been encoded of a clip so far, kept beside its target, so that work of hours survives being stopped.

A target `clip.mp4` under way has a journal `.clip.mp4.journal`: a head that says of what, and every encoded packet in the
order in which it left the encoder. A work that is begun again replays the packets up to the last key frame and goes on from
there. What was being written when the power went is found by its checksum and cut off.

    head    MAGIC · record(JSON: of what) · record(JSON: start)
    record  length (4 bytes) · CRC-32 (4 bytes) · body
    packet  pts · dts · duration (8 bytes each) · 1 for a key frame · the packet's bytes

The journal costs the disk as much as the clip itself, and appears when a key frame follows some frames: short clips never have
one.
"""

import contextlib
import json
import os
import struct
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from av.packet import Packet
from av.video.stream import VideoStream

__all__ = ["Journal", "journal_of"]

MAGIC = b"unblur journal 1\n"
_FRAME = struct.Struct("<II")
_PACKET = struct.Struct("<qqq?")
_LARGEST = 1 << 30  # bytes in a record; more is a damaged length
_LEAST = 48  # packets between two points from which work can go on; where every frame is a key frame, not each is one


def journal_of(target: Path) -> Path:
    """Where the journal of a target lies."""
    return target.with_name(f".{target.name}.journal")


class Journal:
    """The packets of one target.

    Args:
        path: of the file, see `journal_of`; it need not exist.
        work: what is done with what, as JSON has it. A journal of other work counts for nothing and is replaced.

    Attributes:
        start: what the user of the journal needs to know to go on; to be set before the first packet is added.
        pts: presentation times of the packets that can be replayed, in the order of decoding.
        next_pts: time of the first frame that is still to be made; None if all are.
        delay: how many packets the decoding runs ahead of the showing.
    """

    def __init__(self, path: Path, *, work: dict[str, Any]) -> None:
        self.path, self.work = path, work
        self.start: dict[str, Any] = {}
        self.pts: array[int] = array("q")
        self.next_pts: int | None = None
        self.delay = 0
        self._end = 0  # of what can be replayed, bytes
        self._waiting: list[bytes] | None = []  # until there is a file
        self._since = 0  # packets since the last point from which work can go on
        self._file: BinaryIO | None = None
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            self._scan(file)

    def replay(self, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
        """The packets before `next_pts`, in the order of decoding, as packets of `stream`."""
        if self.next_pts is None:
            return
        with self.path.open("rb") as file:
            self._heads_of(file)
            for _ in self.pts:
                record = _record(file)
                assert record is not None
                yield _packet(record, stream=stream)

    def add(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet that leaves the encoder."""
        if packet.is_keyframe and self._since >= _LEAST:  # all before it can be replayed from now on
            self._secure()
            self._since = 0
        self._since += 1
        record = _packed(_body(packet))
        if self._waiting is not None:
            self._waiting.append(record)
        elif self._file is not None:
            self._file.write(record)

    def go_on(self) -> None:
        """Add from now on to what can be replayed."""
        self._waiting = None
        self._file = self.path.open("r+b")
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def start_anew(self) -> None:
        """Forget what was noted before."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.pts, self.next_pts, self.start = array("q"), None, {}
        self._end, self._since, self._waiting = 0, 0, []

    def close(self) -> None:
        """Close the file; it stays."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk; what was flushed before is whole
                self._file.close()
            self._file = None

    def _secure(self) -> None:
        if self._waiting is not None:
            self._file = self.path.open("wb")
            self._file.write(MAGIC + _packed(json.dumps(self.work).encode()) + _packed(json.dumps(self.start).encode()))
            self._file.writelines(self._waiting)
            self._waiting = None
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())

    def _heads_of(self, file: BinaryIO) -> tuple[Any, Any]:
        if file.read(len(MAGIC)) != MAGIC:
            return None, None
        heads = _record(file), _record(file)
        work, start = (None if head is None else json.loads(head) for head in heads)
        return work, start

    def _scan(self, file: BinaryIO) -> None:
        """Find the last key frame before which everything is there."""
        work, start = self._heads_of(file)
        if work != self.work or not isinstance(start, dict):
            return
        seen: array[int] = array("q")
        decoded: array[int] = array("q")
        cuts: list[tuple[int, int]] = []  # packets before a key frame, and where it begins in the file
        latest = None
        while True:
            at = file.tell()
            record = _record(file)
            if record is None:
                break
            pts, dts, _, key = _PACKET.unpack_from(record)
            while cuts and pts < seen[cuts[-1][0]]:
                cuts.pop()  # shown before a key frame, decoded after it
            if key and seen and pts > latest:
                cuts.append((len(seen), at))
            seen.append(pts)
            decoded.append(dts)
            latest = pts if latest is None else max(latest, pts)
        if not cuts:
            return
        count, self._end = cuts[-1]
        self.next_pts, self.start = seen[count], start
        self.pts = seen[:count]
        self.delay = sum(dts < min(self.pts) for dts in decoded[:count])


def _body(packet: "Packet[VideoStream]") -> bytes:
    pts = packet.pts
    assert pts is not None
    dts = pts if packet.dts is None else packet.dts
    return _PACKET.pack(pts, dts, packet.duration or 0, packet.is_keyframe) + bytes(packet)


def _packet(body: bytes, *, stream: VideoStream) -> "Packet[VideoStream]":
    packet = cast("Packet[VideoStream]", Packet(body[_PACKET.size :]))
    packet.stream = stream
    packet.pts, packet.dts, packet.duration, packet.is_keyframe = _PACKET.unpack_from(body)
    return packet


def _packed(body: bytes) -> bytes:
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def _record(file: BinaryIO) -> bytes | None:
    """The next record, or None where the file ends, breaks off or is damaged."""
    front = file.read(_FRAME.size)
    if len(front) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(front)
    body = file.read(length) if length <= _LARGEST else b""
    return body if len(body) == length and zlib.crc32(body) == checksum else None
