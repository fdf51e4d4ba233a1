"""Checks of the values of a recipe that its types let through, so that a training does not end hours later, or never begins."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unblur.training.recipe import Recipe

__all__ = ["check_values"]

_LARGEST = 1e9  # of any number; no rate, width or count is as large
_LARGEST_SEED = 2**63 - 1  # what generators take
_DEEPEST = 12  # levels of lists and mappings


def check_values(recipe: "Recipe") -> None:
    """Refuse values that cannot be meant.

    Raises:
        ValueError: for a number that is not finite or far too large, a value that is neither number, text, list nor mapping (such as a date or
            bytes), betas of Adam outside [0, 1), ranges that are reversed or negative, weights and rates that are negative, and widths of a
            network below one; the message names the key.
    """
    values = recipe.model_dump()
    for key, value in values.items():
        for place, leaf in _leaves(key, value, depth=0):
            _check_leaf(place, leaf)
    if not all(0 <= beta < 1 for beta in recipe.betas):
        raise ValueError(f"`betas` must both be in [0, 1), got {list(recipe.betas)}")
    for key in ("brightness", "contrast", "saturation"):
        low, high = getattr(recipe, key)
        if not 0 <= low <= high:
            raise ValueError(f"`{key}` must be a range [low, high] of factors, 0 or more and low first, got [{low}, {high}]")
    objective = values["objective"]
    weights = {"lr_of": recipe.lr_of, "milestones": recipe.milestones}
    weights |= {f"objective.{key}": objective[key] for key in ("loss", "level_weights") if key in objective}
    for key, value in weights.items():
        for place, leaf in _leaves(key, value, depth=0):
            if isinstance(leaf, int | float) and leaf < 0:
                raise ValueError(f"`{place}` must not be negative, got {leaf}")
    networks = {"arguments": recipe.arguments}
    networks |= {f"objective.{key}": objective.get(key) for key in ("adversary_arguments", "blurrer_arguments")}
    for key, value in networks.items():
        for place, leaf in _leaves(key, value, depth=0):
            _check_argument(place, leaf)


def _check_leaf(place: str, value: object) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if not isinstance(value, int | float):
        raise ValueError(f"`{place}` must be a number, a text, a list or a mapping, got a {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"`{place}` must be a finite number, got {value}")
    if abs(value) > (_LARGEST_SEED if place == "seed" else _LARGEST):
        raise ValueError(f"`{place}` is far too large: {value:.3g}")


def _check_argument(place: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    name = place.partition("[")[0].rpartition(".")[2]
    if name == "positions":  # along the blur, from its middle
        return
    if value < 0 or (value < 1 and name.endswith(("width", "widths"))):
        raise ValueError(f"`{place}` must be {'1 or more' if name.endswith(('width', 'widths')) else '0 or more'}, got {value}")


def _leaves(place: str, value: Any, *, depth: int) -> Iterator[tuple[str, object]]:  # noqa: ANN401 - whatever YAML gives
    """The values in nested lists and mappings, each with its place, such as `arguments.widths[1]`."""
    if depth > _DEEPEST:
        raise ValueError(f"`{place.partition('.')[0].partition('[')[0]}` is nested too deeply")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"`{place}` has the key {key!r}, which is no text")
            yield from _leaves(f"{place}.{key}", inner, depth=depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, inner in enumerate(value):
            yield from _leaves(f"{place}[{number}]", inner, depth=depth + 1)
    else:
        yield place, value
