"""How much memory a step takes, estimated before the first one is taken."""

import torch
from torch import Tensor

from unblur.errors import InputError, ShapeError
from unblur.models.base import Net
from unblur.restore.memory import free_bytes
from unblur.training.recipe import AdversarialKeys, Recipe

__all__ = ["check_memory", "saved_bytes"]

_MEASURED_SIDE = 128  # pixels, at most, of the crop on which it is measured
_PER_PARAMETER = 12  # bytes: gradient and two moments of Adam, fp32


def check_memory(net: Net, *, recipe: Recipe, processes: int, device: torch.device, autocast: torch.autocast) -> None:
    """Refuse a step that cannot fit into memory.

    What is counted must be held at the same time: all tensors that the backward pass needs of the crops that are calculated together, the
    gradients and the optimiser's moments. More is needed besides, so that a step that is let through may yet not fit.

    Args:
        net: the network, on its device.
        recipe: of the training.
        processes: among which the batch is shared.
        device: where it trains.
        autocast: precision of the arithmetic.

    Raises:
        InputError: if more is needed than is free; the message says what to change.
    """
    if recipe.compile:  # what is kept is the compiler's choice
        return
    per_crop = saved_bytes(net, crop=recipe.crop, frames=recipe.frames if recipe.all_truths else None, autocast=autocast)
    share = recipe.batch // processes
    state = _PER_PARAMETER * sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    free = free_bytes(device)
    if per_crop * (share // recipe.accumulate) + state <= free:
        return
    fitting = next(
        (
            parts
            for parts in range(recipe.accumulate + 1, share + 1)
            if share % parts == 0 and recipe.batch % parts == 0 and per_crop * (share // parts) + state <= free
        ),
        None,
    )
    advice = (
        f"add `--set accumulate={fitting}`, which calculates them one part after the other"
        if fitting and not isinstance(recipe.objective, AdversarialKeys)
        else "choose a smaller `batch` or `crop`"
    )
    raise InputError(
        f"a step needs at least {(per_crop * (share // recipe.accumulate) + state) / 2**30:.1f} GiB for {share // recipe.accumulate} crop(s) of "
        f"{recipe.crop}x{recipe.crop}, and {free / 2**30:.1f} GiB are free on `{device}`; {advice}"
    )


def saved_bytes(net: Net, *, crop: int, frames: int | None, autocast: torch.autocast) -> float:
    """Bytes of the tensors that the backward pass of one crop needs; 0 where that cannot be measured on a small crop.

    Args:
        net: the network.
        crop: side, pixels; measured on at most 128, and enlarged by the area.
        frames: of a clip, if not as many as the network sees.
        autocast: precision of the arithmetic.
    """
    multiple = net.size_multiple
    side = crop if crop <= _MEASURED_SIDE else max(_MEASURED_SIDE // multiple, 1) * multiple
    device = next(net.parameters()).device
    window = (frames or net.num_frames,) if net.num_frames > 1 else ()
    blurry = torch.zeros(1, *window, 3, side, side, device=device)
    own = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    was_training = net.training
    try:
        net.eval()
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
            restored = net(blurry)  # holds the graph, so that no storage is used twice while it is counted
        del restored
    except (ShapeError, InputError):
        return 0.0
    finally:
        net.train(mode=was_training)
    return sum(seen.values()) * (crop / side) ** 2
