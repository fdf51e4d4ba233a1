"""What workers do: restore a file, or a segment of a clip, or join a clip of its segments."""

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unblur.cluster.schedule import Event, Frames, Note, Say, Work, unseen_message
from unblur.errors import UnblurError
from unblur.io import encoders
from unblur.io.animation import is_animation
from unblur.io.journal import join_journals, segment_of
from unblur.io.segment_writer import Segment, segments_of
from unblur.io.video import VideoReader
from unblur.restore.batch import Job, Options, result_is_there
from unblur.restore.memory import out_of_memory
from unblur.restore.networks import Chosen, Networks, Request
from unblur.restore.observer import Observer
from unblur.restore.report import Outcome, VideoReport
from unblur.restore.runner import Run

if TYPE_CHECKING:
    from unblur.restore.deblurrer import Deblurrer

__all__ = ["JoinWork", "RestoreWork", "SegmentWork", "absolute", "failed", "segments_in"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestoreWork(Work):
    """One file to restore.

    Attributes:
        job: the file, with absolute paths.
        options: how.
        request: of the networks.
        chosen: which network.
        existed: whether there was a result before the first attempt.
        mark: a file beside the result, or above it, which only a node that has that storage sees; None if the source proves as much.
    """

    job: Job
    options: Options
    request: Request
    chosen: Chosen
    existed: bool = False
    mark: Path | None = None

    def run(self, say: Say, *, attempt: int) -> Outcome:
        """Restore it; a failed outcome if that cannot be done."""
        job, began = self.job, time.monotonic()
        if unseen := self.unseen():
            return failed(job, unseen_message(unseen, what="inputs and results"))
        if self.is_finished(attempt):
            said = ("its worker was lost after it had finished",)
            return Outcome(
                job.source, "done", job.target, job.kind, int(job.kind == "photo"), warnings=said, scale=self.options.scale or 1.0
            )
        networks, loaded = _networks(self.request)
        networks.use(self.chosen, job)
        try:
            return Run(networks, options=self.options, observer=_Reporting(say), goes_on=False).one(job)
        except UnblurError as error:
            if _for_want_of_memory(error):
                raise MemoryError from error
            return replace(failed(job, str(error)), seconds=time.monotonic() - began)
        finally:
            for text in loaded.notes:
                say(Note(text))

    def unseen(self) -> Path | None:
        """What of the storage is not there on this node."""
        missing = next((path for path in (self.job.source, self.mark) if path is not None and not path.exists()), None)
        return missing.parent if missing is not None and missing == self.mark else missing

    def is_finished(self, attempt: int) -> bool:
        """Whether a worker that was lost had finished: results appear when they are whole."""
        return attempt > 1 and not self.existed and result_is_there(self.job)


@dataclass(frozen=True)
class SegmentWork(Work):
    """One segment of a clip to restore and encode.

    Attributes:
        clip: the work of the whole clip.
        segment: which one.
    """

    clip: RestoreWork
    segment: Segment

    def run(self, say: Say, *, attempt: int) -> VideoReport | None:
        """Restore the segment; None if that fails. The segment is then restored where the clip is joined, which raises the reason."""
        del attempt  # what an earlier one had finished is found
        job, options = self.clip.job, self.clip.options
        if self.clip.unseen():
            return None
        networks, _ = _networks(self.clip.request)
        networks.use(self.clip.chosen, job)
        try:
            return networks.for_job(job).segment(
                job.source,
                job.target,
                self.segment,
                strength=options.strength,
                temporal_fusion=options.temporal_fusion,
                interlaced=options.interlaced,
                codec=options.codec,
                file_quality=options.file_quality,
                progress=lambda done, total: say(Frames(done, total)),
            )
        except Exception as error:
            if _for_want_of_memory(error):
                raise MemoryError from error
            _LOG.debug("segment %d of `%s`", self.segment.number, job.source, exc_info=error)
            return None


@dataclass(frozen=True)
class JoinWork(RestoreWork):
    """A clip to join of its segments; what is missing of it, at least its end, is restored.

    Attributes:
        segments: how many there are.
    """

    segments: int = 0

    def run(self, say: Say, *, attempt: int) -> Outcome:
        parts = [segment_of(self.job.target, number) for number in range(self.segments)]
        try:
            joined = 0 if self.is_finished(attempt) else join_journals(self.job.target, parts)
        except UnblurError as error:
            return failed(self.job, str(error))

        def say_of_rest(event: Event) -> None:
            if isinstance(event, Frames):
                event = Frames(event.done - joined, None if event.total is None else event.total - joined)
            say(event)

        outcome = super().run(say_of_rest, attempt=attempt)
        if outcome.status == "done":
            for part in parts:
                part.unlink(missing_ok=True)
        return replace(outcome, resumed_after=0)


def segments_in(job: Job, options: Options, *, network: "Callable[[Job], Deblurrer]") -> list[Segment]:
    """The segments in which workers restore a clip; none where it is to be restored whole.

    Whole are animations, folders of frames and parts; clips of fewer than three segments; those whose times are not known without decoding, which may be
    damaged; and all of a recurrent network, whose state reaches back to the beginning of the shot.

    Args:
        job: the clip.
        options: how it is restored.
        network: gives its network; called for a clip that is long enough.
    """
    is_part = options.start > 0 or options.duration is not None
    if job.kind != "video" or job.frames or is_part or (job.target.exists() and not options.overwrite) or is_animation(job.source):
        return []
    try:
        with VideoReader(job.source, interlaced=options.interlaced) as reader:
            if (reader.frame_count or 0) <= 2 * int(encoders.KEY_EVERY):
                return []
            lead = network(job).overlap(temporal_fusion=options.temporal_fusion)
            times = None if lead is None else reader.times_of_packets()
    except UnblurError:  # said where it is restored
        return []
    segments = segments_of(times, lead=lead) if times is not None and lead is not None else []
    return segments if len(segments) > 1 else []


def absolute(job: Job) -> Job:
    """The same job wherever it is done."""
    return replace(job, source=job.source.absolute(), target=job.target.absolute(), frames=tuple(path.absolute() for path in job.frames))


class _Reporting(Observer):
    """Reports the frames of a file from a worker; what is to be known of it is in its outcome."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def progress(self, done: int, total: int | None) -> None:
        self._say(Frames(done, total))


class _Loaded(Observer):
    """Keeps what is to be known of the networks of this process."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def loaded(self, deblurrer: "Deblurrer") -> None:
        if deblurrer.setup.note:
            self.notes.append(deblurrer.setup.note)


@functools.lru_cache(maxsize=2)  # for photos, and for segments of clips
def _networks(request: Request) -> tuple[Networks, _Loaded]:
    """The networks of this process, loaded once for all of its units."""
    loaded = _Loaded()
    return Networks(request, observer=loaded), loaded


def _for_want_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, says that memory ran out."""
    return error is not None and (out_of_memory(error) or _for_want_of_memory(error.__cause__))


def failed(job: Job, message: str) -> Outcome:
    """The outcome of a file that cannot be restored."""
    return Outcome(job.source, "failed", None, job.kind, message=message)
