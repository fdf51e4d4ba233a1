"""Weights of a training under way or at its end: the moving average in a run's folder, with a card made of its recipe."""

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from unblur.errors import WeightsError
from unblur.models import is_import_path
from unblur.weights.card import Card

if TYPE_CHECKING:
    import torch

__all__ = ["average_of_run", "card_of_run", "finite_tensors", "is_run", "read_pickle", "state_of_run"]


def is_run(name_or_path: str | Path) -> bool:
    """Whether this is the folder of a run."""
    return (Path(name_or_path) / "recipe.json").is_file() and (Path(name_or_path) / "state.pt").is_file()


def state_of_run(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe and the state of a run, as they were saved.

    Raises:
        WeightsError: if one of them is damaged.
    """
    try:
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"the run in `{run}` is damaged: {error}") from error
    state = read_pickle(run / "state.pt", mmap=True)
    if (
        not (isinstance(recipe, dict) and isinstance(state, dict))
        or not {"model", "arguments", "steps"} <= recipe.keys()
        or not {"average", "step"} <= state.keys()
    ):
        raise WeightsError(f"the run in `{run}` is of another version: its recipe or state lacks what every run has")
    return recipe, state


def average_of_run(run: Path) -> dict[str, Any]:
    """The tensors of a run's moving average, in fp32 where they are no counters.

    Raises:
        WeightsError: if the run is damaged, or values are not finite.
    """
    _, state = state_of_run(run)
    return finite_tensors(state["average"], of=f"the run in `{run}`")


def read_pickle(path: Path, *, device: "str | torch.device" = "cpu", mmap: bool = False) -> Any:  # noqa: ANN401 - what torch has saved
    """Read a file that torch has saved, by its safe loader, which makes tensors and numbers only.

    Raises:
        WeightsError: if the file is damaged or holds more than that. What torch says then is not passed on: it advises to read the file
            unsafely.
    """
    import torch

    try:
        return torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"`{path}` is damaged or holds more than tensors, which could run code when read; it was not opened") from error
    except Exception as error:  # torch raises whatever its unpickler meets
        raise WeightsError(f"`{path}` is damaged: {type(error).__name__}") from error


def finite_tensors(tensors: Any, *, of: str) -> dict[str, Any]:  # noqa: ANN401 - of a file that anyone can have written
    """Copies of the tensors, floating-point ones in fp32.

    Raises:
        WeightsError: if these are no tensors, or a value is not finite in fp32.
    """
    from torch import Tensor

    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise WeightsError(f"{of} does not hold tensors alone")
    checked = {name: tensor.float() if tensor.is_floating_point() else tensor.clone() for name, tensor in tensors.items()}
    for name, tensor in checked.items():
        if not bool(tensor.isfinite().all()):
            raise WeightsError(
                f"{of} holds values in `{name}` that are no finite numbers, as after a training that diverged; take earlier weights"
            )
    return checked


def card_of_run(run: Path) -> Card:
    """A card for weights that have not been exported: it has no results, and no licence.

    Nothing is imported that the run names.

    Raises:
        WeightsError: if the run is damaged.
    """
    recipe, state = state_of_run(run)
    lowered = "".join(
        f"; `{each['key']}` lowered from {each['from']} to {each['to']} at step {each['step']}" for each in state.get("lowered", [])
    )
    data = recipe.get("data", "stills")
    kind, size_multiple = _network_of_run(run, recipe, state)
    values = {
        "name": run.resolve().name,
        "kind": kind,
        "summary": f"{recipe['model']}, a run of {state['step']} of {recipe['steps']} steps",
        "architecture": recipe["model"],
        "arguments": recipe["arguments"],
        "size_multiple": size_multiple,
        "origin": "trained here",
        "training_data": str(data["kind"] if isinstance(data, dict) else data),
        "recipe": f"{recipe['model']}, {state['step']} of {recipe['steps']} steps{lowered}; {json.dumps(recipe)}",
        "results": (),
        "licence": "none given",
        "sha256": "",
    }
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        raise WeightsError(f"the run in `{run}` is damaged: {error}") from error


def _network_of_run(run: Path, recipe: dict[str, Any], state: dict[str, Any]) -> tuple[Any, Any]:
    """The kind of a run's network and its `size_multiple`: as its state says, or of a network of the package, which is built for that."""
    from unblur.models import create, create_flow, flow_names

    name = str(recipe["model"])
    if isinstance(facts := state.get("network"), dict):
        return facts.get("kind"), facts.get("size_multiple")
    if is_import_path(name):
        raise WeightsError(f"the run in `{run}` is of another version: its state does not say what kind of network `{name}` is")
    if name in flow_names():
        return "flow", create_flow(name, **recipe["arguments"]).size_multiple
    net = create(name, **recipe["arguments"])
    return "photo" if net.num_frames == 1 else "video", net.size_multiple
