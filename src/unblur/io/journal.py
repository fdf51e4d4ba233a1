"""What is finished of a clip, kept beside its target, so that work of hours survives being stopped.

A clip is encoded in segments of a fixed number of frames, each by an encoder of its own, so that each begins with a key frame and refers
to no other. Two hidden files beside the target hold what is finished:

- the journal: every encoded packet, in the order of decoding. A segment counts once it is complete.
- the frame store: the restored frames of the segment that is being encoded, uncompressed in the encoder's pixel format. It is emptied when
  the journal holds the segment.

A run that is begun again copies the complete segments, encodes the stored frames and goes on with the frame after them. Both files are only
appended to, or emptied when the other holds what they held, so that a run that is stopped at any byte leaves at least what it found. A
record that was being written at that moment is found by its checksum and cut off.

    journal      JOURNAL · record(JSON: work) · record(JSON: start) · (record(packet) ... record(end of segment)) ...
    frame store  FRAMES · record(JSON: work) · (record(frame)) ...
    record       length (4 bytes) · CRC-32 (4 bytes) · body
    packet       b"P" · pts · dts · duration (8 bytes each) · 1 for a key frame · the packet's bytes
    end          b"E" · number of packets in the segment (4 bytes)
    frame        time in ticks of the source (8 bytes) · samples

Several processes may restore one clip, each segment in a journal of its own (`unblur.io.segment_writer`), of which `join_journals` makes the clip's.

The journal takes as much of the disk as the clip; the frame store up to one segment of uncompressed frames. Frames are stored every
`SAVE_EVERY` seconds or `PENDING` bytes, whichever comes first, so that short runs store none.
"""

import contextlib
import json
import os
import struct
import time
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from av.packet import Packet
from av.video.stream import VideoStream

from unblur.errors import OutputError
from unblur.io.whole import hidden_beside, open_hidden, written_whole

__all__ = ["FrameStore", "Journal", "difference", "frames_of", "join_journals", "journal_of", "segment_of", "work_of"]

JOURNAL = b"unblur journal 2\n"
FRAMES = b"unblur frames 1\n"
SAVE_EVERY = 5.0
"""Seconds of work after which finished frames are written to the frame store."""
PENDING = 64 << 20
"""Bytes of finished frames that wait in memory for the frame store, at most."""

_RECORD = struct.Struct("<II")
_PACKET = struct.Struct("<cqqq?")
_END = struct.Struct("<cI")
_TIME = struct.Struct("<q")
_SHORT = 32  # letters of a value that is named when it differs
_FARTHEST = 1 << 60  # ticks; no clip is as long
_LARGEST = 1 << 30  # bytes in a record; more is a damaged length


def journal_of(target: Path) -> Path:
    """Where the journal of a target lies."""
    return hidden_beside(target, "journal")


def frames_of(target: Path) -> Path:
    """Where the frame store of a target lies."""
    return hidden_beside(target, "frames")


def segment_of(target: Path, number: int) -> Path:
    """Where the journal of one segment lies, of a clip that several processes encode (`unblur.io.segment_writer`)."""
    return hidden_beside(target, f"segment-{number:06}")


def join_journals(target: Path, parts: Sequence[Path]) -> int:
    """Make the journal of a target of those of its segments, up to the first that is not there, damaged, or of other work.

    Decoding times continue over the segments as `unblur.io.segments` has them. A journal of the same work that holds as many frames stays as it is.

    Args:
        target: the file that the clip will be.
        parts: the journals of its segments, in order.

    Returns:
        The number of frames in the segments that were joined.

    Raises:
        OutputError: if the journal cannot be written.
    """
    first = _part_of(parts[0]) if parts else None
    if first is None:
        return 0
    usable = []
    for path in parts:
        part = _part_of(path)
        if part is None or difference(part.work, first.work) or part.start != first.start:
            break
        usable.append(path)
    frames = len(first.packets) * len(usable)
    if len(Journal(journal_of(target), work=first.work).pts) >= frames:
        return frames
    times = array("q")
    with written_whole(journal_of(target), overwrite=True) as partial, partial.open("wb") as file:
        file.write(JOURNAL + _packed(json.dumps(first.work).encode()) + _packed(json.dumps(first.start).encode()))
        for path in usable:
            part = _part_of(path)
            if part is None:
                raise OutputError(f"`{path}` has changed while it was read")
            written = len(times)
            times.extend(sorted(_PACKET.unpack_from(body)[1] for body in part.packets))
            for place, body in enumerate(part.packets, start=written):
                kind, pts, dts, duration, is_key = _PACKET.unpack_from(body)
                front = _PACKET.pack(kind, pts, times[place - first.delay] if written else dts, duration, is_key)
                file.write(_packed(front + body[_PACKET.size :]))
            file.write(_packed(_END.pack(b"E", len(part.packets))))
    return frames


def work_of(target: Path) -> dict[str, Any] | None:
    """The work that a target's journal or frame store was begun for; None if there is neither, or it cannot be read."""
    for path, magic in ((journal_of(target), JOURNAL), (frames_of(target), FRAMES)):
        with contextlib.suppress(OSError, ValueError), _reading(path) as file:
            if heads := _heads(file, magic, count=1):
                return heads[0]
    return None


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What of the work is not as before, in words; empty if it is the same work. `settings` are not compared."""
    said = []
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if key == "settings" or old == new:
            continue
        short = all(isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _SHORT) for value in (old, new))
        said.append(f"`{key}` was {old} and is {new}" if short else f"`{key}` is another")
    return ", ".join(said)


class Journal:
    """The encoded packets of one target.

    Args:
        path: of the file, see `journal_of`; it need not exist.
        work: what is done with what, as JSON has it; what lies under `settings` is for `work_of` alone. A journal of other work is replaced when
            the first packet is added.

    Attributes:
        other_work: of a journal that is to be replaced; None if there is none.
        other_frames: finished frames that it holds.
        is_senseless: whether there is a file that is not damaged and yet cannot be what this version has written; it counts for nothing.
        start: what a later run needs to know to go on; to be set before the first packet is added.
        pts: presentation times of the packets of all complete segments, in the order of decoding.
        delay: how many packets the decoding runs ahead of the presentation.
    """

    def __init__(self, path: Path, *, work: dict[str, Any]) -> None:
        self.path, self.work = path, work
        self.start: dict[str, Any] = {}
        self.pts: array[int] = array("q")
        self.delay = 0
        self.other_work: dict[str, Any] | None = None
        self.other_frames = 0
        self._end = 0  # of the last complete segment in the file, bytes
        self._in_segment = 0
        self._file: BinaryIO | None = None
        self.is_senseless = False
        try:
            with contextlib.suppress(FileNotFoundError), _reading(path) as file:
                self._load(file)
        except (struct.error, ValueError):
            self.is_senseless = True
            self._reset()

    def replay(self, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
        """The packets of all complete segments, in the order of decoding, as packets of `stream`."""
        if not self.pts:
            return
        with _reading(self.path) as file:
            _heads(file, JOURNAL, count=2)
            for _ in self.pts:
                while (body := _record(file)) is not None and body[:1] != b"P":
                    pass
                assert body is not None
                yield _unpacked(body, stream=stream)

    def add(self, packet: "Packet[VideoStream]") -> None:
        """Append a packet of the segment that is being encoded."""
        if self._file is None:
            self._file = _opened(self.path, self._end)
            if not self._end:
                _append(self._file, JOURNAL + _packed(json.dumps(self.work).encode()) + _packed(json.dumps(self.start).encode()))
        _append(self._file, _packed(_body(packet)))
        self._in_segment += 1

    def end_segment(self) -> None:
        """State that the segment is complete; when this returns, it is on the disk."""
        assert self._file is not None
        _append(self._file, _packed(_END.pack(b"E", self._in_segment)))
        os.fsync(self._file.fileno())
        self._end = self._file.tell()
        self._in_segment = 0

    @property
    def is_empty(self) -> bool:
        """Whether the file holds no complete segment."""
        return self._end == 0

    def start_anew(self) -> None:
        """Delete what there is."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._reset()

    def close(self, *, delete: bool = False) -> None:
        """Close the file; with `delete`, also delete it if this run has begun it. What other runs have left stays."""
        begun = self._file is not None
        _close(self._file)
        self._file = None
        if begun and delete:
            self.path.unlink(missing_ok=True)  # after it was closed: Windows deletes no open file

    def _reset(self) -> None:
        self.pts, self.start, self.delay = array("q"), {}, 0
        self._end = self._in_segment = 0

    def _load(self, file: BinaryIO) -> None:
        """Find the complete segments."""
        heads = _heads(file, JOURNAL, count=2)
        if heads is None:
            return
        work, self.start = heads
        if not (isinstance(self.start.get("first"), int) and isinstance(self.start.get("extradata"), str)):
            raise ValueError("start")
        segment: list[tuple[int, int]] = []
        last, decoded = -_FARTHEST, -_FARTHEST
        while (body := _record(file)) is not None:
            if body[:1] == b"P":
                _, pts, dts, duration, is_key = _PACKET.unpack_from(body)
                if not (last < pts < _FARTHEST and decoded < dts <= pts and duration >= 0 and (segment or is_key)):
                    raise ValueError("packet")
                segment.append((pts, dts))
                decoded = dts
                continue
            kind, count = _END.unpack(body)
            times = {pts for pts, _ in segment}
            if kind != b"E" or not count == len(segment) == len(times) > 0:
                raise ValueError("end of segment")
            if not self.pts:
                self.delay = sum(dts < min(times) for _, dts in segment)
            self.pts.extend(pts for pts, _ in segment)
            self._end, last = file.tell(), max(times)
            segment = []
        if difference(work, self.work):
            self.other_work, self.other_frames = work, len(self.pts)
            self._reset()
        if not self.pts:
            self.start = {}


@dataclass(frozen=True)
class _Part:
    """A journal of one complete segment: its head, its packets as they are in the file, and how many are decoded before the first frame is shown."""

    work: dict[str, Any]
    start: dict[str, Any]
    packets: list[bytes]
    delay: int


def _part_of(path: Path) -> _Part | None:
    """The journal of a segment; None if there is none that is whole."""
    with contextlib.suppress(OSError, ValueError, struct.error), _reading(path) as file:
        heads = _heads(file, JOURNAL, count=2)
        if heads is None:
            return None
        packets: list[bytes] = []
        while (body := _record(file)) is not None and body[:1] == b"P":
            packets.append(body)
        if body is None or not packets or _END.unpack(body) != (b"E", len(packets)):
            return None
        times = [_PACKET.unpack_from(packet)[1:3] for packet in packets]
        shown = min(pts for pts, _ in times)
        work = {key: value for key, value in heads[0].items() if key != "segment"}
        return _Part(work, heads[1], packets, sum(dts < shown for _, dts in times))
    return None


@dataclass(frozen=True)
class _Stored:
    time: int
    at: int  # of the samples in the file, bytes
    size: int
    end: int


class FrameStore:
    """The finished frames of the segment that is being encoded.

    Frames that cannot be written, as on a full disk, are not stored, and the work goes on without.

    Args:
        path: of the file, see `frames_of`; it need not exist.
        work: as for `Journal`.

    Attributes:
        other_work: as for `Journal`.
        other_frames: as for `Journal`.
        is_senseless: as for `Journal`.
    """

    def __init__(self, path: Path, *, work: dict[str, Any]) -> None:
        self.path, self.work = path, work
        self._file: BinaryIO | None = None
        self._stored: list[_Stored] = []
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._saved_at = time.monotonic()
        self._is_on_disk = self._is_full = False
        self.other_work: dict[str, Any] | None = None
        self.other_frames = 0
        self.is_senseless = False
        try:
            with contextlib.suppress(FileNotFoundError), _reading(path) as file:
                self._load(file)
        except (struct.error, ValueError):
            self.is_senseless = True
            self._stored = []

    @property
    def is_empty(self) -> bool:
        """Whether the file holds no frame."""
        return not self._is_on_disk

    def frames(self, *, after: int | None) -> Iterator[tuple[int, bytes]]:
        """Time and samples of the stored frames, in order; those up to the time `after` are in the journal already and left out.

        Those that the caller does not ask for are cut off with the next call of `add`.
        """
        stored, self._stored = self._stored, []
        if not stored:
            return
        with _reading(self.path) as file:
            for frame in stored:
                self._stored.append(frame)
                if after is None or frame.time > after:
                    file.seek(frame.at)
                    yield frame.time, file.read(frame.size)

    def drop_last(self) -> None:
        """Forget the frame that `frames` gave last, and all after it."""
        self._stored.pop()

    def add(self, time_of_frame: int, samples: bytes) -> None:
        """Store a frame, now or soon."""
        if self._is_full:
            return
        self._pending.append(_packed(_TIME.pack(time_of_frame) + samples))
        self._pending_bytes += len(samples)
        if time.monotonic() - self._saved_at >= SAVE_EVERY or self._pending_bytes >= PENDING:
            self.save()

    def save(self) -> None:
        """Write the frames that wait; when this returns, they are on the disk."""
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        self._saved_at = time.monotonic()
        if not pending or self._is_full:
            return
        try:
            if self._file is None:
                self._file = _opened(self.path, self._stored[-1].end if self._stored else 0)
                if not self._stored:
                    _append(self._file, FRAMES + _packed(json.dumps(self.work).encode()))
            for record in pending:
                _append(self._file, record)
            os.fsync(self._file.fileno())
            self._is_on_disk = True
        except OSError:
            self._is_full = True
            with contextlib.suppress(OSError):
                self.clear()

    def clear(self) -> None:
        """Empty the store, as the journal holds its frames."""
        self._pending, self._pending_bytes, self._stored = [], 0, []
        self._saved_at = time.monotonic()
        self.close()
        self._is_on_disk = False
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; it stays."""
        _close(self._file)
        self._file = None

    def _load(self, file: BinaryIO) -> None:
        heads = _heads(file, FRAMES, count=1)
        if heads is None:
            return
        while True:
            at = file.tell()
            body = _record(file)
            if body is None:
                break
            (when,) = _TIME.unpack_from(body)
            if not (self._stored[-1].time if self._stored else -_FARTHEST) < when < _FARTHEST:
                raise ValueError("frame")
            self._stored.append(_Stored(when, at + _RECORD.size + _TIME.size, len(body) - _TIME.size, file.tell()))
        if difference(heads[0], self.work):
            self.other_work, self.other_frames = heads[0], len(self._stored)
            self._stored = []
        self._is_on_disk = bool(self._stored)


def _append(file: BinaryIO, data: bytes) -> None:
    """Write at the end of an unbuffered file, all of it."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _opened(path: Path, end: int) -> BinaryIO:
    """Open a file to append after `end`; what is behind is cut off."""
    file = os.fdopen(open_hidden(path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)
    file.truncate(end)
    file.seek(end)
    return file


def _reading(path: Path) -> BinaryIO:
    return os.fdopen(open_hidden(path, os.O_RDONLY), "rb")


def _close(file: BinaryIO | None) -> None:
    if file is not None:
        with contextlib.suppress(OSError):  # a full disk; what was flushed before is whole
            file.close()


def _heads(file: BinaryIO, magic: bytes, *, count: int) -> list[dict[str, Any]] | None:
    """The JSON records at the beginning; None if they were not all written.

    Raises:
        ValueError: if this is another file, or they are no JSON objects.
    """
    begin = file.read(len(magic))
    if begin != magic:
        if magic.startswith(begin):
            return None
        raise ValueError("another file")
    heads = []
    for _ in range(count):
        body = _record(file)
        if body is None:
            return None
        try:
            head = json.loads(body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(head, dict):
            raise ValueError("no object")
        heads.append(head)
    return heads


def _body(packet: "Packet[VideoStream]") -> bytes:
    pts = packet.pts
    assert pts is not None
    dts = pts if packet.dts is None else packet.dts
    return _PACKET.pack(b"P", pts, dts, packet.duration or 0, packet.is_keyframe) + bytes(packet)


def _unpacked(body: bytes, *, stream: VideoStream) -> "Packet[VideoStream]":
    packet = cast("Packet[VideoStream]", Packet(body[_PACKET.size :]))
    packet.stream = stream
    _, packet.pts, packet.dts, packet.duration, packet.is_keyframe = _PACKET.unpack_from(body)
    return packet


def _packed(body: bytes) -> bytes:
    return _RECORD.pack(len(body), zlib.crc32(body)) + body


def _record(file: BinaryIO) -> bytes | None:
    """The next record, or None where the file ends, breaks off or is damaged."""
    front = file.read(_RECORD.size)
    if len(front) < _RECORD.size:
        return None
    length, checksum = _RECORD.unpack(front)
    body = file.read(length) if length <= _LARGEST else b""
    return body if len(body) == length and zlib.crc32(body) == checksum else None
