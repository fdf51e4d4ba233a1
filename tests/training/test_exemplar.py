import pytest
import torch

from unblur.errors import InputError
from unblur.models import create
from unblur.models.xiang import EXEMPLAR_SIDE
from unblur.training.batch import Batch
from unblur.training.exemplar import ExemplarObjective
from unblur.training.recipe import read_recipe

SMALL = {"width": 4, "num_blocks": 1, "kernel_size": 3, "flow": None}


def objective(model="xiang", **arguments):
    torch.manual_seed(0)
    return ExemplarObjective(create(model, **(arguments or SMALL)), recipe=read_recipe("xiang/dvd"))


def batch(count=2):
    generator = torch.Generator().manual_seed(0)
    blurry, sharp = torch.rand(count, 3, 3, 16, 16, generator=generator), torch.rand(count, 1, 3, 16, 16, generator=generator)
    return Batch(blurry, sharp, None, None, None, torch.arange(count))


def test_the_exemplar_is_the_truth_of_another_crop():
    made, given = objective(), batch(3)
    output = made(given, 0)
    expected = made.net.restore_with(given.blurry, given.truth[[2, 0, 1]])
    assert torch.equal(output.restored, expected)
    torch.testing.assert_close(output.loss, (expected - given.truth).square().mean())


def test_the_last_step_leaves_its_exemplar_with_the_weights():
    made, given = objective(), batch()
    made(given, 0)
    assert made.net.exemplar.shape == (3, EXEMPLAR_SIDE, EXEMPLAR_SIDE)
    small = torch.nn.functional.avg_pool2d(made.net.exemplar, EXEMPLAR_SIDE // 4)
    torch.testing.assert_close(small, torch.nn.functional.avg_pool2d(given.truth[0], 4), rtol=0, atol=0.05)


def test_what_would_show_the_truth_is_refused():
    with pytest.raises(InputError, match="two crops or more"):
        objective()(batch(1), 0)


def test_networks_without_exemplars_are_refused():
    with pytest.raises(InputError, match="takes no exemplars"):
        objective("dbgan", width=4, num_blocks=1)
