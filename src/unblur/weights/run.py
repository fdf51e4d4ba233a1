"""Weights of a training under way or at its end: the moving average in a run's folder, with a card made of its recipe."""

import json
from pathlib import Path
from typing import Any

from unblur.errors import WeightsError
from unblur.weights.card import Card

__all__ = ["average_of_run", "card_of_run", "is_run", "state_of_run"]


def is_run(name_or_path: str | Path) -> bool:
    """Whether this is the folder of a run."""
    return (Path(name_or_path) / "recipe.json").is_file() and (Path(name_or_path) / "state.pt").is_file()


def state_of_run(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe and the state of a run, as they were saved.

    Raises:
        WeightsError: if one of them is damaged.
    """
    import torch

    try:
        recipe: dict[str, Any] = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        state: dict[str, Any] = torch.load(run / "state.pt", map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises whatever its unpickler meets
        raise WeightsError(f"the run in `{run}` is damaged: {error}") from error
    if not {"model", "arguments", "steps"} <= recipe.keys() or not {"average", "step"} <= state.keys():
        raise WeightsError(f"the run in `{run}` is of another version: its recipe or state lacks what every run has")
    return recipe, state


def average_of_run(run: Path) -> dict[str, Any]:
    """The tensors of a run's moving average, in fp32 where they are no counters."""
    _, state = state_of_run(run)
    return {name: tensor.float() if tensor.is_floating_point() else tensor.clone() for name, tensor in state["average"].items()}


def card_of_run(run: Path) -> Card:
    """A card for weights that have not been exported: it has no results, and no licence."""
    from unblur.models import create, create_flow, flow_names

    recipe, state = state_of_run(run)
    flow = recipe["model"] in flow_names()
    net = (create_flow if flow else create)(recipe["model"], **recipe["arguments"])
    return Card(
        name=run.resolve().name,
        kind="flow" if flow else "photo" if net.num_frames == 1 else "video",
        summary=f"{recipe['model']}, a run of {state['step']} of {recipe['steps']} steps",
        architecture=recipe["model"],
        arguments=recipe["arguments"],
        size_multiple=net.size_multiple,
        origin="trained here",
        training_data=str(recipe.get("data", "stills")),
        recipe=f"{recipe['model']}, {state['step']} of {recipe['steps']} steps; {json.dumps(recipe)}",
        results=(),
        licence="none given",
        sha256="",
    )
