import pytest
import torch

from unblur.errors import ShapeError
from unblur.models.dbgan import BGAN, DBGAN, NOISE_CHANNELS, DBGANDiscriminator


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(height=16, width=16, *, batch=2):
    return torch.rand(batch, 3, height, width, generator=noise(7))


def zero(module):
    for parameter in module.parameters():
        parameter.data.zero_()


def test_corrects_its_input_by_what_the_blocks_say():
    torch.manual_seed(0)
    net, blurry = DBGAN(width=4, num_blocks=2), picture(13, 17)
    feat = net.correct.head(blurry - 0.5)
    x = feat
    for block in net.correct.blocks:
        x = x + block.layers(x)
    torch.testing.assert_close(net(blurry), blurry + net.correct.picture(feat + net.correct.tail(x)))
    zero(net.correct.picture)
    assert torch.equal(net(blurry), blurry)


def test_a_block_is_five_convolutions_with_four_activations():
    (block,) = DBGAN(width=4, num_blocks=1).correct.blocks
    kinds = [type(module) for module in block.modules()]
    assert (kinds.count(torch.nn.Conv2d), kinds.count(torch.nn.ReLU)) == (5, 4)


def test_a_shift_of_the_picture_shifts_the_result():
    torch.manual_seed(0)
    net, blurry = DBGAN(width=4, num_blocks=1), picture(32, 32)
    inside = slice(net.receptive_radius + 3, -net.receptive_radius - 3)
    shifted = net(blurry.roll((2, -3), (-2, -1))).roll((-2, 3), (-2, -1))
    torch.testing.assert_close(shifted[..., inside, inside], net(blurry)[..., inside, inside])


def test_bgan_makes_of_each_noise_another_blur():
    torch.manual_seed(0)
    net, sharp = BGAN(width=4, num_blocks=1), picture(9, 11)
    blurred = net(sharp, generator=noise())
    assert blurred.shape == sharp.shape
    assert torch.equal(net(sharp, generator=noise()), blurred)
    assert not torch.equal(net(sharp, generator=noise(1)), blurred)
    net.correct.head.weight.data[:, -NOISE_CHANNELS:] = 0
    assert torch.equal(net(sharp, generator=noise(1)), net(sharp, generator=noise()))


def test_every_parameter_of_bgan_and_of_the_discriminator_gets_a_gradient():
    torch.manual_seed(0)
    net, discriminator = BGAN(width=4, num_blocks=1), DBGANDiscriminator(width=4)
    discriminator(net(picture(), generator=noise())).square().mean().backward()
    for module in (net, discriminator):
        assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in module.parameters())


def test_the_discriminator_scores_each_picture_by_itself_whatever_its_size():
    torch.manual_seed(0)
    discriminator = DBGANDiscriminator(width=4)
    pictures = picture(32, 48)
    scores = discriminator(pictures)
    assert scores.shape == (2, 1)
    torch.testing.assert_close(discriminator(pictures[1:]), scores[1:])
    for size in ((24, 32), (32, 0)):
        with pytest.raises(ShapeError):
            discriminator(torch.rand(1, 3, *size))
