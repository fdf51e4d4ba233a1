"""`unblur.restore` of files and folders on a cluster, a file a unit.

Which weights and which scale each file gets is chosen here, once, as on one machine; the workers do what they are asked. Sources and results are reached by
their paths, which must be the same on every node. A clip that a worker has begun is gone on with by the next, from its journal beside the
result (`unblur.io.journal`).
"""

import functools
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unblur.cluster.connect import connected
from unblur.cluster.schedule import Ended, Frames, GivenUp, Lost, Note, Say, Work, Workers, run
from unblur.cluster.workers import RayWorkers
from unblur.errors import InputError, UnblurError
from unblur.restore.batch import Folders, Job, Options, plan, result_is_there, what_remains
from unblur.restore.memory import out_of_memory
from unblur.restore.networks import Chosen, Networks, Request
from unblur.restore.observer import Observer
from unblur.restore.report import Outcome, Report
from unblur.restore.runner import Run
from unblur.weights import is_name

if TYPE_CHECKING:
    from unblur.restore.deblurrer import Deblurrer

__all__ = ["HANG_AFTER", "RestoreWork", "restore_files"]

HANG_AFTER = 1800.0
"""Seconds after which a unit that reports nothing is taken to hang."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


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
        unseen = next((path for path in (job.source, self.mark) if path is not None and not path.exists()), None)
        if unseen is not None:
            place = unseen if unseen == job.source else unseen.parent
            return _failed(
                job, f"a node does not see `{place}`: inputs and results must lie on storage that all nodes have under the same path"
            )
        if attempt > 1 and not self.existed and result_is_there(job):  # it appears when it is whole
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
            return replace(_failed(job, str(error)), seconds=time.monotonic() - began)
        finally:
            for text in loaded.notes:
                say(Note(text))


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
        with ExitStack() as stack:
            marks = stack.enter_context(_marks(work))
            with observer.preparing("connecting to the cluster"):
                stack.enter_context(connected(address))
                workers = RayWorkers(cpus=request.threads or 1, gpus=request.device != "cpu")
            units = {
                place: RestoreWork(absolute(job), options, sent, networks.chosen_for(job), job.target.exists(), marks.get(job.target))
                for place, job in enumerate(jobs)
                if isinstance(job, Job)
            }
            for place, outcome in _restored(units, workers, observer=_OfAll(observer, len(units)), hang_after=hang_after):
                job = jobs[place]
                outcomes[place] = replace(outcome, source=job.source, target=outcome.target and job.target)
                observer.ends(outcomes[place])
    return Report(tuple(outcomes[place] for place in range(len(jobs))))


def absolute(job: Job) -> Job:
    """The same job wherever it is done."""
    return replace(job, source=job.source.absolute(), target=job.target.absolute(), frames=tuple(path.absolute() for path in job.frames))


def _restored(
    units: Mapping[int, RestoreWork], workers: Workers[object], *, observer: "_OfAll", hang_after: float
) -> Iterator[tuple[int, Outcome]]:
    """The outcomes of units as they come, each with its place."""
    places = {id(unit): place for place, unit in units.items()}
    lost: dict[int, tuple[str, ...]] = {}
    for unit in units.values():
        observer.observer.begins(unit.job)
    with closing(run(units.values(), workers, hang_after=hang_after)) as events:
        for work, event in events:
            place = places[id(work)]
            job = units[place].job
            if isinstance(event, Frames):
                observer.progress(place, event)
            elif isinstance(event, Note):
                observer.note(event.text)
            elif isinstance(event, Lost):
                lost[place] = (*lost.get(place, ()), f"it was tried again: {event.reason}")
                observer.note(f"`{job.source}` is tried again: {event.reason}")
            elif isinstance(event, GivenUp):
                reasons = "; ".join(event.reasons)
                yield place, _failed(job, f"given up after {len(event.reasons)} attempts: {reasons}{what_remains(job)}")
            elif isinstance(event, Ended):
                outcome: Outcome = event.result
                observer.progress(place, Frames(max(outcome.frames, 1), max(outcome.frames, 1)))
                yield place, replace(outcome, warnings=(*outcome.warnings, *lost.get(place, ())))


class _OfAll:
    """Counts the frames of all units together, and says each note once.

    Args:
        observer: hears of it.
        units: how many there are; one that has not begun counts as one frame.
    """

    def __init__(self, observer: Observer, units: int) -> None:
        self.observer, self._units = observer, units
        self._frames: dict[int, Frames] = {}
        self._said: set[str] = set()

    def progress(self, place: int, frames: Frames) -> None:
        self._frames[place] = frames
        done = sum(each.done for each in self._frames.values())
        total = sum(max(each.total or 1, each.done) for each in self._frames.values()) + self._units - len(self._frames)
        self.observer.progress(done, total)

    def note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.observer.note(text)


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


@functools.lru_cache(maxsize=1)
def _networks(request: Request) -> tuple[Networks, _Loaded]:
    """The networks of this process, loaded once for all of its units."""
    loaded = _Loaded()
    return Networks(request, observer=loaded), loaded


def _for_want_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, says that memory ran out."""
    return error is not None and (out_of_memory(error) or _for_want_of_memory(error.__cause__))


def _failed(job: Job, message: str) -> Outcome:
    return Outcome(job.source, "failed", None, job.kind, message=message)


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
