"""Runs a request: files one after the other, or one picture in memory, each with the network that is chosen for it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from torch import Tensor

from unblur.errors import InputError, UnblurError
from unblur.io.kind import kind_of
from unblur.restore.batch import Folders, Job, Options, failure, plan, restore_job, result_exists, result_is_there
from unblur.restore.networks import Networks, Request
from unblur.restore.observer import Observer
from unblur.restore.report import Outcome, Report, kept_input_note

__all__ = ["Run", "is_picture", "pixels_in", "restore_file", "restore_files", "restore_picture"]


def is_picture(source: object) -> bool:
    """Whether this is a picture in memory."""
    return isinstance(source, np.ndarray | PillowImage.Image | Tensor)


def pixels_in(picture: Any) -> int:  # noqa: ANN401 - of any kind
    """Pixels of the largest picture that this may be; what is no picture is refused later."""
    if isinstance(picture, PillowImage.Image):
        return prod(picture.size)
    sides = getattr(picture, "shape", ())
    return int(prod(sides[-2:] if isinstance(picture, Tensor) else sides[:2]))


def restore_picture(picture: Any, *, request: Request, options: Options, observer: Observer | None = None) -> Report:  # noqa: ANN401
    """Restore a picture in memory.

    Raises:
        UnblurError: if it cannot be restored.
    """
    began = time.monotonic()
    networks = Networks(request, observer=observer)
    if request.time_limit is not None:
        networks.choose_within({"photo": float(pixels_in(picture))}, fuses=False)
    choice = networks.choice_for_photo(pixels_in(picture), scale=options.scale)
    deblurrer = networks.for_photo(choice)
    done = deblurrer.photo_report(picture, strength=options.strength, scale=choice.scale)
    warnings = [choice.note()] if choice.note() else []
    if done.skipped_sharp:
        warnings.append("it is sharp, and was left as it is")
    if done.kept_input:
        warnings.append(kept_input_note(done.kept_input))
    seconds = time.monotonic() - began
    outcome = Outcome(
        None, "done", kind="photo", frames=1, seconds=seconds, warnings=tuple(warnings), model=deblurrer.model, scale=choice.scale
    )
    return Report((outcome,), picture=done.picture)


def restore_file(
    source: Path, target: Path | None, *, request: Request, options: Options, folders: Folders = "auto", observer: Observer | None = None
) -> Report:
    """Restore one file, or all files of a folder.

    Raises:
        UnblurError: if the file cannot be restored, or nothing in the folder is a photo or a video. A file of a folder that cannot be restored is a
            failed outcome of the report.
    """
    is_folder = kind_of(source) == "folder"
    observer = observer or Observer()
    networks = Networks(request, observer=observer)
    run = Run(networks, options=options, observer=observer, goes_on=is_folder)
    report = run.all(list(plan([source], target, folders=folders, takes_clips=lambda: networks.takes_clips)))
    if is_folder and all(outcome.status == "failed" and outcome.source == source for outcome in report.outcomes):
        raise InputError("; ".join(outcome.message for outcome in report.outcomes))
    return report


def restore_files(
    sources: Sequence[Path],
    target: Path | None,
    *,
    request: Request,
    options: Options,
    folders: Folders = "auto",
    observer: Observer | None = None,
) -> Report:
    """Restore files and folders one after the other, going on past those that cannot be restored.

    Raises:
        UnblurError: before the work, if there is nothing to restore or the first network cannot be loaded.
    """
    observer = observer or Observer()
    networks = Networks(request, observer=observer)
    jobs = list(plan(sources, target, folders=folders, takes_clips=lambda: networks.takes_clips))
    return Run(networks, options=options, observer=observer, goes_on=True).all(jobs)


class Run:
    """Restores files one after the other.

    Args:
        networks: loads and chooses them.
        options: what holds for every file.
        observer: hears of each file.
        goes_on: whether what cannot be restored is a failed outcome, and not an error.
    """

    def __init__(self, networks: Networks, *, options: Options, observer: Observer, goes_on: bool) -> None:
        self._networks, self._options, self._observer, self._goes_on = networks, options, observer, goes_on

    def all(self, jobs: Sequence[Job | Outcome]) -> Report:
        """Restore all files; what needs no network is found before one is loaded."""
        jobs = [self._refused(job) or job if isinstance(job, Job) else job for job in jobs]
        work = [job for job in jobs if isinstance(job, Job)]
        self._networks.choose(work, options=self._options, scale=self._options.scale)
        if work:
            self._networks.for_job(work[0])  # what is wrong with it is said before the work begins
        outcomes = []
        for job in jobs:
            outcomes.append(self.one(job) if isinstance(job, Job) else self._planned(job))
            self._observer.ends(outcomes[-1])
        return Report(tuple(outcomes))

    def _refused(self, job: Job) -> Outcome | None:
        """The failure of a single file whose result is there; what cannot be looked at is found when its turn comes."""
        if self._options.overwrite or job.in_batch:
            return None
        try:
            there = result_is_there(job)
        except OSError:
            return None
        return self._failed(job, result_exists(job), seconds=0.0) if there else None

    def _planned(self, outcome: Outcome) -> Outcome:
        if outcome.status == "failed" and not self._goes_on:
            raise InputError(outcome.message)
        return outcome

    def one(self, job: Job) -> Outcome:
        """Restore one file, with the network that was chosen for it.

        Raises:
            UnblurError: if it cannot be restored, and the run does not go on past that.
        """
        self._observer.begins(job)
        began = time.monotonic()
        try:
            deblurrer = self._networks.for_job(job)
        except UnblurError as error:
            return self._failed(job, error, seconds=0.0)
        photo = self._networks.photo_choice_of(job)
        options = replace(self._options, scale=photo.scale) if photo else self._options
        try:
            outcome = restore_job(deblurrer, job, options=options, progress=self._observer.progress, notify=self._observer.note)
        except Exception as error:
            if not self._goes_on:
                raise failure(error, job) from error
            return self._failed(job, failure(error, job), seconds=time.monotonic() - began, note=photo.note() if photo else "")
        note = photo.note() if photo else ""
        return replace(outcome, warnings=(*outcome.warnings, note)) if note else outcome

    def _failed(self, job: Job, error: UnblurError, *, seconds: float, note: str = "") -> Outcome:
        if not self._goes_on:
            raise error
        return Outcome(job.source, "failed", None, job.kind, seconds=seconds, message=str(error), warnings=(note,) if note else ())
