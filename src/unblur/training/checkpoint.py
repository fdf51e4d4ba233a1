"""The state of a training on disk, whole at every moment: what is needed to go on as if nothing had happened.

A run's folder holds

    recipe.json     what is done
    state.pt        step, network, moving average, optimisers, scaler, discriminator, guard, and where the learning rate was lowered
    log.jsonl       numbers, one JSON object a line
    samples/        sheets of sample pictures
    pool/           pairs made so far, where they are made while training

Rates, the order of the data and all random numbers are functions of the recipe and the step, so the step says all of them.
"""

import shutil
from pathlib import Path
from typing import Any

import torch

from unblur.errors import InputError, OutputError, WeightsError
from unblur.io.whole import written_whole
from unblur.training.recipe import Recipe
from unblur.weights.run import read_pickle

__all__ = ["keep_recipe", "lowered_keys", "read_state", "write_state"]

_FREE = frozenset(
    [
        "steps",
        "milestones",
        "decay",
        "accumulate",
        "workers",
        "save_every",
        "log_every",
        "sample_every",
        "tensorboard",
        "compile",
        "protocol",
        "validate_every",
        "validate_layout",
        "validate_choice",
        "validate_pictures",
    ]
)
"""Keys that may change when a run goes on."""

_LOWERED = ("lr", "lr_of", "clip")
"""Keys that may be lowered, where the caller lets them, when a run goes on."""


def keep_recipe(recipe: Recipe, *, out: Path, may_lower_rate: bool = False) -> None:
    """Write the recipe into the run's folder, or see that the run there has the same.

    A run that has taken no step holds nothing to lose: with another recipe it begins anew.

    Args:
        recipe: what is to be done.
        out: folder of the run.
        may_lower_rate: whether `lr`, `lr_of` and `clip` may be lower than those of the run.

    Raises:
        InputError: if it has another one; the message names the keys that differ.
    """
    target = out / "recipe.json"
    if target.exists() and (state := read_state(out, device=torch.device("cpu"))) is not None:
        try:
            before = Recipe.model_validate_json(target.read_text(encoding="utf-8"))
        except ValueError as error:
            before = None
            if state.get("step") != 0:
                raise InputError(
                    f"the run in `{out}` is damaged or of an older version; it can be exported, but to train, name another `--out`"
                ) from error
        lowered = lowered_keys(before, recipe) if before is not None and may_lower_rate else ()
        changed = ["recipe"] if before is None else _differing(before.model_dump(exclude=set(_FREE)), recipe.model_dump(exclude=set(_FREE)))
        changed = [key for key in changed if key not in lowered]
        if changed and state.get("step") == 0:
            (out / "state.pt").unlink()
        elif changed:
            raise InputError(
                f"the run in `{out}` has another recipe: {', '.join(f'`{key}`' for key in changed)} differ(s); "
                f"{'`lr` and `clip` may be lowered; ' if may_lower_rate else ''}go on with the same recipe, or name another `--out`"
            )
    with written_whole(target, overwrite=True) as partial:
        partial.write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Keys with other values, in sections of the same `kind` as `section.key`."""
    found = []
    for key in after:
        old, new = before.get(key), after[key]
        if isinstance(old, dict) and isinstance(new, dict) and "kind" in new and old.get("kind") == new["kind"]:
            found += [f"{key}.{inner}" for inner in _differing(old, new)]
        elif old != new:
            found.append(key)
    return found


def lowered_keys(before: Recipe, now: Recipe) -> tuple[str, ...]:
    """Those of `lr`, `lr_of` and `clip` that are lower than before; a `clip` where there was none is lower."""
    parts = before.lr_of.keys() == now.lr_of.keys() and all(now.lr_of[part] <= before.lr_of[part] for part in now.lr_of)
    is_lower = {
        "lr": now.lr < before.lr,
        "lr_of": parts and now.lr_of != before.lr_of,
        "clip": now.clip is not None and (before.clip is None or now.clip < before.clip),
    }
    return tuple(key for key in _LOWERED if is_lower[key])


def write_state(state: dict[str, Any], *, out: Path) -> None:
    """Replace the run's state; killed at any moment, the old or the new one is there.

    Raises:
        OutputError: if it cannot be written, as on a full disk.
    """
    path = out / "state.pt"
    with written_whole(path, overwrite=True) as partial:
        try:
            torch.save(state, partial)
        except RuntimeError as error:  # what torch makes of an error of the system
            free = shutil.disk_usage(out).free
            raise OutputError(
                f"`{path}` cannot be written, with {free / 1e9:.1f} GB free: {str(error).splitlines()[0]}; make room, and go on by the same "
                "command from the last checkpoint, which is whole"
            ) from error


def read_state(out: Path, *, device: torch.device) -> dict[str, Any] | None:
    """The run's state, or None if it has none yet.

    Raises:
        InputError: if it is damaged.
    """
    path = out / "state.pt"
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = read_pickle(path, device=device)
    except WeightsError as error:
        raise InputError(f"{error}; remove it to begin anew") from error
    return state
