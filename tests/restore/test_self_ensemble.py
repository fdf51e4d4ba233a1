"""Views are turned back exactly, and a network shown all eight treats a picture and its mirror image alike."""

import dataclasses

import pytest
import torch
from nets import CPU, Darker, Folded

from unblur.errors import InputError
from unblur.restore.precision import Setup, set_up
from unblur.restore.self_ensemble import COUNTS, check_self_ensemble, from_view, to_view

ONE = Setup(CPU, torch.float32)
ALL = dataclasses.replace(ONE, self_ensemble=8)


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("view", range(8))
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 3, 8, 4), (1, 3, 3, 4, 6)])
def test_a_view_is_turned_back_exactly(view, shape):
    given = picture(*shape)
    seen = to_view(given, view)
    assert seen.shape[:-2] == given.shape[:-2]
    assert torch.equal(from_view(seen, view), given)


def test_the_views_are_eight_and_the_first_is_the_picture_itself():
    given = picture(1, 4, 4)
    views = [to_view(given, view) for view in range(8)]
    assert torch.equal(views[0], given)
    assert torch.equal(views[1], given.flip(-1))
    assert len({view.numpy().tobytes() for view in map(torch.Tensor.contiguous, views)}) == 8


@pytest.mark.parametrize("self_ensemble", COUNTS)
def test_the_result_is_the_mean_over_the_views(self_ensemble):
    net, blurry = Folded(2).eval(), picture(1, 3, 12, 20)
    expected = torch.stack([from_view(net(to_view(blurry, view)), view) for view in range(self_ensemble)]).mean(dim=0)
    torch.testing.assert_close(dataclasses.replace(ONE, self_ensemble=self_ensemble).run(net, blurry), expected.detach())


def test_one_view_is_the_network_itself():
    net, blurry = Folded(2).eval(), picture(1, 3, 12, 20)
    assert torch.equal(ONE.run(net, blurry), net(blurry).detach())


@pytest.mark.parametrize("view", range(8))
def test_with_all_views_a_turned_picture_is_restored_as_the_picture_is(view):
    net, blurry = Folded(2).eval(), picture(1, 3, 12, 20)
    turned = to_view(blurry, view)
    torch.testing.assert_close(ALL.run(net, turned), to_view(ALL.run(net, blurry), view))
    if view:
        assert (ONE.run(net, turned) - to_view(ONE.run(net, blurry), view)).abs().max() > 1e-3


def test_what_a_network_does_alike_in_all_views_it_does_in_their_mean():
    blurry = picture(1, 3, 12, 20)
    torch.testing.assert_close(ALL.run(Darker(), blurry), 0.9 * blurry)


@pytest.mark.parametrize("self_ensemble", [0, 3, 16])
def test_other_numbers_are_refused(self_ensemble):
    with pytest.raises(InputError, match="1, 2, 4, 8"):
        check_self_ensemble(self_ensemble)
    with pytest.raises(InputError, match="1, 2, 4, 8"):
        set_up(Darker(), device="cpu", self_ensemble=self_ensemble)


def test_the_setup_has_the_views_in_every_precision():
    assert set_up(Folded(2), device="cpu", self_ensemble=4).self_ensemble == 4
    assert set_up(Folded(2), device="cpu", precision="fp32", self_ensemble=2).self_ensemble == 2
    assert set_up(Folded(2), device="cpu").self_ensemble == 1
