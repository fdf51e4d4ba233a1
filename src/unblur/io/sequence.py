"""What an image sequence of AVIF or HEIF says of its frames: their times, and how often they are shown.

Source: ISO/IEC 14496-12, 8.3 (tracks), 8.6.1.2 (`stts`), 8.6.6 (`elst`); AVIF 1.1, 3 (image sequences); ISO/IEC 23008-12, 7.2 (`pict`, `auxi`).
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

from unblur.io.boxes import Box, boxes_of, first_of, parsed

__all__ = ["Sequence", "has_still", "sequence_of"]

MOST_FRAMES = 1 << 20
REPEATED = 1
"""Flag of an edit list."""


@dataclass(frozen=True)
class Sequence:
    """The frames of a file: seconds that each is shown, how often all are (0 for without end), and sentences on other tracks, which are not kept."""

    durations: tuple[Fraction, ...]
    plays: int
    notes: tuple[str, ...]


def has_still(data: bytes) -> bool:
    """Whether a file has a picture that is shown by viewers that show no sequence."""
    return first_of(data, b"meta", b"pitm") is not None


def sequence_of(data: bytes) -> Sequence | None:
    """Read the first track of pictures; None if there is none of more than one frame, or it is damaged."""
    body = first_of(data, b"moov")
    tracks = Box(b"moov", children=parsed(body)).all(b"trak") if body else []
    pictures = [track for track in tracks if _handler(track) == b"pict"]
    if not pictures:
        return None
    try:
        durations, plays = _durations(pictures[0]), _plays(pictures[0])
    except (struct.error, ZeroDivisionError):
        return None
    if len(durations) < 2:
        return None
    kinds = {_handler(track) for track in tracks}
    notes = ["its sound was not kept"] if b"soun" in kinds else []
    notes += ["its depth map was not kept"] if any(_is_depth(track) for track in tracks) else []
    others = sorted(kind.decode("latin-1") for kind in kinds - {b"pict", b"auxv", b"soun"})
    notes += [f"further tracks in it ({', '.join(others)}) were not kept"] if others else []
    return Sequence(durations, plays, tuple(notes))


def _handler(track: Box) -> bytes:
    found = track.child(b"mdia", b"hdlr")
    return found.body[8:12] if found is not None else b""


def _is_depth(track: Box) -> bool:
    described = track.child(b"mdia", b"minf", b"stbl", b"stsd")
    return _handler(track) == b"auxv" and described is not None and b"auxiliary:depth" in described.body


def _durations(track: Box) -> tuple[Fraction, ...]:
    head, times = track.child(b"mdia", b"mdhd"), track.child(b"mdia", b"minf", b"stbl", b"stts")
    if head is None or times is None:
        return ()
    (scale,) = struct.unpack_from(">I", head.body, 20 if head.body[:1] == b"\1" else 12)
    (entries,) = struct.unpack_from(">I", times.body, 4)
    found: list[Fraction] = []
    for entry in range(min(entries, len(times.body) // 8)):
        count, ticks = struct.unpack_from(">II", times.body, 8 + 8 * entry)
        found += [Fraction(ticks, scale)] * min(count, MOST_FRAMES - len(found))
    return tuple(found)


def _plays(track: Box) -> int:
    edits, head = track.child(b"edts"), track.child(b"tkhd")
    listed = next((content for kind, content, _ in boxes_of(edits.body) if kind == b"elst"), b"") if edits is not None else b""
    if not listed or head is None:
        return 0  # as browsers show it
    if not listed[3] & REPEATED:
        return 1
    (part,) = struct.unpack_from(">Q" if listed[0] else ">I", listed, 8)
    is_long = head.body[0] == 1
    (whole,) = struct.unpack_from(">Q" if is_long else ">I", head.body, 28 if is_long else 20)
    if whole == (1 << (64 if is_long else 32)) - 1:
        return 0
    return max(1, -(-whole // part))
