import pytest
import torch

from unblur.errors import InputError
from unblur.models import create
from unblur.models.base import Net
from unblur.models.supervised import EstimatesBlurField
from unblur.training.batch import Batch
from unblur.training.blur_field import BlurFieldObjective, teacher_forced


@pytest.fixture(params=["accelerated-cpu-hour", "quick-cpu-hour"])
def recipe(request, shrink):
    return shrink(f"swift_best/{request.param}", crop=80, pair_size=80, teacher_forcing_until=0)


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
    blur_field = torch.tensor([5.0, 0.0, 5.0])[:, None, None].expand(2, 3, 20, 20)
    return Batch(blurry, sharp, blur_field, None, None, torch.arange(2))


def test_what_it_judges_is_what_the_network_restores(recipe, net, batch):
    """Also where that is at a smaller size."""
    output = BlurFieldObjective(net, recipe=recipe)(batch, 1)
    torch.testing.assert_close(output.restored, net(batch.blurry))
    assert (output.restored - batch.blurry).abs().max() > 1e-3


def test_the_truth_is_as_long_as_at_the_size_at_which_the_network_sees(recipe, net, batch):
    side = int(80 * net.scale)
    net.blur_field = lambda small: small.new_tensor([5.0, 0.0, 5.0])[:, None, None].expand(2, 3, side // 4, side // 4) * net.scale
    output = BlurFieldObjective(net, recipe=recipe)(batch, 0)
    assert output.shown["motion"] < 1e-5


def test_told_the_truth_it_restores_with_that(recipe, net, batch, change):
    known = change(recipe, teacher_forcing_until=10)
    assert teacher_forced(0, recipe=known).all()
    output = BlurFieldObjective(net, recipe=known)(batch, 0)
    small = net.downscaled(batch.blurry)
    truth = batch.blur_field[..., : small.shape[-2] // 4, : small.shape[-1] // 4] * net.scale  # it is the same everywhere
    torch.testing.assert_close(output.restored, net.apply_change(net.restore(small, truth), small=small, blurry=batch.blurry))


def test_refuses_networks_that_estimate_no_spread(recipe):
    with pytest.raises(InputError, match="estimate a blur field"):
        BlurFieldObjective(create("srn"), recipe=recipe)


class OwnNet(Net, EstimatesBlurField):
    """A network from outside the package, at its own scale: the blur field and the change are one convolution each."""

    def __init__(self):
        super().__init__()
        self.size_multiple, self.receptive_radius = 4, 4
        self.field, self.change = torch.nn.Conv2d(3, 3, 4, stride=4), torch.nn.Conv2d(6, 3, 1)

    def forward(self, blurry):
        return self.restore(blurry, self.blur_field(blurry))

    def downscaled(self, blurry):
        return blurry

    def blur_field(self, blurry):
        return self.field(blurry)

    def restore(self, blurry, blur_field):
        return blurry + self.change(torch.cat([blurry, torch.nn.functional.interpolate(blur_field, scale_factor=4)], dim=1))

    def apply_change(self, restored, *, small, blurry):  # noqa: ARG002
        return restored


def test_a_network_from_outside_is_supervised_alike(recipe, batch):
    net = OwnNet()
    output = BlurFieldObjective(net, recipe=recipe)(batch, 1)
    output.loss.backward()
    torch.testing.assert_close(output.restored, net(batch.blurry))
    assert all(parameter.grad.abs().max() > 0 for parameter in net.parameters())
