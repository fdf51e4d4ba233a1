from pathlib import Path

import numpy as np
import pytest
import torch

from unblur.layers.kernel import blur_kernel, evidence, levelled, path_middle, placed, transformed
from unblur.losses import log_kernel
from unblur.models import create
from unblur.models.swift_best import GAMMA, luma
from unblur.synth.stills import StillsBlur
from unblur.training.maker import PhotoMaker
from unblur.training.optimisers import hold_others
from unblur.training.sources import Made
from unblur.training.told_path import ToldPathObjective

RECIPE = Path(__file__).parents[2] / "recipes" / "swift_best" / "path-gpu-2min.yaml"
MOVED = StillsBlur(sharp_share=0, length=(4, 6), wobble=(0, 0.3), turn=0, zoom=0, object_share=0, noise_share=0, jpeg_share=0)


@pytest.fixture(scope="module")
def recipe(shrink):
    small = shrink(RECIPE, crop=96, pair_size=96)
    return small.model_copy(update={"arguments": small.arguments | {"kernel_size": 13}})


@pytest.fixture(scope="module")
def batch(recipe, photos, row):
    source = Made(row(PhotoMaker(tuple(photos), 1, 96, 1, False, False, MOVED, path=13)), recipe=recipe)
    return source.batch(0, slots=range(2)).to(torch.device("cpu"), channels_last=False)


def made(recipe):
    torch.manual_seed(0)
    net = create("swift_best", **recipe.arguments)
    hold_others(net, recipe=recipe)
    return net


def test_the_exact_path_undoes_the_blur_and_has_the_least_error(recipe, batch):
    """However the pictures were turned, their path was turned along."""
    net = made(recipe)
    untrained = ToldPathObjective(net, recipe=recipe)(batch, 0)
    net.sought = lambda bright: (batch.path, None)  # noqa: ARG005
    told = ToldPathObjective(net, recipe=recipe)(batch, 0)
    net.sought = lambda bright: (batch.path.rot90(1, (1, 2)), None)  # noqa: ARG005
    turned = ToldPathObjective(net, recipe=recipe)(batch, 0)
    assert told.loss < untrained.loss
    assert told.loss < turned.loss - 3

    def error(restored):
        inside = (..., slice(8, -8), slice(8, -8))
        return float((restored - batch.truth)[inside].square().mean())

    assert error(told.restored) < 0.5 * error(batch.blurry)
    assert error(turned.restored) > error(batch.blurry)


def test_untrained_it_judges_the_path_that_the_search_found(recipe, batch):
    windows = transformed(levelled(luma(batch.blurry**GAMMA)[:, 0]), size=13)
    kernel = blur_kernel(windows)
    found = evidence(windows, placed(kernel, path_middle(kernel)))[:, 0]
    judged = ToldPathObjective(made(recipe), recipe=recipe)(batch, 0)
    assert judged.loss.item() == pytest.approx(float(log_kernel(found, batch.path)), abs=0.05)


def test_only_what_makes_the_path_learns(recipe, batch):
    net = made(recipe)
    judged = ToldPathObjective(net, recipe=recipe)(batch, 0)
    judged.loss.backward()
    assert not judged.restored.requires_grad
    assert net.path.unet.exit.weight.grad.any()
    assert {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.grad is not None} == {"path"}


def test_pairs_carry_their_path_where_it_is_asked_for(photos):
    plain, with_path = (PhotoMaker(tuple(photos), 1, 32, 1, False, False, MOVED, path=path) for path in (None, 9))
    assert "path" not in plain(0)
    assert with_path(0).keys() == with_path.layout.keys()
    assert with_path(0)["path"].shape == with_path.layout["path"][0] == (9, 9)
    assert with_path(0)["path"].sum() == pytest.approx(1)
    assert all(np.array_equal(array, with_path(0)[name]) for name, array in plain(0).items())


def test_parts_of_a_batch_keep_their_path(batch):
    assert torch.equal(torch.cat([part.path for part in batch.parts(2)]), batch.path)
