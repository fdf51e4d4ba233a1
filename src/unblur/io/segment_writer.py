"""Encoding one segment of a clip, so that several processes encode a clip together.

A segment is encoded by an encoder of its own (`unblur.io.segments`), from nothing but its frames. So a process that has them writes the segment into a
journal of its own beside the target, and `unblur.io.journal.join_journals` makes the target's journal of the first of them. What writes the clip goes on from there
as after a run that was stopped.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

from unblur.errors import UnsupportedError
from unblur.io import encoders
from unblur.io.journal import Journal, segment_of
from unblur.io.video_reader import VideoReader
from unblur.io.video_writer import VideoWriter
from unblur.io.whole import written_whole

__all__ = ["Segment", "SegmentWriter", "segments_of"]


@dataclass(frozen=True)
class Segment:
    """The times of the frames of one segment, in ticks of the source.

    Attributes:
        number: of the segment in the clip, from 0 on.
        first: of the first frame of the clip.
        before: of the frames before the segment that must be seen to restore it.
        times: of the frames of the segment.
        following: of the frame after it.
    """

    number: int
    first: int
    before: tuple[int, ...]
    times: tuple[int, ...]
    following: int


def segments_of(times: Sequence[int], *, lead: int) -> list[Segment]:
    """The complete segments of a clip, without the last frame, which the writer of the clip must have.

    Args:
        times: of all frames, in order.
        lead: frames before each segment that must be seen.
    """
    length = int(encoders.KEY_EVERY)
    return [
        Segment(
            begin // length,
            times[0],
            tuple(times[max(begin - lead, 0) : begin]),
            tuple(times[begin : begin + length]),
            times[begin + length],
        )
        for begin in range(0, len(times) - length, length)
    ]


class SegmentWriter(VideoWriter):
    """Writes the packets of one segment into its journal, which appears when the block ends well and the segment is complete.

    Args:
        target: the file that the whole clip will be; the journal lies beside it (`unblur.io.journal.segment_of`).
        source: the reader from which the frames come.
        segment: which one.
        codec: as for `VideoWriter`.
        quality: as for `VideoWriter`.
        work: as for `VideoWriter`.

    Attributes:
        path: of the journal.

    Raises:
        UnsupportedError: if the clip has opacity, which stands beside the packets.
        OutputError: as for `VideoWriter`.
    """

    def __init__(
        self,
        target: Path,
        source: VideoReader,
        *,
        segment: Segment,
        codec: str | None = None,
        quality: float | None = None,
        work: dict[str, Any],
    ) -> None:
        super().__init__(target, source, codec=codec, quality=quality, verify=False, work=work)
        if self._work is None:
            raise UnsupportedError("a clip with opacity is not encoded in parts")
        self.path = segment_of(self.target, segment.number)
        self._segment = segment
        self._own = self._work | self._own_work() | {"segment": segment.number}

    @property
    def is_there(self) -> bool:
        """Whether an earlier run has written this segment."""
        return len(Journal(self.path, work=self._own).pts) == len(self._segment.times)

    @property
    def is_complete(self) -> bool:
        """Whether all frames of the segment were written."""
        return len(self.expected.pts) == len(self._segment.times)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with written_whole(self.path, overwrite=True, inputs=(self.info.path,)) as partial:
            self._journal = Journal(partial, work=self._own)
            try:
                with contextlib.ExitStack() as stack:
                    with self._said_plainly():
                        self._open_output(io.BytesIO(), stack)
                    yield
                    if not self.is_complete:
                        raise UnsupportedError(f"a segment of `{self.info.path}` has fewer frames than its packets promise")
                    with self._said_plainly():
                        self._encode_held(until=self._segment.following - self._shift)
            finally:
                self._journal.close()

    def _start(self, first: int) -> None:
        del first  # of the segment
        assert self._journal is not None
        self._shift = self._shift_from(self._segment.first)
        self._begin_encoding()
        assert self._encoder is not None
        self._journal.start = {"first": self._segment.first, "extradata": self._encoder.extradata}

    def _end_segment(self) -> None:
        assert self._encoder is not None
        assert self._journal is not None
        self._mux(self._encoder.end_segment())
        self._journal.end_segment()

    def _send(self, packet: "Packet[VideoStream]") -> None:
        """The packets are in the journal; the output is only there for its encoder."""
