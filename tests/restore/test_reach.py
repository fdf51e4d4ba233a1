import pytest
import torch
from nets import CPU, GlobalMean, Identity
from torch import Tensor

from unblur.restore.noise import like_pictures
from unblur.restore.reach import Reach, measure_reach, reach_of_change


class Shifted(Identity):
    """Adds a share of what lies `distance` pixels to the left."""

    def __init__(self, distance: int) -> None:
        super().__init__()
        self.distance = distance

    def change(self, blurry: Tensor) -> Tensor:
        return blurry + 0.2 * blurry.roll(self.distance, dims=-1)


def test_the_radius_of_a_network_whose_radius_is_known():
    """The column at distance d sees what lies left of the border, at -1 and beyond, as long as d is less than its reach."""
    assert measure_reach(Shifted(100), device=CPU) == Reach(100, 0.0)


def test_a_radius_has_a_minimum():
    assert measure_reach(Identity(), device=CPU) == Reach(64, 0.0)


def test_global_context_is_found():
    reach = measure_reach(GlobalMean(), device=CPU)
    assert reach.is_global
    pictures = like_pictures(2, 64, 512, generator=torch.Generator().manual_seed(0))
    means = pictures[..., :256].mean(dim=(1, 2, 3))
    assert reach.remains == pytest.approx(0.05 * 0.5 * abs(float(means[0] - means[1])), rel=1e-2)


def test_local_change_beyond_a_global_one_is_the_radius():
    change = torch.full((256,), 0.02)
    change[:90] = 0.3
    assert reach_of_change(change) == Reach(90, pytest.approx(0.02))


@pytest.mark.parametrize(("amount", "radius"), [(9e-4, 64), (1.1e-3, 150)])
def test_what_is_less_than_visible_does_not_count(amount, radius):
    change = torch.zeros(256)
    change[:150] = amount
    assert reach_of_change(change) == Reach(radius, 0.0)


def test_what_is_not_a_number_counts_as_a_change():
    change = torch.zeros(256)
    change[120] = torch.nan
    assert reach_of_change(change) == Reach(121, 0.0)
    change[250] = torch.nan
    assert reach_of_change(change).is_global


def test_sizes_that_the_network_takes_are_used():
    net = Identity()
    net.size_multiple, net.size_square = 48, True
    measure_reach(net, device=CPU)
    assert set(net.seen) == {(528, 528)}
