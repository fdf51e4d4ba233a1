"""The state of a training on disk, whole at every moment: what is needed to go on as if nothing had happened.

A run's folder holds

    recipe.json     what is done
    state.pt        step, network, moving average, optimisers, scaler, discriminator, guard
    log.jsonl       numbers, one JSON object a line
    samples/        sheets of sample pictures
    pool/           pairs made so far, where they are made while training

Rates, the order of the data and all random numbers are functions of the recipe and the step, so the step says all of them.
"""

from pathlib import Path
from typing import Any

import torch

from unblur.errors import InputError, WeightsError
from unblur.io.whole import written_whole
from unblur.training.recipe import Recipe
from unblur.weights.run import read_pickle

__all__ = ["keep_recipe", "read_state", "write_state"]

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


def keep_recipe(recipe: Recipe, *, out: Path) -> None:
    """Write the recipe into the run's folder, or see that the run there has the same.

    Raises:
        InputError: if it has another one; the message names the keys that differ.
    """
    target = out / "recipe.json"
    if target.exists() and (out / "state.pt").exists():
        try:
            before = Recipe.model_validate_json(target.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"the run in `{out}` is damaged or of an older version; it can be exported, but to train, name another `--out`"
            ) from error
        changed = _differing(before.model_dump(exclude=set(_FREE)), recipe.model_dump(exclude=set(_FREE)))
        if changed:
            raise InputError(
                f"the run in `{out}` has another recipe: {', '.join(f'`{key}`' for key in changed)} differ(s); "
                "go on with the same recipe, or name another `--out`"
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


def write_state(state: dict[str, Any], *, out: Path) -> None:
    """Replace the run's state; killed at any moment, the old or the new one is there."""
    with written_whole(out / "state.pt", overwrite=True) as partial:
        torch.save(state, partial)


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
