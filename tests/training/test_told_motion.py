from pathlib import Path

import pytest
import torch

from unblur.errors import InputError
from unblur.models import create
from unblur.training.batch import Batch
from unblur.training.told_motion import ToldMotionObjective, told

ROOT = Path(__file__).parents[2] / "recipes" / "swift_best"


@pytest.fixture(params=["leaps-cpu-hour", "quick-cpu-hour"])
def recipe(request, shrink):
    return shrink(ROOT / f"{request.param}.yaml", crop=80, pair_size=80, told_until=0)


@pytest.fixture
def net(recipe):
    torch.manual_seed(0)
    net = create("swift_best", **recipe.arguments)
    for parameter in net.restoration.exit.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return net.train()


@pytest.fixture
def batch():
    """Smeared by 5 pixels, half of that up, half down."""
    generator = torch.Generator().manual_seed(0)
    blurry, sharp = torch.rand(2, 3, 80, 80, generator=generator), torch.rand(2, 1, 3, 80, 80, generator=generator)
    spread = torch.tensor([5.0, 0.0, 5.0])[:, None, None].expand(2, 3, 20, 20)
    return Batch(blurry, sharp, spread, None, None, torch.arange(2))


def test_what_it_judges_is_what_the_network_restores(recipe, net, batch):
    """Also where that is at a smaller size."""
    judged = ToldMotionObjective(net, recipe=recipe)(batch, 1)
    torch.testing.assert_close(judged.restored, net(batch.blurry))
    assert (judged.restored - batch.blurry).abs().max() > 1e-3


def test_the_truth_is_as_long_as_at_the_size_at_which_the_network_sees(recipe, net, batch):
    side = int(80 * net.share)
    net.spread = lambda small: small.new_tensor([5.0, 0.0, 5.0])[:, None, None].expand(2, 3, side // 4, side // 4) * net.share
    judged = ToldMotionObjective(net, recipe=recipe)(batch, 0)
    assert judged.shown["motion"] < 1e-5


def test_told_the_truth_it_restores_with_that(recipe, net, batch):
    known = recipe.model_copy(update={"told_until": 10})
    assert told(0, recipe=known).all()
    judged = ToldMotionObjective(net, recipe=known)(batch, 0)
    small = net.smaller(batch.blurry)
    truth = batch.spread[..., : small.shape[-2] // 4, : small.shape[-1] // 4] * net.share  # it is the same everywhere
    torch.testing.assert_close(judged.restored, net.larger(net.restore(small, truth), small=small, blurry=batch.blurry))


def test_refuses_networks_that_estimate_no_spread(recipe):
    with pytest.raises(InputError, match="estimate how pixels are smeared"):
        ToldMotionObjective(create("srn"), recipe=recipe)
