"""MAXIM gives what the authors' program gives, and takes its weights by name."""

import numpy as np
import pytest
import torch
from graphs import GOLDEN, SMALL_MAXIM, published_maxim

from unblur.errors import ShapeError, WeightsError
from unblur.models.maxim import MAXIM, Double, Resize, rename_published_keys


def picture():
    values = np.arange(64 * 128 * 3).reshape(64, 128, 3) * 0.61803398875 % 1
    return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None]


@pytest.mark.parametrize("num_stages", [1, 2])
def test_restores_as_the_authors_program(num_stages):
    net = MAXIM(num_stages=num_stages, **SMALL_MAXIM).eval()
    net.load_state_dict(rename_published_keys(published_maxim(), num_stages=num_stages))
    with torch.inference_mode():
        restored = net(picture())[0]
    values = [restored[colour, row, column].item() for row, column, colour in GOLDEN["places"]]
    assert values == pytest.approx(GOLDEN["stages"][num_stages - 1], abs=2e-5)
    assert restored.mean().item() == pytest.approx(GOLDEN["means"][num_stages - 1], abs=1e-5)


@pytest.mark.parametrize(("num_stages", "quoted", "exact"), [(1, None, 6_134_371), (2, 14.1, 14_170_988), (3, 22.2, 22_207_605)])
def test_parameter_count(num_stages, quoted, exact):
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in MAXIM(num_stages=num_stages).parameters())
    assert count == exact
    assert quoted is None or abs(count / 1e6 - quoted) < 0.1


@pytest.mark.parametrize("name", ["conv1/kernel", "stage_0_input_conv_0/gamma", "UpSampleRatio_0/Dense_0/kernel"])
def test_other_names_are_refused(name):
    with pytest.raises(WeightsError, match="MAXIM"):
        rename_published_keys({name: torch.zeros(3)})


def test_stages_that_are_not_there_are_refused():
    with pytest.raises(WeightsError, match="have 2 stages, so that 3 cannot"):
        rename_published_keys(published_maxim(), num_stages=3)
    assert rename_published_keys(published_maxim()).keys() == rename_published_keys(published_maxim(), num_stages=2).keys()


def test_sizes_are_multiples_of_64():
    net = MAXIM(num_stages=1, **SMALL_MAXIM)
    with pytest.raises(ShapeError, match="multiples of 64"):
        net(torch.zeros(1, 3, 64, 96))


def test_a_network_has_a_stage():
    with pytest.raises(ValueError, match="num_stages"):
        MAXIM(num_stages=0)


def test_doubling_is_a_transposed_convolution():
    torch.manual_seed(0)
    double, x = Double(3, 2), torch.rand(2, 3, 4, 5)
    torch.nn.init.normal_(double.bias)
    weight = double.weight.view(2, 2, 2, 3).permute(3, 2, 0, 1)  # (in, out, ky, kx)
    torch.testing.assert_close(double(x), torch.nn.functional.conv_transpose2d(x, weight, double.bias, stride=2))


@pytest.mark.parametrize("levels", [-2, -1, 0, 1, 2])
def test_resizing_keeps_what_is_even(levels):
    resize = Resize(2, 3, levels=levels)
    x = torch.tensor([0.3, 0.7]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    y = resize(x)
    assert y.shape[-2:] == (round(8 * 2**levels),) * 2
    torch.testing.assert_close(y, resize.linear(x[..., :1, :1]).expand_as(y))
