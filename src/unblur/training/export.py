"""From a run folder to weights that `unblur.load` takes: the averaged network and its card."""

import hashlib
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save

from unblur.errors import InputError, OutputError
from unblur.io.whole import written_whole
from unblur.models import create
from unblur.training.recipe import StillsRecipe
from unblur.weights import Card

__all__ = ["export_weights"]


def export_weights(
    run: Path,
    target: Path,
    *,
    summary: str,
    training_data: str,
    licence: str,
    kind: Literal["photo", "video"] = "photo",
    overwrite: bool = False,
) -> Card:
    """Write the moving average of a run's weights, in fp16, and the card beside them; gives the card.

    Args:
        run: folder of `unblur.training.loop.train`.
        target: a `.safetensors` file; the card has the same name with `.json`.
        summary: one line for `unblur models`.
        training_data: what it was trained on, in words.
        licence: of the weights.
        kind: what the weights are for.
        overwrite: replace files that exist.

    Raises:
        InputError: if `run` is not the folder of a run that has been saved.
        OutputError: if `target` has another suffix, exists, or cannot be written.
    """
    if target.suffix != ".safetensors":
        raise OutputError(f"weights are written as `.safetensors`, not `{target.name}`")
    recipe_file, state_file = run / "recipe.json", run / "state.pt"
    if not recipe_file.is_file() or not state_file.is_file():
        raise InputError(f"`{run}` is not the folder of a run: it has no `recipe.json` and `state.pt`")
    recipe = StillsRecipe.model_validate_json(recipe_file.read_text())
    state = torch.load(state_file, weights_only=True)
    net = create(recipe.model, **recipe.arguments)
    net.load_state_dict(state["average"])
    tensors = {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}
    data = save(tensors)
    card = Card(
        name=target.stem,
        kind=kind,
        summary=summary,
        architecture=recipe.model,
        arguments=recipe.arguments,
        size_multiple=net.size_multiple,
        origin="trained here",
        training_data=training_data,
        recipe=f"{recipe.model}, {state['step']} of {recipe.steps} steps; {recipe.model_dump_json()}",
        results=(),
        licence=licence,
        sha256=hashlib.sha256(data).hexdigest(),
    )
    card_file = target.with_suffix(".json")
    with written_whole(target, overwrite=overwrite) as weights, written_whole(card_file, overwrite=overwrite) as text:  # both or none
        weights.write_bytes(data)
        text.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card
