import math

import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.sampling import FEW_CHANNELS, bilinear_read, reading_dtype

CHANNELS = [1, FEW_CHANNELS - 1, FEW_CHANNELS, FEW_CHANNELS + 3]  # both ways of reading


def loop_read(feat, y, x):
    """The definition: four pixels weighted by closeness, 0 outside."""
    batch, channels, height, width = feat.shape
    out = torch.zeros(batch, channels, *y.shape[1:], dtype=feat.dtype)
    for b in range(batch):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                py, px = y[b, i, j].item(), x[b, i, j].item()
                for row in (math.floor(py), math.floor(py) + 1):
                    for column in (math.floor(px), math.floor(px) + 1):
                        if 0 <= row < height and 0 <= column < width:
                            out[b, :, i, j] += feat[b, :, row, column] * (1 - abs(py - row)) * (1 - abs(px - column))
    return out


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", [(5, 7), (1, 4), (3, 1), (1, 1)])
def test_reads_as_the_definition_does(channels, size):
    generator = torch.Generator().manual_seed(1)
    feat = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)
    y = torch.rand(2, 3, 4, generator=generator, dtype=torch.float64) * (size[0] + 4) - 2
    x = torch.rand(2, 3, 4, generator=generator, dtype=torch.float64) * (size[1] + 4) - 2
    torch.testing.assert_close(bilinear_read(feat, y, x), loop_read(feat, y, x))


@pytest.mark.parametrize("channels", CHANNELS)
def test_far_outside_and_infinite_positions_read_zero(channels):
    feat = torch.ones(1, channels, 4, 4)
    far = torch.tensor([[[-1e30, 1e30, -math.inf, math.inf, 4.0, -1.0]]])
    assert bilinear_read(feat, far, torch.ones_like(far)).abs().max() == 0
    assert bilinear_read(feat, torch.ones_like(far), far).abs().max() == 0


def test_a_position_that_is_no_number_shows_in_the_result():
    feat = torch.ones(1, FEW_CHANNELS, 4, 4)
    y = torch.tensor([[[math.nan, 1.0]]])
    read = bilinear_read(feat, y, torch.ones_like(y))
    assert read[..., 0].isnan().all()
    assert (read[..., 1] == 1).all()


@pytest.mark.parametrize("channels", CHANNELS)
def test_derivatives(channels):
    generator = torch.Generator().manual_seed(2)
    feat = torch.randn(1, channels, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    y = (torch.rand(1, 2, 3, generator=generator, dtype=torch.float64) * 5 - 1.5).requires_grad_()
    x = (torch.rand(1, 2, 3, generator=generator, dtype=torch.float64) * 6 - 1.5).requires_grad_()
    assert torch.autograd.gradcheck(bilinear_read, (feat, y, x), fast_mode=True)


@pytest.mark.parametrize("channels", CHANNELS)
def test_bf16_features_are_read_at_exact_positions(channels):
    # A ramp along a wide frame: the value read is the column, so an error in the position shows at once.
    width = 1031
    feat = torch.zeros(1, channels, 1, width, dtype=torch.bfloat16)
    feat[..., -2:] = torch.tensor([0.0, 1.0])
    x = torch.tensor([[[width - 1.5, width - 1.25]]])
    read = bilinear_read(feat, torch.zeros_like(x), x)
    assert read.dtype == torch.bfloat16
    torch.testing.assert_close(read[0, 0, 0].float(), torch.tensor([0.5, 0.75]), atol=1e-2, rtol=0)


def test_precision_of_positions():
    assert reading_dtype(torch.zeros(1, dtype=torch.bfloat16), torch.zeros(1)) == torch.float32
    assert reading_dtype(torch.zeros(1, dtype=torch.float16), torch.zeros(1, dtype=torch.float64)) == torch.float64


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match="feat"):
        bilinear_read(torch.zeros(1, 4, 4), torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))
    with pytest.raises(ShapeError, match="same shape"):
        bilinear_read(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 2), torch.zeros(1, 2, 3))
    with pytest.raises(ShapeError, match="y must"):
        bilinear_read(torch.zeros(2, 1, 4, 4), torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))
