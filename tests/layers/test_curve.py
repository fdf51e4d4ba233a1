"""Curves of known kernels, and kernels of known curves."""

import pytest
import torch
from smears import CURVE, LINE, drawn, leaves

from unblur.layers.curve import curve_kernel, fit_curve, thinned
from unblur.layers.kernel import blur_kernel


def mean_place(kernel):
    side = torch.arange(kernel.shape[-1], dtype=kernel.dtype) - kernel.shape[-1] // 2
    return torch.stack([(kernel.sum(-2) * side).sum(-1), (kernel.sum(-1) * side).sum(-1)], dim=-1)


def alike(one, other):
    return float((one * other).sum() / (one.norm() * other.norm()))


@pytest.mark.parametrize("kernel", [LINE, LINE.mT, drawn([(x, x * x // 16) for x in range(-9, 10)])], ids=["line", "upright", "arc"])
def test_the_kernel_of_its_curve_is_the_kernel(kernel):
    found = curve_kernel(fit_curve(kernel), size=31)
    assert alike(found, kernel) > 0.8
    torch.testing.assert_close(mean_place(found), mean_place(kernel), rtol=0, atol=0.3)


def test_the_first_coefficient_is_the_middle_of_the_exposure():
    """Of a line on which the camera lingered at one end: half of the light is there."""
    lingered = drawn([*((0, 0) for _ in range(8)), *((x, 0) for x in range(1, 9))])
    middle = fit_curve(lingered)[0, 0]
    assert float(middle[0]) < float(mean_place(lingered)[0, 0]) - 0.5
    assert float(middle[1]) == pytest.approx(0, abs=1e-3)
    still = fit_curve(drawn([(3, -2)]))[0]
    torch.testing.assert_close(still, torch.tensor([[3.0, -2.0], [0, 0], [0, 0], [0, 0]]), rtol=0, atol=1e-3)


def test_turns_and_moves_with_the_kernel():
    arc = drawn([(x, x * x // 16) for x in range(-9, 10)])
    turned = curve_kernel(fit_curve(arc.rot90(1, (-2, -1))), size=31)
    torch.testing.assert_close(turned, curve_kernel(fit_curve(arc), size=31).rot90(1, (-2, -1)), rtol=0, atol=2e-3)
    moved = fit_curve(arc.roll((2, -3), (-2, -1))) - fit_curve(arc)
    torch.testing.assert_close(moved[0], torch.tensor([[-3.0, 2.0], [0, 0], [0, 0], [0, 0]]), rtol=0, atol=0.05)


def test_specks_beside_the_path_do_not_stay():
    """A twentieth of the light, strewn about, is drawn into the curve, which stays thin."""
    path = drawn([(x, x // 3) for x in range(-8, 9)])
    specks = 0.95 * path + 0.05 * drawn([(3, 4), (-5, 3), (1, -4), (6, -2)])
    kernel = curve_kernel(fit_curve(specks), size=31)
    assert alike(kernel, path) > alike(specks, path) - 0.15
    assert float(kernel[path == 0].sum()) < float(curve_kernel(fit_curve(path), size=31)[path == 0].sum()) + 0.1


@pytest.mark.parametrize("size", [3, 5, 31])
def test_kernels_are_whole_whatever_the_light(size):
    generator = torch.Generator().manual_seed(0)
    for kernel in (torch.rand(2, size, size, generator=generator), torch.eye(size)[None]):
        found = curve_kernel(fit_curve(kernel / kernel.sum((1, 2), keepdim=True)), size=size)
        assert found.shape == kernel.shape
        assert float(found.min()) >= 0
        torch.testing.assert_close(found.sum((1, 2)), torch.ones(len(kernel)), rtol=0, atol=1e-4)


def test_kernels_of_a_batch_do_not_touch_each_other():
    both = fit_curve(torch.cat([CURVE, LINE]))
    torch.testing.assert_close(both, torch.cat([fit_curve(CURVE), fit_curve(LINE)]), rtol=1e-4, atol=1e-4)


def test_a_sharp_picture_has_a_curve_that_stays_where_it_is():
    curve = fit_curve(blur_kernel(leaves(), size=31))
    assert float(curve[:, 0].norm()) < 0.5
    assert float(curve_kernel(curve, size=31)[0, 13:18, 13:18].sum()) > 0.95


def test_a_thinned_kernel_has_its_light_nearer_to_the_path_and_its_middle_on_the_curve():
    path = drawn([(x, x // 3) for x in range(-8, 9)])
    specks = 0.9 * path + 0.1 * drawn([(3, 9), (-5, 9), (1, -9), (6, -9)])
    kernel, middle = thinned(specks)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-4)
    assert float(kernel[0, 24].sum()) == pytest.approx(0.025, abs=2e-3)
    torch.testing.assert_close(middle, fit_curve(specks)[:, 0])
