import pytest
import torch
from torch.nn.functional import interpolate

from unblur.errors import ShapeError
from unblur.layers.pyramid import area_halve, double, gaussian_halve, pyramid


@pytest.mark.parametrize("halve", [gaussian_halve, area_halve])
def test_constants_flips_and_ramps_are_kept(halve):
    image = torch.rand(1, 3, 8, 12, dtype=torch.float64)
    constant = torch.full_like(image, 0.3)
    torch.testing.assert_close(halve(constant), constant[..., ::2, ::2])
    torch.testing.assert_close(halve(image.flip(-1, -2)), halve(image).flip(-1, -2))
    ramp = torch.arange(12.0).expand(1, 1, 8, 12)
    torch.testing.assert_close(halve(ramp)[0, 0, 0, 1:-1], torch.tensor([2.5, 4.5, 6.5, 8.5]))  # centres stay


def test_gaussian_kernel_by_hand():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 3, 4] = 64.0
    expected = torch.zeros(4, 4)
    rows, columns = torch.tensor([0.0, 3.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 3.0, 0.0])
    expected = torch.outer(rows, columns)  # [1, 3, 3, 1] / 8 over pixels 2i - 1 ... 2i + 2
    torch.testing.assert_close(gaussian_halve(image)[0, 0], expected)


def test_area_is_bilinear_resizing():
    image = torch.rand(1, 3, 8, 6)
    torch.testing.assert_close(area_halve(image), interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False))


def test_double_undoes_halving_of_a_ramp():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    torch.testing.assert_close(double(area_halve(ramp))[..., 1:-1], ramp[..., 1:-1])


def test_pyramid_halves_again_and_again_finest_first():
    image = torch.rand(1, 3, 8, 8)
    levels = pyramid(image, levels=3, halve=area_halve)
    assert levels[0] is image
    torch.testing.assert_close(levels[2], area_halve(area_halve(image)))
    torch.testing.assert_close(pyramid(image, levels=2)[1], gaussian_halve(image))
    assert len(pyramid(image, levels=1)) == 1


def test_precision_is_the_inputs_under_autocast():
    image = torch.rand(1, 3, 8, 8)
    for function in (gaussian_halve, area_halve, double):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = function(image)
        torch.testing.assert_close(rounded, function(image), rtol=0, atol=0)


def test_refusals():
    for halve in (gaussian_halve, area_halve):
        with pytest.raises(ShapeError, match="even"):
            halve(torch.rand(1, 3, 7, 8))
    with pytest.raises(ShapeError, match="multiples of 4"):
        pyramid(torch.rand(1, 3, 8, 6), levels=3)
    with pytest.raises(ValueError, match="at least 1"):
        pyramid(torch.rand(1, 3, 8, 8), levels=0)
