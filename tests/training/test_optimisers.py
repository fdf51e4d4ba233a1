from types import SimpleNamespace

import pytest
import torch

from unblur.errors import InputError
from unblur.training.muon import Muon
from unblur.training.optimisers import hold_others, make_optimisers, rate, set_rates

PLAIN = {
    "steps": 100,
    "warmup": 0,
    "milestones": (),
    "gamma": 0.1,
    "decay": 0,
    "decay_shape": "polynomial",
    "decay_power": 1.0,
    "lr_end": 0.0,
}


def rates(**changes) -> list[float]:
    return [rate(step, recipe=SimpleNamespace(**(PLAIN | changes))) for step in range(101)]


def test_the_rate_rises_stays_and_falls_to_zero():
    found = rates(warmup=10, decay=20)
    assert found[0] == 0.1
    assert found[9:81] == [1.0] * 72
    assert found[90] == 0.5
    assert found[100] == 0


def test_the_rate_drops_at_milestones():
    found = rates(milestones=(30, 60), gamma=0.5)
    assert (found[29], found[30], found[59], found[60], found[100]) == (1, 0.5, 0.5, 0.25, 0.25)


def test_shapes_of_the_fall():
    assert rates(decay=100, lr_end=0.01)[100] == pytest.approx(0.01)
    assert rates(decay=100, decay_power=0.3)[50] == pytest.approx(0.5**0.3)
    cosine = rates(decay=100, decay_shape="cosine", lr_end=0.2)
    assert (cosine[0], cosine[50], cosine[100]) == pytest.approx((1.0, 0.6, 0.2))


class TwoParts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.flow = torch.nn.Conv2d(2, 3, 3)
        self.flower = torch.nn.Conv2d(3, 2, 3)


def groups(optimiser: str, lr_of: dict[str, float], *, only: tuple[str, ...] | None = None) -> dict[str, tuple[type, float]]:
    """Kind of optimiser and rate of every parameter."""
    net = TwoParts()
    recipe = SimpleNamespace(optimiser=optimiser, lr_of=lr_of, only=only, lr=1.0, betas=(0.9, 0.99), weight_decay=0.0, model="two")
    hold_others(net, recipe=recipe)
    made = make_optimisers(net, recipe=recipe)
    set_rates(made, 0.5)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return {
        names[id(parameter)]: (type(each), group["lr"]) for each in made for group in each.param_groups for parameter in group["params"]
    }


def test_parts_have_their_own_rate():
    found = groups("adam", {"flow": 0.01})
    assert found["flow.weight"] == found["flow.bias"] == (torch.optim.Adam, 0.005)
    assert found["flower.weight"] == found["flower.bias"] == (torch.optim.Adam, 0.5)


def test_muon_takes_the_weights_that_no_part_claims():
    found = groups("muon", {"flow": 0.01})
    assert found["flower.weight"] == (Muon, 0.5)
    assert found["flower.bias"] == (torch.optim.AdamW, 0.5)
    assert found["flow.weight"] == (torch.optim.AdamW, 0.005)


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"`lr_of` names `flo`.*it has flow, flower"):
        groups("adam", {"flo": 0.01})
    with pytest.raises(InputError, match=r"`only` names `flo`.*it has flow, flower"):
        groups("adam", {}, only=("flower", "flo"))


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_what_is_held_has_no_optimiser(optimiser):
    assert set(groups(optimiser, {}, only=("flow",))) == {"flow.weight", "flow.bias"}
    assert set(groups(optimiser, {"flow.bias": 0.1}, only=("flow.bias", "flower.weight"))) == {"flow.bias", "flower.weight"}


def test_what_is_held_has_no_rate():
    with pytest.raises(InputError, match=r"`lr_of` names `flow`.*to train; it has flower"):
        groups("adam", {"flow": 0.01}, only=("flower",))
