"""Muon: momentum whose update is made orthogonal, so that every direction of a weight matrix learns at the same pace.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the scale of the update is that
of Liu et al., "Muon is scalable for LLM training" (2025), section 2.2, so that learning rates of AdamW carry over.
Decided: a convolution's weight (O, C, kh, kw) is the matrix (O, C·kh·kw).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonal"]


class Muon(torch.optim.Optimizer):
    """Muon for weights of two or more dimensions.

    Args:
        params: weights; give vectors and the first and last layer to AdamW.
        lr: learning rate, as for AdamW.
        momentum: of the Nesterov average of gradients.
        weight_decay: decoupled.
    """

    def __init__(self, params: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["average"] = torch.zeros_like(weight)
                average = state["average"].lerp_(weight.grad, 1 - group["momentum"])
                matrix = weight.grad.lerp(average, group["momentum"]).flatten(1)
                scale = 0.2 * max(matrix.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(orthogonal(matrix).view_as(weight), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """Nearly the closest matrix with orthonormal rows or columns, by Newton-Schulz steps in bf16.

    The singular values of the result lie roughly in [0.7, 1.2], which serves the optimiser as well as exactly 1.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # Jordan et al.: steepest at 0 among quintics that stay near 1
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix.dtype)
