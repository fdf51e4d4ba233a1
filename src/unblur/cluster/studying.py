"""`unblur ablate` on a cluster: a unit is the training of a row by one seed, and its measuring.

Each training has its own folder, as on one machine, from whose last checkpoint the next attempt or the next command goes on; photos are made into pairs for each training anew, in a folder that is
removed after it, since a pool of pairs follows one training only. Pairs depend on the seed and the step alone, so that results are those of one machine.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unblur.bench.ablate import Study, StudyRow, Trained, called, folder_of
from unblur.bench.datasets import DataSet
from unblur.bench.rows import read_rows
from unblur.bench.run import open_run
from unblur.cluster.measuring import Asked, MeasureWork, absolute, take_part
from unblur.cluster.results import HANG_AFTER, results_of
from unblur.cluster.schedule import Frames, Say, Work, unseen_message
from unblur.errors import InputError, UnblurError
from unblur.metrics import Protocol
from unblur.restore.precision import Device, Precision
from unblur.training.budget import train_within
from unblur.training.recipe import Recipe

__all__ = ["StudyWork", "Training", "study_on_cluster"]

_PERCENT = 100


@dataclass(frozen=True)
class Training:
    """How all rows are trained; see `train_within`.

    Attributes:
        steps: of each, None for those of the recipe, or where `minutes` are given.
        minutes: for each.
        photos: sharp pictures, where samples are made of them.
        data: folders of data sets, where samples are read.
        cpu: train on the processor even if there is a GPU.
        threads: processors of each training.
    """

    steps: int | None = None
    minutes: float | None = None
    photos: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    cpu: bool = False
    threads: int = 1


@dataclass(frozen=True)
class StudyWork(Work):
    """A row, trained by a seed and measured.

    Attributes:
        recipe: of the training.
        training: how.
        measure: what is measured then, and of which run.
    """

    recipe: Recipe
    training: Training
    measure: MeasureWork

    @property
    def out(self) -> Path:
        """Folder of the training."""
        return Path(self.measure.path)

    def run(self, say: Say, *, attempt: int) -> Trained | UnblurError:
        """Train and measure; gives what is wrong with the recipe or the data."""
        run, training = self.measure.run_folder, self.training
        if not run.is_dir():
            return InputError(unseen_message(run, what="data and run"))
        torch.set_num_threads(training.threads)
        pool = run / "samples" / self.out.name
        try:
            budget = train_within(
                self.recipe,
                out=self.out,
                steps=training.steps,
                minutes=training.minutes,
                photos=training.photos,
                data=training.data,
                pool=pool,
                cpu=training.cpu,
                progress=lambda step, last: say(Frames(step, last)),
            )
        except UnblurError as error:
            return error
        shutil.rmtree(pool, ignore_errors=True)
        wrong = self.measure.run(lambda _: say(Frames(budget.steps, budget.steps)), attempt=attempt)
        return wrong or Trained(self.out, budget.steps, budget.seconds)


def study_on_cluster(
    study: Study,
    recipe_of: Callable[[StudyRow, int], Recipe],
    training: Training,
    data: DataSet,
    protocol: Protocol,
    *,
    seeds: Sequence[int],
    run: Path,
    address: str,
    save_pictures: bool = False,
    device: Device = "auto",
    precision: Precision = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Trained]:
    """Train and measure every row on a cluster, for `unblur.bench.ablate.run_study`, which finds in the run what is measured.

    Args:
        study: what to train.
        recipe_of: gives the recipe of a row by a seed.
        training: how.
        data: what to measure on.
        protocol: by which.
        seeds: of the trainings of each row.
        run: as for `run_study`.
        address: see `unblur.cluster.connect.connected`.
        save_pictures: as for `run_study`.
        device: where to measure; unless it is `cpu`, each worker takes a GPU where nodes have some.
        precision: of measuring.
        progress: called with the percent that are done of all trainings together, and a hundred for each.

    Returns:
        The trainings, by the names of their folders.

    Raises:
        UnblurError: what a training or measuring raises, or if a unit was lost in every attempt. The same call goes on from
            there.
    """
    run, data = run.absolute(), replace(data, samples=tuple(map(absolute, data.samples)))
    open_run(run)
    read_rows(run, mend=True)
    works = []
    for row in study.rows:
        asked = Asked(device, precision, alone=bool(row.twin_of), save_pictures=save_pictures)
        for seed in seeds:
            out = str(run / "trainings" / folder_of(row, seed=seed))
            measure = MeasureWork(
                out,
                out,
                published=False,
                asked=asked,
                data=data,
                protocols=(protocol,),
                run_folder=run,
                called=called(study, row, seed=seed),
            )
            works.append(StudyWork(recipe_of(row, seed), training, measure))
    trained = results_of(
        works,
        names=[f"the training `{work.out.name}`" for work in works],
        counts=[_PERCENT] * len(works),
        address=address,
        threads=training.threads,
        gpus=device != "cpu",
        hang_after=HANG_AFTER,
        progress=progress,
    )
    for work in works:
        take_part(work.measure)
    return {work.out.name: each for work, each in zip(works, trained, strict=True)}
