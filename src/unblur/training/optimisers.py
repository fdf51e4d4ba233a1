"""Optimisers and learning rates of a recipe, by parts of the network; both are functions of the recipe and the step alone."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from unblur.errors import InputError
from unblur.training.muon import Muon
from unblur.training.recipe import Recipe

__all__ = ["hold_others", "make_optimisers", "rate", "set_rates"]


def rate(step: int, *, recipe: Recipe) -> float:
    """Share of the full learning rate at a step: up, level with drops, and down in the last `decay` steps."""
    up = min(1.0, (step + 1) / max(recipe.warmup, 1))
    drops = recipe.gamma ** sum(step >= milestone for milestone in recipe.milestones)
    left = min(1.0, (recipe.steps - step) / recipe.decay) if recipe.decay else 1.0
    shape = (1 - math.cos(math.pi * left)) / 2 if recipe.decay_shape == "cosine" else left**recipe.decay_power
    return min(up, drops * (recipe.lr_end + (1 - recipe.lr_end) * shape))


def hold_others(net: nn.Module, *, recipe: Recipe) -> None:
    """Have no gradient go to what the recipe's `only` does not name.

    Raises:
        InputError: if it names a part that the network does not have.
    """
    if recipe.only is not None:
        kept, _ = _by_part(net, recipe.only, recipe=recipe, key="only")
        net.requires_grad_(requires_grad=False)
        for parameters in kept.values():
            for parameter in parameters:
                parameter.requires_grad_()


def make_optimisers(net: nn.Module, *, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Make the optimisers of what is trained of a network; each group of theirs has its full rate in `full_lr`.

    Raises:
        InputError: if `lr_of` names a part that the network does not have, or that is not trained.
    """
    parts, others = _by_part(net, recipe.lr_of, recipe=recipe, key="lr_of")
    by_muon = [parameter for parameter in others if parameter.ndim > 1] if recipe.optimiser == "muon" else []
    taken = {id(parameter) for parameter in by_muon}
    rest = [parameter for parameter in others if id(parameter) not in taken]
    groups = [{"params": parameters, "full_lr": recipe.lr_of[part]} for part, parameters in parts.items()]
    groups += [{"params": rest, "full_lr": recipe.lr}] if rest else []
    made: list[torch.optim.Optimizer] = []
    if groups:
        kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
        made.append(kind(groups, lr=recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True))
    if by_muon:
        made.append(Muon(by_muon, lr=recipe.lr, weight_decay=recipe.weight_decay))
        made[-1].param_groups[0]["full_lr"] = recipe.lr
    return made


def _by_part(net: nn.Module, names: Iterable[str], *, recipe: Recipe, key: str) -> tuple[dict[str, list[nn.Parameter]], list[nn.Parameter]]:
    """What is trained of a network, of each part that is named (of two parts the smaller one), and of none."""
    parts: dict[str, list[nn.Parameter]] = {part: [] for part in names}
    others: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            part = max((part for part in parts if name == part or name.startswith(f"{part}.")), key=len, default=None)
            (others if part is None else parts[part]).append(parameter)
    for part, parameters in parts.items():
        if not parameters:
            known = ", ".join(name for name, child in net.named_children() if any(each.requires_grad for each in child.parameters()))
            raise InputError(f"`{key}` names `{part}`, but network `{recipe.model}` has no such part to train; it has {known}")
    return parts, others


def set_rates(optimisers: list[torch.optim.Optimizer], share: float) -> None:
    """Set every group's learning rate to a share of its full rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["full_lr"] * share
