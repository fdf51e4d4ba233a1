"""Recipes that fit a budget: so many steps, or as many as a machine takes in so many minutes.

A schedule is part of what is compared. Cut off in its middle, a training has not seen the low rates at its end, so the whole schedule is
drawn together to the steps that there are.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from unblur.errors import InputError
from unblur.io.whole import make_folder, written_whole
from unblur.training.checkpoint import keep_recipe
from unblur.training.loop import train
from unblur.training.recipe import Recipe
from unblur.weights.run import is_run, state_of_run

__all__ = ["Budget", "Progress", "fit", "read_budget", "seconds_a_step", "train_within"]

_TRIAL_STEPS = 7
"""Steps that are timed at least."""

_TRIAL_SHARE = 0.02
"""Of the time that there is, for which steps are timed: what else a machine does comes and goes, also in the time that a step works."""

_MOST_TRIAL_STEPS = 1000
"""Steps that are timed at most."""

_FILE = "budget.json"

Progress = Callable[[int, int], None]
"""Called with the steps taken and those to take."""


@dataclass(frozen=True)
class Budget:
    """How the steps of a run were chosen.

    Attributes:
        steps: of the run.
        minutes: that it was given; None where the steps were given, or are the recipe's.
        seconds_a_step: measured before the run; None where nothing was measured.
        seconds: that the run has taken so far, by the same clock.
    """

    steps: int
    minutes: float | None = None
    seconds_a_step: float | None = None
    seconds: float = 0.0


def fit(recipe: Recipe, *, steps: int) -> Recipe:
    """The recipe with so many steps, its warm-up, milestones and decay drawn together or apart in proportion.

    Raises:
        InputError: if there is no step.
    """
    if steps < 1:
        raise InputError(f"a training needs at least one step, got {steps}")
    share = steps / recipe.steps
    return recipe.model_copy(
        update={
            "steps": steps,
            "warmup": round(recipe.warmup * share),
            "milestones": tuple(round(milestone * share) for milestone in recipe.milestones),
            "decay": round(recipe.decay * share),
        }
    )


def seconds_a_step(
    recipe: Recipe,
    *,
    photos: Sequence[Path] = (),
    data: Sequence[Path] = (),
    pool: Path | None = None,
    cpu: bool = False,
    seconds: float = 0.0,
) -> float:
    """Time of a step, measured by taking some, which are thrown away; the median counts.

    On a processor it is the time for which the processor worked, divided by its threads: what else the machine does at the time, and how
    long samples are waited for, does not change how far a training comes.

    Args:
        recipe: what to measure.
        photos: as for `train`.
        data: as for `train`.
        pool: as for `train`.
        cpu: as for `train`.
        seconds: for which to take steps, if they are few.
    """
    changes = {"log_every": 1, "validate_every": 0, "sample_every": 0, "tensorboard": False, "save_every": _MOST_TRIAL_STEPS}
    trial = fit(recipe, steps=_MOST_TRIAL_STEPS).model_copy(update=changes)
    clock = _clock(cpu=cpu)
    times: list[float] = []
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,  # Windows deletes no file that is still mapped
        closing(train(trial, out=Path(folder), photos=photos, data=data, pool=pool, cpu=cpu)) as records,
    ):
        for _ in records:
            times.append(clock())
            if len(times) >= _TRIAL_STEPS and times[-1] - times[0] >= seconds:
                break
    return median(after - before for before, after in pairwise(times))  # the first step prepares what the others use


def read_budget(out: Path) -> Budget | None:
    """How the steps of a run were chosen, or None if that is not known.

    Raises:
        InputError: if the file is damaged.
    """
    path = out / _FILE
    if not path.is_file():
        return None
    try:
        return Budget(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"`{path}` is damaged ({error}); remove it to choose the steps anew") from error


def train_within(
    recipe: Recipe,
    *,
    out: Path,
    steps: int | None = None,
    minutes: float | None = None,
    photos: Sequence[Path] = (),
    data: Sequence[Path] = (),
    pool: Path | None = None,
    cpu: bool = False,
    progress: Progress | None = None,
) -> Budget:
    """Train to the end of a budget, going on from what is in `out`; a training that is at its end is left as it is.

    Args:
        recipe: what to do; its schedule is drawn together to the budget.
        out: as for `train`; `budget.json` beside the rest says how the steps were chosen.
        steps: to take; those of the recipe if neither they nor `minutes` are given.
        minutes: for which to take steps, by the time of a step on this machine, see `seconds_a_step`. It is measured once: a run that was
            stopped goes on to the steps that it was to have.
        photos: as for `train`.
        data: as for `train`.
        pool: as for `train`.
        cpu: as for `train`.
        progress: called with the steps taken and those to take.

    Raises:
        InputError: as by `train`, or if both steps and minutes are given, or the run in `out` was begun with another budget.
    """
    if steps is not None and minutes is not None:
        raise InputError("give steps or minutes, not both")
    budget = read_budget(out)
    if budget is None:
        budget = Budget(steps or recipe.steps)
        if minutes is not None:
            trial = 60 * minutes * _TRIAL_SHARE
            seconds = seconds_a_step(recipe, photos=photos, data=data, pool=pool, cpu=cpu, seconds=trial)
            budget = Budget(max(1, int(60 * minutes / seconds)), minutes, seconds)
        make_folder(out)
        _write(budget, out=out)
    elif budget.minutes != minutes or (minutes is None and budget.steps != (steps or recipe.steps)):
        had = f"{budget.steps} steps" if budget.minutes is None else f"{budget.minutes:g} minutes"
        raise InputError(f"the run in `{out}` was begun with a budget of {had}; go on with that, or name another folder")
    fitted = fit(recipe, steps=budget.steps)
    if is_run(out) and state_of_run(out)[1]["step"] >= budget.steps:
        keep_recipe(fitted, out=out)  # an error if it is another
        return budget
    clock = _clock(cpu=cpu)
    began = clock()
    try:
        with closing(train(fitted, out=out, photos=photos, data=data, pool=pool, cpu=cpu)) as records:
            for record in records:
                if progress is not None:
                    progress(record["step"], budget.steps)
    finally:
        budget = replace(budget, seconds=budget.seconds + clock() - began)
        _write(budget, out=out)
    return budget


def _write(budget: Budget, *, out: Path) -> None:
    with written_whole(out / _FILE, overwrite=True) as partial:
        partial.write_text(json.dumps(asdict(budget)) + "\n", encoding="utf-8")


def _clock(*, cpu: bool) -> Callable[[], float]:
    """Seconds: of work a thread on a processor, of the clock on a GPU."""
    if not cpu and torch.accelerator.is_available():
        return time.monotonic
    threads = torch.get_num_threads()
    return lambda: time.process_time() / threads
