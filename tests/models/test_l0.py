"""Pictures that were blurred with a known kernel in linear light."""

import math

import pytest
import torch
from blurred_pictures import CURVE, LINE, blurred, leaves

from unblur.layers.kernels import centre_kernel, exposure_midpoint
from unblur.layers.light import GAMMA
from unblur.models.l0 import L0, SMALLEST_SIDE

COLOURS = torch.tensor([1.0, 0.8, 0.6])[:, None, None]


def pair(kernel, *, gamma=GAMMA, size=128):
    """A blurry picture and the sharp one, (1, 3, size, size), whose kernel has the middle of the exposure in its middle."""
    centred = centre_kernel(kernel, exposure_midpoint(kernel))
    light = 0.1 + 0.8 * leaves(height=size, width=size)[:, None] * COLOURS
    return blurred(light, centred[:, None]).clamp(0, 1) ** (1 / gamma), light ** (1 / gamma), centred


def psnr(one, other):
    return -10 * math.log10(float((one - other)[..., 8:-8, 8:-8].square().mean()))


def alike(one, other):
    """Correlation of two kernels of the same size without a shift, 1 for the same."""
    return float((one * other).sum() / (one.norm() * other.norm()))


@pytest.mark.parametrize(("kernel", "gain"), [(CURVE, 3), (LINE, 1.5)], ids=["curve", "line"])
def test_the_kernel_is_found_and_the_picture_gains(kernel, gain):
    blurry, sharp, centred = pair(kernel)
    net = L0()
    assert psnr(net(blurry), sharp) > psnr(blurry, sharp) + gain
    found = net.estimate(net.windows(blurry**GAMMA))
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))
    assert alike(found, centred) > 0.7


def test_a_sharp_picture_stays_as_it_is():
    _, sharp, _ = pair(CURVE)
    assert psnr(L0()(sharp), sharp) > 35


def test_nothing_is_learnt_and_nothing_is_random():
    blurry, _, _ = pair(CURVE, size=64)
    assert not L0().state_dict()
    assert torch.equal(L0()(blurry), L0()(blurry))


def test_a_mirrored_picture_is_restored_mirrored():
    blurry, sharp, _ = pair(CURVE)
    net = L0()
    assert psnr(net(blurry.flip(-1)).flip(-1), sharp) > psnr(blurry, sharp) + 3


@pytest.mark.parametrize(("height", "width"), [(61, 47), (24, 90), (37, 128)])
def test_any_size_is_restored(height, width):
    blurry = pair(CURVE)[0][..., :height, :width]
    restored = L0()(blurry)
    assert restored.shape == blurry.shape
    assert restored.isfinite().all()
    assert not torch.equal(restored, blurry)


def test_a_picture_too_small_for_a_kernel_stays_as_it_is():
    for height, width in ((1, 1), (SMALLEST_SIDE - 1, 100)):
        blurry = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        assert torch.equal(L0()(blurry), blurry)
        assert L0().diagnostics(blurry) == []


@pytest.mark.parametrize("changed", [{"kernel_size": 9}, {"iterations": (1,)}, {"data_weight": 50.0}, {"gamma": 1.0}])
def test_every_argument_counts(changed):
    blurry, _, _ = pair(CURVE)
    assert not torch.equal(L0(**changed)(blurry), L0()(blurry))


def test_without_gamma_blur_is_undone_in_pixel_values():
    blurry, sharp, _ = pair(CURVE, gamma=1.0)
    assert psnr(L0(gamma=1.0)(blurry), sharp) > psnr(blurry, sharp) + 3


def test_noise_wants_a_smaller_data_weight():
    blurry, sharp, _ = pair(LINE)
    noisy = (blurry + 0.03 * torch.randn(blurry.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert psnr(L0(data_weight=50.0)(noisy), sharp) > psnr(L0(data_weight=5000.0)(noisy), sharp)


@pytest.mark.parametrize(
    "wrong", [{"kernel_size": 8}, {"kernel_size": 1}, {"iterations": ()}, {"iterations": (0, 0)}, {"data_weight": 0.0}, {"gamma": -1.0}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        L0(**wrong)
