"""`unblur.restore` of files and folders on a cluster: a unit is a file, or a segment of a long clip.

Which weights and which scale each file gets is chosen here, once, as on one machine; the workers do what they are asked. Sources and results are reached by
their paths, which must be the same on every node. What is finished of a clip lies beside the result, in journals (`unblur.io.journal`), from
which the next attempt or the next run goes on.
"""

import re
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from unblur.cluster.connect import connected
from unblur.cluster.results import HANG_AFTER
from unblur.cluster.schedule import Begun, Ended, Event, Frames, GivenUp, Lost, Note, Work, run
from unblur.cluster.work import JoinWork, RestoreWork, SegmentWork, absolute, failed, segments_in
from unblur.cluster.workers import RayWorkers
from unblur.errors import InputError
from unblur.io.segment_writer import Segment
from unblur.restore.batch import Folders, Job, Options, plan, what_remains
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.networks import Networks, Request
from unblur.restore.observer import Observer
from unblur.restore.precision import Precision
from unblur.restore.report import Outcome, Report, kept_input_note
from unblur.weights import is_name

__all__ = ["restore_files"]

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def restore_files(
    sources: Sequence[Path],
    target: Path | None = None,
    *,
    address: str,
    request: Request,
    options: Options,
    folders: Folders = "auto",
    hang_after: float = HANG_AFTER,
    observer: Observer | None = None,
) -> Report:
    """Restore files and folders on a cluster, going on past those that cannot be restored.

    Results are those of one machine of the same kind, byte for byte, with as many threads as a worker has.

    Args:
        sources: files and folders, on storage that all nodes have under the same path.
        target: as for `unblur.restore.batch.plan`.
        address: see `unblur.cluster.connect.connected`.
        request: of the networks; `threads` is the number of processors of each worker, 1 if None.
        options: what holds for every file.
        folders: as for `unblur.restore.batch.plan`.
        hang_after: seconds after which a unit that reports no frame is tried elsewhere.
        observer: as for `unblur.restore`, but `progress` counts the frames of all files, and `ends` comes in the order in which files are done.

    Raises:
        UnblurError: before the work, if there is nothing to restore, the first network cannot be loaded, something does not go with a cluster, or the
            cluster cannot be reached.
    """
    _refuse(sources, target, request)
    observer = observer or Observer()
    networks = Networks(request, observer=observer)
    jobs = list(plan(sources, target, folders=folders, takes_clips=lambda: networks.takes_clips))
    work = [job for job in jobs if isinstance(job, Job)]
    networks.choose(work, options=options, scale=options.scale)
    outcomes: dict[int, Outcome] = {}
    for place, job in enumerate(jobs):
        if isinstance(job, Outcome):
            outcomes[place] = job
            observer.ends(job)
    if work:
        networks.for_job(work[0])  # what is wrong with it is said before the work begins
        sent = replace(_elsewhere(request), threads=request.threads or 1)
        files = _Files(observer)
        with ExitStack() as stack:
            marks = stack.enter_context(_marks(work))
            with observer.preparing("connecting to the cluster"):
                stack.enter_context(connected(address))
                workers = RayWorkers(cpus=request.threads or 1, gpus=request.device != "cpu")
            for place, job in enumerate(jobs):
                if isinstance(job, Job):
                    segments = segments_in(job, options, network=networks.for_job)
                    asked = _in_one_precision(sent, networks.for_job(job)) if segments else sent
                    marked = marks.get(job.target)
                    whole = RestoreWork(absolute(job), options, asked, networks.chosen_for(job), job.target.exists(), marked)
                    files.add(place, whole, segments)
                    observer.begins(job)
            for unit, event in stack.enter_context(closing(run(files.works, workers, hang_after=hang_after))):
                ended = files.take(unit, event)
                if ended is not None:
                    place, outcome = ended
                    job = jobs[place]
                    outcomes[place] = replace(outcome, source=job.source, target=outcome.target and job.target)
                    observer.ends(outcomes[place])
    return Report(tuple(outcomes[place] for place in range(len(jobs))))


@dataclass
class _File:
    """What is known of a file while it is restored.

    Attributes:
        place: in the order of all files.
        job: the file.
        join: joins its segments; None if it has none.
        waiting: segments that are not done.
        frames: of the segments that are done.
        kept_input: sum over these frames, see `VideoReport`.
        began: when a worker began with it.
        lost: what has become of attempts, each a sentence.
    """

    place: int
    job: Job
    join: JoinWork | None = None
    waiting: int = 0
    frames: int = 0
    kept_input: float = 0.0
    began: float | None = None
    lost: list[str] = field(default_factory=list)


class _Files:
    """The units of all files, and what comes back of them.

    Args:
        observer: hears of notes, each once, and of the frames of all units together; a unit of which nothing was heard counts as the frames of a
            segment, or as one.

    Attributes:
        works: the units that are to be done.
    """

    def __init__(self, observer: Observer) -> None:
        self.works: deque[Work] = deque()
        self._observer = observer
        self._files: dict[int, _File] = {}  # by the identity of their units
        self._kept: list[Work] = []  # so that identities are not used again
        self._frames: dict[int, Frames] = {}
        self._said: set[str] = set()

    def add(self, place: int, work: RestoreWork, segments: Sequence[Segment]) -> None:
        """Add the units of a file.

        Args:
            place: of the file.
            work: to restore it whole.
            segments: in which it is restored, empty if whole.
        """
        file = _File(place, work.job)
        if not segments:
            self._add(work, file, frames=1)
            return
        file.waiting = len(segments)
        file.join = JoinWork(work.job, work.options, work.request, work.chosen, work.existed, work.mark, len(segments))
        for segment in segments:
            self._add(SegmentWork(work, segment), file, frames=len(segment.times))

    def _add(self, work: Work, file: _File, *, frames: int) -> None:
        self._kept.append(work)
        self._files[id(work)], self._frames[id(work)] = file, Frames(0, frames)
        self.works.append(work)

    def take(self, work: Work, event: Event) -> tuple[int, Outcome] | None:
        """Take what was reported of a unit; gives the place and outcome of a file that is done by it."""
        file = self._files[id(work)]
        if isinstance(event, Begun):
            file.began = time.monotonic() if file.began is None else file.began
        elif isinstance(event, Frames):
            self._count(work, event)
        elif isinstance(event, Note):
            self._note(event.text)
        elif isinstance(event, Lost):
            file.lost.append(f"it was tried again: {event.reason}")
            self._note(f"`{file.job.source}` is tried again: {event.reason}")
        elif isinstance(work, SegmentWork):
            self._count(work, Frames(len(work.segment.times), len(work.segment.times)))
            self._take_segment(file, event)
        elif isinstance(event, GivenUp):
            reasons = "; ".join(event.reasons)
            return file.place, failed(file.job, f"given up after {len(event.reasons)} attempts: {reasons}{what_remains(file.job)}")
        elif isinstance(event, Ended):
            expected = self._frames[id(work)].total or 1
            self._count(work, Frames(expected, expected))
            return file.place, self._outcome(file, event.result)
        return None

    def _take_segment(self, file: _File, event: Event) -> None:
        """Take the end of a segment, and join the clip after the last of them; what was given up is restored where the clip is joined."""
        if isinstance(event, Ended) and event.result is not None:
            file.frames += event.result.frames
            file.kept_input += event.result.kept_input * event.result.frames
        file.waiting -= 1
        if not file.waiting:
            assert file.join is not None
            self._add(file.join, file, frames=1)

    def _outcome(self, file: _File, outcome: Outcome) -> Outcome:
        said = list(file.lost)
        if file.join is None:
            return replace(outcome, warnings=(*outcome.warnings, *said))
        if file.kept_input:
            said.append(kept_input_note(file.kept_input / file.frames))
        seconds = outcome.seconds if file.began is None else time.monotonic() - file.began
        return replace(outcome, seconds=seconds, warnings=(*outcome.warnings, *said))

    def _count(self, work: Work, frames: Frames) -> None:
        self._frames[id(work)] = frames
        done = sum(each.done for each in self._frames.values())
        self._observer.progress(done, sum(max(each.total or 1, each.done) for each in self._frames.values()))

    def _note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._observer.note(text)


def _refuse(sources: Sequence[Path], target: Path | None, request: Request) -> None:
    """Refuse what does not go with a cluster."""
    if request.time_limit is not None:
        raise InputError("a time limit is kept by the speed of one machine; leave out `time_limit` (`--time-limit`) on a cluster")
    for path in (*sources, *([target] if target is not None else [])):
        if _URL.match(str(path)) and not path.exists():
            raise InputError(f"`{path}` is a URL; mount that storage under the same path on every node of the cluster, and give the path")


def _elsewhere(request: Request) -> Request:
    """The request with absolute paths of weights in files."""

    def whole(weights: str | Path | None) -> str | Path | None:
        is_file = weights is not None and weights != "auto" and not is_name(str(weights)) and Path(weights).exists()
        return Path(weights).absolute() if is_file and weights is not None else weights

    return replace(request, model=whole(request.model) or request.model, weights=whole(request.weights))


def _in_one_precision(request: Request, deblurrer: Deblurrer) -> Request:
    """The request with the precision that is taken here, so that all segments of a clip have the same."""
    return replace(request, precision=cast(Precision, deblurrer.setup.precision))


@contextmanager
def _marks(jobs: Sequence[Job]) -> Iterator[dict[Path, Path]]:
    """Hidden empty files by which workers see that they have the storage of the results; for each target that does not lie beside its source."""
    name = f".unblur-{secrets.token_hex(8)}"
    marks: dict[Path, Path] = {}
    for job in jobs:
        if job.target.parent != job.source.parent:
            folder = next(place for place in job.target.absolute().parents if place.is_dir())
            marks[job.target] = folder / name
    try:
        for mark in set(marks.values()):
            try:
                mark.touch()
            except OSError:  # the error of the file, or of all, is more to the point
                marks = {target: other for target, other in marks.items() if other != mark}
        yield marks
    finally:
        for mark in set(marks.values()):
            mark.unlink(missing_ok=True)
