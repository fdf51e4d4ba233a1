"""From a run folder to weights that `unblur.load` takes: the averaged network, or one between it and another, and its card."""

import hashlib
from pathlib import Path
from typing import Literal

from safetensors.torch import save
from torch import Tensor

from unblur.errors import InputError, OutputError
from unblur.io.whole import written_whole
from unblur.weights import Card, card_of, load_tensors
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
    other: str | Path | None = None,
    other_weight: float = 0.5,
    overwrite: bool = False,
) -> Card:
    """Write the moving average of a run's weights, in fp16, and the card beside them; gives the card.

    With `other`, what is written lies between the two: the mean of the weights before and after fine-tuning keeps what the first could do and
    most of what the second have learnt (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).

    Args:
        run: folder of `unblur.training.loop.train`.
        target: a `.safetensors` file; the card has the same name with `.json`.
        summary: one line for `unblur models`.
        training_data: what it was trained on, in words.
        licence: of the weights.
        kind: what the weights are for; None for what the network does with one frame or several.
        other: weights of the same network, such as those that the run began from, as for `unblur.load`.
        other_weight: their share, in [0, 1].
        overwrite: replace files that exist.

    Raises:
        InputError: if `run` is not the folder of a run that has been saved, `other` are weights of another network, or their share does
            not lie in [0, 1].
        OutputError: if `target` has another suffix, exists, or cannot be written.
        WeightsError: if the run or `other` is damaged.
    """
    if target.suffix != ".safetensors":
        raise OutputError(f"weights are written as `.safetensors`, not `{target.name}`")
    if not is_run(run):
        raise InputError(f"`{run}` is not the folder of a run: it has no `recipe.json` and `state.pt`")
    average, known = average_of_run(run), card_of_run(run)
    recipe = known.recipe
    if other is not None:
        average = _between(average, known, other=other, share=other_weight)
        recipe = f"{1 - other_weight:g} of the weights of this run and {other_weight:g} of `{Path(other).stem}`: {recipe}"
    data = save({name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in average.items()})
    card = known.model_copy(
        update={
            "name": target.stem,
            "kind": kind or known.kind,
            "summary": summary,
            "training_data": training_data,
            "recipe": recipe,
            "licence": licence,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    )
    card_file = target.with_suffix(".json")
    with written_whole(target, overwrite=overwrite) as weights, written_whole(card_file, overwrite=overwrite) as text:  # both or none
        weights.write_bytes(data)
        text.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card


def _between(tensors: dict[str, Tensor], card: Card, *, other: str | Path, share: float) -> dict[str, Tensor]:
    """`(1 - share) · tensors + share · other`; whole numbers, which are counters, stay."""
    if not 0 <= share <= 1:
        raise InputError(f"the share of the other weights must lie in [0, 1], got {share:g}")
    beside = card_of(other)
    if (beside.architecture, beside.arguments) != (card.architecture, card.arguments):
        raise InputError(
            f"`{other}` belongs to another network, {beside.architecture} {beside.arguments}; the run trains {card.architecture} {card.arguments}"
        )
    others = load_tensors(other)
    return {name: tensor.lerp(others[name], share) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
