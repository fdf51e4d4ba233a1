from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unblur.training.loop import batch_at

RECIPE = SimpleNamespace(seed=3, batch=6, crop=16, pair_size=32)


class Window:
    """Pairs whose sharp picture is the blurry one plus 1, with a spread along x that is as long as the pair's number."""

    def range(self, step: int) -> tuple[int, int]:
        return 1 + step, 9 + step

    def pair(self, index: int) -> dict[str, np.ndarray]:
        blurry = np.random.default_rng(index).integers(0, 255, (32, 32, 3), np.uint8)
        return {"blurry": blurry, "sharp": blurry + 1, "spread": np.full((8, 8, 3), (index, 0, index), np.float16)}


def test_crops_of_blurry_sharp_and_spread_belong_together():
    for step in range(8):
        blurry, sharp, spread = batch_at(step, Window(), recipe=RECIPE)
        assert blurry.shape == sharp.shape == (6, 3, 16, 16)
        assert spread.shape == (6, 3, 4, 4)
        assert torch.allclose(sharp - blurry, torch.full_like(sharp, 1 / 255), atol=1e-6)
        assert torch.equal(spread[:, 0].abs(), spread[:, 2])  # a quarter turn changes the sign along x


def test_a_step_repeats_and_another_differs():
    first, again, other = (batch_at(step, Window(), recipe=RECIPE) for step in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_crops_are_turned_both_ways():
    signs = torch.cat([batch_at(step, Window(), recipe=RECIPE)[2][:, 0, 0, 0].sign() for step in range(6)])
    assert float((signs > 0).float().mean()) == pytest.approx(0.5, abs=0.3)
