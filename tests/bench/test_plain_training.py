"""Plain training: it learns, it can be repeated, and each of its arguments matters."""

import pytest
import torch

from unblur.bench.datasets import open_data
from unblur.bench.plain_training import plain_training
from unblur.errors import InputError

TINY = {"num_scales": 2, "width": 4, "num_blocks": 1}


def weights_of(pairs, *, steps=2, system="deepdeblur", arguments=TINY, **options):
    options = {"loss": "multiscale_content", "crop": 16} | options
    net = plain_training(open_data(str(pairs)), **options)(system, arguments, steps)
    assert not net.training
    return torch.cat([each.detach().flatten() for each in net.parameters()])


def test_the_same_seed_gives_the_same_network(pairs):
    assert torch.equal(weights_of(pairs), weights_of(pairs))


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"batch": 1}, {"crop": 20}, {"lr": 1e-3}, {"steps": 3}, {"loss": "l1"}, {"loss": "mse"}, {"loss": "multiscale_mse"}],
)
def test_every_argument_matters(pairs, change):
    assert not torch.equal(weights_of(pairs), weights_of(pairs, **change))


def test_it_learns(pairs):
    told = []
    weights_of(
        pairs,
        steps=60,
        lr=3e-3,
        arguments={"num_scales": 1, "width": 8, "num_blocks": 1},
        told=lambda step, loss: told.append((step, loss)),
    )
    assert [step for step, _ in told] == list(range(60))
    assert sum(loss for _, loss in told[-10:]) < 0.5 * sum(loss for _, loss in told[:10])


def test_a_video_network_is_trained_on_windows(pairs):
    arguments = {"width": 16, "hidden": 4, "num_blocks": 1}
    before = weights_of(pairs, steps=1, system="ifirnn", arguments=arguments, loss="mse", lr=1e-9)
    after = weights_of(pairs, steps=2, system="ifirnn", arguments=arguments, loss="mse", lr=1e-2)
    assert (before - after).abs().max() > 1e-3


def test_a_crop_larger_than_the_picture_is_an_error(pairs):
    with pytest.raises(InputError, match="--crop"):
        weights_of(pairs, crop=64)


def test_global_randomness_is_left_alone(pairs):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    weights_of(pairs)
    assert torch.equal(torch.rand(1), expected)
