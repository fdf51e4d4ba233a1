import pytest
import torch
from blurred_pictures import CURVE, blurred, leaves

from unblur.layers.blind_deconvolution import BORDER, BlindDeconvolution, KernelEstimator, add_border, remove_border
from unblur.layers.kernel_refinement import CONFIDENCE_CHANNELS
from unblur.layers.light import GAMMA
from unblur.layers.windows import WindowLayout, to_windows


def deconvolution(*, iterations=((3,), (3, 3), (5, 6, 7)), cell=8, kernels=None, **layout):
    estimator = KernelEstimator(**{"refiner_widths": (8,), "refiner_blocks": (0,), **(kernels or {})})
    return BlindDeconvolution(kernel_estimator=estimator, layout=WindowLayout(**layout), iterations=iterations, cell=cell)


def pictures():
    """A picture of three colours, sharp and blurred in linear light, (1, 3, 128, 128)."""
    light = leaves()[:, None] * torch.tensor([1.0, 0.8, 0.5])[:, None, None]
    sharp, blurry = light, blurred(light, CURVE[:, None]).clamp(0, 1)
    return blurry ** (1 / GAMMA), sharp ** (1 / GAMMA)


def psnr(one, other):
    return -10 * (one - other).detach().square().mean().log10().item()


@pytest.mark.parametrize("shape", [(32, 40), (1, 5)])
def test_the_border_is_removed_again(shape):
    blurry = torch.rand(2, 3, *shape)
    light, down, across = add_border(blurry)
    assert light.shape[-2:] == (shape[0] + 2 * down, shape[1] + 2 * across)
    torch.testing.assert_close(remove_border(light, down, across), blurry**GAMMA)


def test_deconvolved_pictures_are_nearer_to_the_truth():
    """And in their place, not shifted by a few pixels."""
    blurry, sharp = pictures()
    first, second = deconvolution(iterations=((2,), (5,)))(blurry)[0].chunk(2, dim=1)
    gains = [psnr(deconvolved, sharp) - psnr(blurry, sharp) for deconvolved in (first, second)]
    assert gains[0] > 1
    assert gains[1] > gains[0]


def test_every_window_has_a_kernel_of_its_own():
    """Two pictures side by side, only one of which is blurred: the other one stays."""
    blurry, sharp = pictures()
    half = torch.cat([blurry, sharp.flip(-1)], dim=-1)
    truth = torch.cat([sharp, sharp.flip(-1)], dim=-1)
    deconvolved = deconvolution(side=128, stride=96, iterations=((4,),))(half)[0]
    assert deconvolved.shape == half.shape
    assert psnr(deconvolved[..., :96], truth[..., :96]) > psnr(half[..., :96], truth[..., :96]) + 0.7
    assert psnr(deconvolved[..., 208:-16], truth[..., 208:-16]) > 30


def test_windows_are_wider_where_one_will_do():
    blurry, _ = pictures()
    side = blurry.shape[-1] + 2 * BORDER
    many, wide, one = (deconvolution(side=w, stride=80, max_side=m) for w, m in ((96, 0), (96, side), (side, 0)))
    assert [part.receptive_radius for part in (many, wide, one)] == [96, side, side]
    assert torch.equal(wide(blurry)[0], one(blurry)[0])
    assert not torch.equal(wide(blurry)[0], many(blurry)[0])


def test_windows_that_are_deconvolved_are_narrower_where_they_overlap_by_much():
    blurry, sharp = pictures()
    plain, wide, narrow = (deconvolution(side=96, stride=80, overlap=overlap)(blurry) for overlap in (0, 96, 16))
    assert torch.equal(plain[0], wide[0])
    assert not torch.equal(plain[0], narrow[0])
    assert all(torch.equal(plain[1], other[1]) for other in (wide, narrow))  # the kernels are the same
    assert psnr(narrow[0][:, :3], sharp) > psnr(blurry, sharp) + 0.5


def test_clipped_highlights_reach_into_other_windows():
    light = torch.full((1, 3, 64, 128), 0.2)
    light[..., 24:40, 66:74] = 1.0  # beside the first window
    part = deconvolution(side=64, stride=64, kernels={"size": 15})
    bright, mask = to_windows(part.search_input(light), layout=part.layout)[0]
    torch.testing.assert_close(bright, torch.full_like(bright, 0.2))
    assert float(mask[32, 63]) == 0
    assert float(mask[32, 48]) == 1  # further than half a kernel away


def test_a_kernel_must_hold_the_trajectory():
    """That is 7 pixels long: half of it is not enough."""
    blurry, sharp = pictures()
    small, large = (psnr(deconvolution(kernels={"size": size})(blurry)[0][:, 3:6], sharp) for size in (5, 31))
    assert large > small + 0.5


@pytest.mark.parametrize("cell", [4, 8])
@pytest.mark.parametrize("shape", [(8, 8), (8, 64), (56, 16)])
def test_small_pictures_are_deconvolved_too(shape, cell):
    deconvolved, confidence = deconvolution(cell=cell)(torch.rand(1, 3, *shape))
    assert deconvolved.shape == (1, 9, *shape)
    assert confidence.shape == (1, CONFIDENCE_CHANNELS, shape[0] // cell, shape[1] // cell)
    assert deconvolved.isfinite().all()
    assert confidence.isfinite().all()


def test_the_refiner_learns_from_deconvolved_pictures():
    """A gradient flows to it, also where a picture is black."""
    blurry, sharp = pictures()
    blurry[..., :20, :] = 0
    part = deconvolution()
    (part(blurry)[0][:, -3:] - sharp).square().mean().backward()
    gradients = [parameter.grad for parameter in part.kernel_estimator.refiner.unet.exit.parameters()]
    assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients)


def test_it_is_the_same_in_any_precision():
    blurry, _ = pictures()
    part = deconvolution()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = part(blurry)
    assert all(torch.equal(one, other) for one, other in zip(rounded, part(blurry), strict=True))


def test_arguments_of_the_search_change_the_kernel():
    blurry, _ = pictures()
    found = []
    for changes in ({}, {"iterations": (0, 0, 1)}, {"threshold": 0.5}, {"restart_edges": False}):
        part = deconvolution(kernels=changes)
        kernel, evidence = part.kernel_estimator(*part.search_input(blurry**GAMMA).unbind(1))
        assert kernel.sum((1, 2)).allclose(torch.ones(1))
        found.append(evidence[:, 0])
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert not torch.allclose(found[0], found[3], atol=1e-4)
    assert int((found[2] > 0).sum()) < int((found[0] > 0).sum())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kernels": {"size": 30}}, "odd"),
        ({"kernels": {"size": 1}}, "at least 3"),
        ({"kernels": {"iterations": (0, 0)}}, "kernel estimation"),
        ({"kernels": {"iterations": ()}}, "kernel estimation"),
        ({"side": 20, "stride": 10}, "at least 24 pixels"),
        ({"iterations": ()}, "iterations"),
        ({"iterations": ((1,), (0,))}, "iterations"),
        ({"iterations": ((1,), ())}, "iterations"),
    ],
)
def test_refuses_what_makes_no_sense(wrong, says):
    with pytest.raises(ValueError, match=says):
        deconvolution(**wrong)
