import numpy as np
import pytest
import torch

from unblur.layers.kernel_estimation import estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import kernel_evidence
from unblur.layers.kernel_input import normalise_contrast
from unblur.layers.kernels import centre_kernel, exposure_midpoint
from unblur.layers.light import GAMMA, luma
from unblur.losses import log_kernel
from unblur.models import create
from unblur.synth.stills import StillsBlur
from unblur.training.camera_kernel import CameraKernelObjective
from unblur.training.maker import PhotoMaker
from unblur.training.optimisers import hold_others
from unblur.training.recipe_files import merge
from unblur.training.sources import Made

RECIPE = "swift_best/kernel-gpu-2min"
MOVED = StillsBlur(
    sharp_probability=0, length=(4, 6), wobble=(0, 0.3), turn=0, zoom=0, object_probability=0, noise_probability=0, jpeg_probability=0
)


@pytest.fixture(scope="module")
def recipe(shrink):
    small = shrink(RECIPE, crop=96, pair_size=96)
    return small.model_copy(update={"arguments": merge(small.arguments, {"kernels": {"size": 13}})})


@pytest.fixture(scope="module")
def batch(recipe, photos, row):
    source = Made(row(PhotoMaker(tuple(photos), 1, 96, 1, False, False, MOVED, kernel=13)), recipe=recipe)
    return source.batch(0, slots=range(2)).to(torch.device("cpu"), channels_last=False)


def made(recipe):
    torch.manual_seed(0)
    net = create("swift_best", **recipe.arguments)
    hold_others(net, recipe=recipe)
    return net


def test_the_exact_kernel_removes_the_blur_and_has_the_least_error(recipe, batch):
    """However the pictures were turned, their kernel was turned along."""
    net = made(recipe)
    untrained = CameraKernelObjective(net, recipe=recipe)(batch, 0)
    estimator = net.deconvolution.kernel_estimator
    estimator.forward = lambda light, mask: (batch.kernel, None)  # noqa: ARG005
    told = CameraKernelObjective(net, recipe=recipe)(batch, 0)
    estimator.forward = lambda light, mask: (batch.kernel.rot90(1, (1, 2)), None)  # noqa: ARG005
    turned = CameraKernelObjective(net, recipe=recipe)(batch, 0)
    assert told.loss < untrained.loss
    assert told.loss < turned.loss - 3

    def error(restored):
        inside = (..., slice(8, -8), slice(8, -8))
        return float((restored - batch.truth)[inside].square().mean())

    assert error(told.restored) < 0.5 * error(batch.blurry)
    assert error(turned.restored) > error(batch.blurry)


def test_untrained_it_judges_the_kernel_that_the_search_found(recipe, batch):
    windows = prepare_windows(normalise_contrast(luma(batch.blurry**GAMMA)[:, 0]), size=13)
    kernel = estimate_kernel(windows)
    found = kernel_evidence(windows, centre_kernel(kernel, exposure_midpoint(kernel)))[:, 0]
    output = CameraKernelObjective(made(recipe), recipe=recipe)(batch, 0)
    assert output.loss.item() == pytest.approx(float(log_kernel(found, batch.kernel)), abs=0.05)


def test_only_the_refinement_learns(recipe, batch):
    net = made(recipe)
    output = CameraKernelObjective(net, recipe=recipe)(batch, 0)
    output.loss.backward()
    assert not output.restored.requires_grad
    assert net.deconvolution.kernel_estimator.refiner.unet.exit.weight.grad.any()
    assert {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.grad is not None} == {"deconvolution"}


def test_pairs_carry_their_kernel_where_it_is_asked_for(photos):
    plain, with_kernel = (PhotoMaker(tuple(photos), 1, 32, 1, False, False, MOVED, kernel=kernel) for kernel in (None, 9))
    assert "kernel" not in plain(0)
    assert with_kernel(0).keys() == with_kernel.layout.keys()
    assert with_kernel(0)["kernel"].shape == with_kernel.layout["kernel"][0] == (9, 9)
    assert with_kernel(0)["kernel"].sum() == pytest.approx(1)
    assert all(np.array_equal(array, with_kernel(0)[name]) for name, array in plain(0).items())


def test_parts_of_a_batch_keep_their_kernel(batch):
    assert torch.equal(torch.cat([part.kernel for part in batch.parts(2)]), batch.kernel)
