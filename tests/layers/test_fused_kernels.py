"""The kernels against plain operations: on a GPU where there is one, else in Triton's interpreter, on the processor.

They need Triton, which is no dependency of the project: without it there is nothing here. To run them:

    pip install triton
    TRITON_INTERPRET=1 python -m pytest -m slow tests/layers/test_fused_kernels.py
"""

import os
from importlib.util import find_spec

import pytest
import torch

from unblur.layers import fused
from unblur.layers.deform import deform_sample
from unblur.layers.fused import read_taps

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # has to be set before Triton is imported by anything
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
RUNS = find_spec("triton") is not None and (INTERPRETED or torch.cuda.is_available())

CASES = {
    "one tap": {"kernel": (1, 1)},
    "three by three": {},
    "wide": {"kernel": (1, 3), "channels": 3},
    "tall": {"kernel": (5, 3), "channels": 4},
    "more channels than a block": {"channels": 130, "size": (2, 3)},
    "more pixels than a block": {"channels": 1, "size": (9, 8)},
    "far out": {"spread": 30.0},
    "a single pixel": {"size": (1, 1)},
}


def example(*, channels=5, kernel=(3, 3), size=(5, 6), batch=2, spread=2.0):
    generator = torch.Generator().manual_seed(channels)
    feat = torch.randn(batch, channels, *size, generator=generator)
    offset = torch.randn(batch, 2 * kernel[0] * kernel[1], *size, generator=generator) * spread
    mask = torch.rand(batch, 1, *size, generator=generator)
    return feat, offset, mask


def by_plain_operations(feat, offset, *, kernel, mask):
    """`deform_sample` with weights that put out each channel of each tap by itself: (B * H * W, K * C), double precision."""
    channels, taps = feat.shape[1], kernel[0] * kernel[1]
    weight = torch.zeros(taps * channels, channels, *kernel, dtype=torch.float64)
    for tap in range(taps):
        for channel in range(channels):
            weight[tap * channels + channel, channel, tap // kernel[1], tap % kernel[1]] = 1
    read = deform_sample(feat.double(), offset.double(), weight, mask=None if mask is None else mask.double())
    return read.permute(0, 2, 3, 1).flatten(0, 2)


if RUNS:

    @pytest.mark.slow
    @pytest.mark.parametrize("masked", [False, True])
    @pytest.mark.parametrize("case", CASES)
    def test_values_and_derivatives_are_those_of_plain_operations(case, masked):
        kernel = CASES[case].get("kernel", (3, 3))
        feat, offset, mask = example(**CASES[case])
        inputs = [feat, offset, *([mask] if masked else [])]
        results = []
        for device, read in ((DEVICE, read_taps), (torch.device("cpu"), by_plain_operations)):
            given = [tensor.to(device).requires_grad_() for tensor in inputs]
            columns = read(given[0], given[1], kernel=kernel, mask=given[2] if masked else None)
            gradient = torch.randn(columns.shape, generator=torch.Generator().manual_seed(1)).to(columns)
            results.append([columns, *torch.autograd.grad(columns, given, gradient)])
        for ours, plain in zip(*results, strict=True):
            torch.testing.assert_close(ours.cpu().float(), plain.float(), atol=2e-5, rtol=2e-5)

    @pytest.mark.slow
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_lower_precisions_round_what_was_computed_in_single(dtype):
        feat, offset, mask = (tensor.to(DEVICE) for tensor in example(spread=3.0))
        feat, gradient = feat.to(dtype), torch.randn(2 * 30, 45, generator=torch.Generator().manual_seed(1)).to(DEVICE, dtype)
        results = []
        for features in (feat.requires_grad_(), feat.detach().float().requires_grad_()):
            by = offset.clone().requires_grad_(), mask.clone().requires_grad_()
            columns = read_taps(features, by[0], kernel=(3, 3), mask=by[1])
            results.append([columns, *torch.autograd.grad(columns, (features, *by), gradient.to(columns))])
        assert results[0][0].dtype == results[0][1].dtype == dtype
        step = 2**-7 if INTERPRETED and dtype == torch.bfloat16 else 0  # the interpreter cuts off where a GPU rounds
        torch.testing.assert_close(results[0][0], results[1][0].to(dtype), atol=0, rtol=step)
        torch.testing.assert_close(results[0][1].float(), results[1][1], atol=2**-7, rtol=2**-7)
        for ours, plain in zip(results[0][2:], results[1][2:], strict=True):
            torch.testing.assert_close(ours, plain)

    @pytest.mark.slow
    def test_positions_at_the_ends_of_numbers():
        """Infinite offsets read nothing; one that is not a number gives none; whole ones read a pixel."""
        feat, offset, mask = (tensor.to(DEVICE) for tensor in example())
        offset = offset.round()
        offset[:, :, 0] = torch.inf
        offset[:, :, 1] = -torch.inf
        offset[:, 0, 2, 2] = torch.nan
        columns = read_taps(feat, offset, kernel=(3, 3), mask=mask).cpu()
        expected = by_plain_operations(feat.cpu(), offset.cpu(), kernel=(3, 3), mask=mask.cpu()).float()
        read = columns.view(2, 5, 6, 9, 5)
        assert read[:, :2].abs().max() == 0
        assert read[:, 2, 2, 0].isnan().all()
        assert read.isnan().sum() == 2 * 5
        known = ~columns.isnan().any(dim=1)  # what is not a number goes to all channels in the product of plain operations
        torch.testing.assert_close(columns[known], expected[known])

    @pytest.mark.slow
    def test_the_trial_is_passed():
        assert fused._work_on.__wrapped__(DEVICE)

    @pytest.mark.slow
    def test_inputs_may_lie_in_memory_in_any_order():
        feat, offset, mask = (tensor.to(DEVICE) for tensor in example())
        expected = read_taps(feat, offset, kernel=(3, 3), mask=mask)
        moved = feat.contiguous(memory_format=torch.channels_last), offset.transpose(2, 3).contiguous().transpose(2, 3)
        wide = mask.repeat(1, 1, 1, 2)[..., :6]
        torch.testing.assert_close(read_taps(*moved, kernel=(3, 3), mask=wide), expected, atol=0, rtol=0)
