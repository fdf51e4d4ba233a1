"""Pictures with detail at several sizes, so that alignment and SSIM have something to hold on to."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate


@pytest.fixture
def picture() -> Callable[..., Tensor]:
    def make(height: int, width: int, *, seed: int = 0, batch: int = 1) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros(batch, 3, height, width, dtype=torch.float64)
        for cell, weight in ((16, 0.6), (8, 0.3), (4, 0.1)):
            coarse = torch.rand(batch, 3, -(-height // cell) + 1, -(-width // cell) + 1, generator=generator, dtype=torch.float64)
            total += weight * interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
        return (total * 0.8 + 0.1).clamp(0, 1)

    return make


@pytest.fixture
def noisy() -> Callable[..., Tensor]:
    def add(sharp: Tensor, sigma: float, *, seed: int = 1) -> Tensor:
        noise = torch.randn(sharp.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return (sharp + sigma * noise).clamp(0, 1)

    return add
