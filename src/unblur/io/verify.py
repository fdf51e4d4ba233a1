"""Checking a written clip against what was to be written, by reading it again."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from unblur.errors import UnreadableError, VerifyError
from unblur.io.containers import chosen_video, exact, is_attached_picture, open_media
from unblur.io.streams import CopiedStream, shown_at

__all__ = ["Expected", "verify_video"]

REDO = "the output was discarded; please report this with the two file names"


@dataclass
class Expected:
    """What a written clip must hold.

    Attributes:
        width: of its frames.
        height: of its frames.
        time_base: seconds in a tick of `pts`.
        pts: the time of every frame, in presentation order.
        streams: the streams that were copied beside the video.
    """

    width: int
    height: int
    time_base: Fraction
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    streams: list[CopiedStream] = field(default_factory=list)


def verify_video(target: Path, expected: Expected, *, name: Path | None = None) -> None:
    """Read a written clip again and compare it with what was to be written.

    Compared are the size, the number of frames and the time of each, and for every copied stream its kind, the number of its
    packets, all of their bytes, and when it begins and ends. Only the first frame is decoded; the rest of the file is read once.

    Matroska has no times before zero and moves all streams by the same amount if one begins there; so one common shift is
    allowed. Its ticks are milliseconds, and times are compared to half a tick of the coarser of both files.

    Args:
        target: the written file.
        expected: what it must hold.
        name: how the file is called in messages, if not `target`.

    Raises:
        VerifyError: if anything differs.
    """
    shown = name or target
    try:
        with open_media(target) as container:
            _decode_one(container, expected, shown)
        with open_media(target) as container:  # anew, since sound may begin before what a seek to the start finds
            _verify(container, expected, shown)
    except UnreadableError as error:
        raise VerifyError(f"`{shown}` was written, but cannot be read again; {REDO}") from error
    except FFmpegError as error:
        raise VerifyError(f"`{shown}` was written, but breaks off when it is read again; {REDO}") from error


def _verify(container: InputContainer, expected: Expected, shown: Path) -> None:
    video = chosen_video(container)
    assert video is not None
    pairs = _matched(container, video, expected.streams, shown)
    found = {stream.index: CopiedStream(copied.label, copied.kind, copied.codec, _unit(stream)) for stream, copied in pairs}
    for stream, _ in pairs:
        if isinstance(stream, AttachmentStream):
            found[stream.index].digest.update(stream.data)
    pts = array("q")
    for packet in container.demux():
        if packet.size == 0:
            continue
        if packet.stream.index == video.index and packet.pts is not None:
            pts.append(packet.pts)
        elif packet.stream.index in found:
            found[packet.stream.index].add(packet, shown_at(packet))
    shift = _compare_times(sorted(pts), _unit(video), expected, shown)
    for stream, copied in pairs:
        _compare_stream(copied, found[stream.index], shift, shown)


def _decode_one(container: InputContainer, expected: Expected, shown: Path) -> None:
    video = chosen_video(container)
    if video is None:
        raise VerifyError(f"`{shown}` was written without its video; {REDO}")
    frame = next(container.decode(video), None)
    if frame is None or (frame.width, frame.height) != (expected.width, expected.height):
        raise VerifyError(f"`{shown}`: the first frame cannot be decoded as {expected.width}×{expected.height}; {REDO}")


def _matched(container: InputContainer, video: VideoStream, copied: list[CopiedStream], shown: Path) -> list[tuple[Stream, CopiedStream]]:
    """Pair the n-th copied stream of a kind with the n-th of that kind in the file; streams that the muxer adds come after them.

    MP4 has no track without a packet, such as a sound that is over before the part of the clip that is written.
    """
    by_kind: dict[str, list[Stream]] = {}
    for stream in container.streams:
        if stream.index != video.index:
            kind = "cover" if stream.type == "video" and is_attached_picture(stream) else stream.type
            by_kind.setdefault(kind, []).append(stream)
    wanted = Counter(each.kind for each in copied)
    lacking = {kind for kind, count in wanted.items() if len(by_kind.get(kind, [])) < count}
    copied = [each for each in copied if each.packets or each.kind not in lacking]
    pairs = []
    for each in copied:
        candidates = by_kind.get(each.kind, [])
        if not candidates:
            raise VerifyError(f"`{shown}` was written without {each.label}; {REDO}")
        pairs.append((candidates.pop(0), each))
    return pairs


def _compare_times(found: list[int], unit: Fraction, expected: Expected, shown: Path) -> Fraction:
    """Compare the times of all frames and give the shift that they have in common."""
    if len(found) != len(expected.pts):
        raise VerifyError(f"`{shown}` has {len(found)} frames instead of {len(expected.pts)}; {REDO}")
    shift = found[0] * unit - expected.pts[0] * expected.time_base
    # Ticks of both files as multiples of the same small unit, so that long lists are compared in whole numbers.
    common = Fraction(1, unit.denominator * expected.time_base.denominator)
    ours, theirs, offset = int(unit / common), int(expected.time_base / common), round(shift / common)
    tolerance = 0 if _is_multiple(expected.time_base, unit) else ours  # half a tick of rounding at the frame, half at the first
    for number, (have, want) in enumerate(zip(found, expected.pts, strict=True)):
        if abs(have * ours - want * theirs - offset) > tolerance:
            time = float(want * expected.time_base)
            raise VerifyError(f"`{shown}`: frame {number} is shown at {float(have * unit - shift):.6f} s instead of {time:.6f} s; {REDO}")
    return shift


def _compare_stream(want: CopiedStream, have: CopiedStream, shift: Fraction, shown: Path) -> None:
    recut = want.codec.startswith("pcm_")  # QuickTime cuts raw sound into packets of its own
    if not recut and have.packets != want.packets:
        raise VerifyError(f"`{shown}`: {want.label} has {have.packets} packets instead of {want.packets}; {REDO}")
    if want.kind != "video" and have.digest.digest() != want.digest.digest():
        raise VerifyError(f"`{shown}`: {want.label} has other bytes than the source; {REDO}")
    tolerance = want.time_base + have.time_base
    ends = [("begins", want.first, have.first), *([] if recut else [("ends", want.last, have.last)])]
    for what, wanted, there in ends:
        if want.kind != "cover" and wanted is not None and (there is None or abs(there - shift - wanted) > tolerance):
            raise VerifyError(f"`{shown}`: {want.label} {what} at another time than in the source; {REDO}")


def _is_multiple(coarse: Fraction, fine: Fraction) -> bool:
    return (coarse / fine).denominator == 1


def _unit(stream: Stream) -> Fraction:
    return exact(stream.time_base) or Fraction(1, 1_000_000)
