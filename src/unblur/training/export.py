"""From a run folder to weights that `unblur.load` takes: the averaged network and its card."""

import hashlib
from pathlib import Path
from typing import Literal

from safetensors.torch import save

from unblur.errors import InputError, OutputError
from unblur.io.whole import written_whole
from unblur.weights import Card
from unblur.weights.run import average_of_run, card_of_run, is_run

__all__ = ["export_weights"]


def export_weights(
    run: Path,
    target: Path,
    *,
    summary: str,
    training_data: str,
    licence: str,
    kind: Literal["photo", "video", "flow"] | None = None,
    overwrite: bool = False,
) -> Card:
    """Write the moving average of a run's weights, in fp16, and the card beside them; gives the card.

    Args:
        run: folder of `unblur.training.loop.train`.
        target: a `.safetensors` file; the card has the same name with `.json`.
        summary: one line for `unblur models`.
        training_data: what it was trained on, in words.
        licence: of the weights.
        kind: what the weights are for; None for what the network does with one frame or several.
        overwrite: replace files that exist.

    Raises:
        InputError: if `run` is not the folder of a run that has been saved.
        OutputError: if `target` has another suffix, exists, or cannot be written.
        WeightsError: if the run is damaged.
    """
    if target.suffix != ".safetensors":
        raise OutputError(f"weights are written as `.safetensors`, not `{target.name}`")
    if not is_run(run):
        raise InputError(f"`{run}` is not the folder of a run: it has no `recipe.json` and `state.pt`")
    average = average_of_run(run)
    data = save({name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in average.items()})
    known = card_of_run(run)
    card = known.model_copy(
        update={
            "name": target.stem,
            "kind": kind or known.kind,
            "summary": summary,
            "training_data": training_data,
            "licence": licence,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    )
    card_file = target.with_suffix(".json")
    with written_whole(target, overwrite=overwrite) as weights, written_whole(card_file, overwrite=overwrite) as text:  # both or none
        weights.write_bytes(data)
        text.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card
