import math

import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.pixel_volume import pixel_volume


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop(image, flow, size, fallback):
    batch, _, height, width = image.shape
    reach = size // 2
    out = torch.zeros(batch, size**2, height, width, dtype=image.dtype)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                for tap in range(size**2):
                    qy, qx = y + tap // size - reach, x + tap % size - reach
                    out[b, tap, y, x] = fallback[b, 0, y, x]
                    if 0 <= qy < height and 0 <= qx < width:
                        row, column = (math.floor(place + float(flow[b, i, qy, qx]) + 0.5) for i, place in ((1, y), (0, x)))
                        if 0 <= row < height and 0 <= column < width:
                            out[b, tap, y, x] = image[b, 0, row, column]
    return out


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("motion", [0.0, 1.5, 1e6])
def test_is_the_definition(size, motion):
    image, fallback = random(2, 1, 4, 6), random(2, 1, 4, 6, seed=1)
    flow = motion * random(2, 2, 4, 6, seed=2)
    torch.testing.assert_close(pixel_volume(image, flow, size=size, fallback=fallback), loop(image, flow, size, fallback))


def test_halves_are_rounded_alike_everywhere():
    image = torch.arange(8.0).view(1, 1, 1, 8)
    flow = torch.zeros(1, 2, 1, 8)
    flow[:, 0] = 0.5
    assert pixel_volume(image, flow, size=1, fallback=image).flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 7]


def test_uniform_motion_gives_one_candidate_and_a_wrong_vector_is_outvoted():
    image, flow = random(1, 1, 12, 14), torch.zeros(1, 2, 12, 14, dtype=torch.float64)
    flow[:, 0], flow[:, 1] = 2, -1
    volume = pixel_volume(image, flow, size=5, fallback=torch.zeros_like(image))
    expected = image.roll((1, -2), dims=(2, 3))
    core = (..., slice(3, -3), slice(3, -4))
    assert torch.equal(volume[core], expected.expand_as(volume)[core])
    flow[:, :, 6, 6] += 3
    wrong = pixel_volume(image, flow, size=5, fallback=torch.zeros_like(image)) != volume
    assert wrong.sum(dim=1).max() == 1  # of 25 candidates
    assert wrong.any(dim=1).nonzero()[:, 1:].amin(dim=0).tolist() == [4, 4]
    assert wrong.any(dim=1).nonzero()[:, 1:].amax(dim=0).tolist() == [8, 8]


def test_the_image_gets_a_gradient_and_the_flow_none():
    image, fallback = random(1, 1, 4, 5).requires_grad_(), random(1, 1, 4, 5, seed=1).requires_grad_()
    flow = random(1, 2, 4, 5, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda i, f: pixel_volume(i, flow.detach(), size=3, fallback=f), (image, fallback), fast_mode=True)
    pixel_volume(image, flow, size=3, fallback=fallback).sum().backward()
    assert flow.grad is None


def test_inputs_are_checked():
    image = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="odd"):
        pixel_volume(image, torch.zeros(1, 2, 4, 4), size=2, fallback=image)
    with pytest.raises(ShapeError, match="flow"):
        pixel_volume(image, torch.zeros(1, 2, 4, 5), size=3, fallback=image)
    with pytest.raises(ShapeError, match="image"):
        pixel_volume(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 4, 4), size=3, fallback=image)
    with pytest.raises(ShapeError, match="fallback"):
        pixel_volume(image, torch.zeros(1, 2, 4, 4), size=3, fallback=torch.zeros(1, 1, 4, 5))
