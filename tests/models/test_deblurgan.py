import pytest
import torch

from unblur.errors import ShapeError
from unblur.models.deblurgan import DeblurGAN, DeblurGANCritic


def test_corrects_its_input_by_at_most_half_the_range():
    torch.manual_seed(0)
    net = DeblurGAN(width=4, num_blocks=1)
    blurry = torch.rand(1, 3, 16, 16)
    for parameter in net.layers[-2].parameters():
        parameter.data.fill_(0)
    torch.testing.assert_close(net(blurry), blurry)
    net.layers[-2].bias.data.fill_(100.0)
    torch.testing.assert_close(net(blurry), blurry + 0.5)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net = DeblurGAN(width=4, num_blocks=1)
    blurry = torch.rand(1, 3, 16, 16)
    assert not torch.equal(net(blurry), net(blurry))
    net.eval()
    assert torch.equal(net(blurry), net(blurry))


def test_normalisation_reaches_across_the_picture():
    net = DeblurGAN(width=4, num_blocks=0).eval()
    blurry = torch.rand(1, 3, 8, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(blurry)[0, 0, 0, 0], blurry)
    assert net.global_context
    assert gradient[..., net.receptive_radius + 1 :].abs().sum() > 0


def test_critic_scores_patches_of_70_pixels():
    torch.manual_seed(0)
    critic = DeblurGANCritic(width=2)
    assert critic(torch.rand(2, 3, 32, 64)).shape == (2, 1, 2, 6)
    reach, stride = 1, 1
    for layer in critic.layers:
        if isinstance(layer, torch.nn.Conv2d):
            reach += (layer.kernel_size[0] - 1) * stride
            stride *= layer.stride[0]
    assert reach == 70
    for size in ((24, 32), (32, 36)):
        with pytest.raises(ShapeError):
            critic(torch.rand(1, 3, *size))
