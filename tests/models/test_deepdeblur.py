import pytest
import torch
from torch import nn

from unblur.errors import ShapeError
from unblur.models.deepdeblur import DeepDeblur, DeepDeblurDiscriminator


class Linear(nn.Module):
    """Own picture times `own`, plus coarser picture (channels 3 to 6, if there) times `coarser`."""

    def __init__(self, own, coarser=0.0):
        super().__init__()
        self.own, self.coarser = own, coarser
        self.seen = None

    def forward(self, x):
        self.seen = x
        return x[:, :3] * self.own + (x[:, 3:] * self.coarser if x.shape[1] > 3 else 0)


def test_each_level_reads_its_picture_and_the_coarser_result():
    """L_3 = 2 B, L_2 = 3 B + 5 up(L_3), L_1 = 7 B + 11 up(L_2) with up = times 10, on a constant B - 0.5 = 0.1."""
    net = DeepDeblur(width=1, num_blocks=0)
    net.scales = nn.ModuleList([Linear(7, 11), Linear(3, 5), Linear(2)])
    net.ups = nn.ModuleList(nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), Linear(10)) for _ in range(2))
    restored = net.forward_scales(torch.full((1, 3, 8, 12), 0.6))
    assert [tuple(image.shape[-2:]) for image in restored] == [(8, 12), (4, 6), (2, 3)]
    expected = [7 * 0.1 + 110 * (3 * 0.1 + 50 * 0.2), 3 * 0.1 + 50 * 0.2, 0.2]
    for image, value in zip(restored, expected, strict=True):
        torch.testing.assert_close(image, torch.full_like(image, value + 0.5), rtol=1e-5, atol=1e-4)
    assert [scale.seen.shape[1] for scale in net.scales] == [6, 6, 3]


def test_upconvolution_is_learned():
    net = DeepDeblur(num_scales=2, width=2, num_blocks=1)
    net(torch.rand(1, 3, 8, 8)).sum().backward()
    assert net.ups[0].weight.grad.abs().sum() > 0


def test_fixed_upsampling_is_bilinear_and_has_nothing_to_learn():
    net = DeepDeblur(num_scales=2, width=2, num_blocks=1, upsampling="fixed")
    assert list(net.ups.parameters()) == []
    ramp = torch.arange(4.0).expand(1, 3, 2, 4)
    torch.testing.assert_close(net.ups[0](ramp)[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]))
    assert [scale.shape[-1] for scale in net.forward_scales(torch.rand(1, 3, 8, 8))] == [8, 4]


def test_fixed_upsampling_reads_what_the_learned_one_reads():
    reached = []
    for upsampling in ("fixed", "learned"):
        coarser = torch.rand(1, 3, 6, 6, requires_grad=True)
        DeepDeblur(num_scales=2, width=2, num_blocks=1, upsampling=upsampling).ups[0](coarser)[..., 5, 5].sum().backward()
        reached.append(coarser.grad.abs().sum((0, 1)) > 0)
    assert torch.equal(*reached)


def test_relu_after_the_sum_is_in_every_block():
    net = DeepDeblur(num_scales=2, width=2, num_blocks=3, relu_after_sum=True)
    assert [block.act_after_sum for scale in net.scales for block in scale[1]] == [True] * 6
    feats = net.scales[0][:2](torch.randn(1, 6, 8, 8))
    assert feats.min() >= 0
    assert not any(block.act_after_sum for scale in DeepDeblur(num_scales=1).scales for block in scale[1])


def test_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="at least 1"):
        DeepDeblur(num_scales=0)
    with pytest.raises(ValueError, match="`learned` or `fixed`, got 'cubic'"):
        DeepDeblur(upsampling="cubic")


def test_discriminator_follows_the_table():
    net = DeepDeblurDiscriminator()
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    table = [(conv.kernel_size[0], conv.in_channels, conv.out_channels, conv.stride[0]) for conv in convs]
    assert table == [
        (5, 3, 32, 2), (5, 32, 64, 1), (5, 64, 64, 2), (5, 64, 128, 1), (5, 128, 128, 4),
        (5, 128, 256, 1), (5, 256, 256, 4), (5, 256, 512, 1), (4, 512, 512, 4),
    ]  # fmt: skip


def test_discriminator_gives_one_logit_a_picture():
    torch.manual_seed(0)
    net = DeepDeblurDiscriminator(width=2)
    images = torch.rand(2, 3, 256, 256)
    logits = net(images)
    assert logits.shape == (2, 1)
    torch.testing.assert_close(net(images[:1]), logits[:1])
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())
    with pytest.raises(ShapeError, match="256"):
        net(images[..., :128])


def test_discriminator_slope_changes_the_logits():
    logits = []
    for slope in (0.2, 0.01):
        torch.manual_seed(0)
        logits.append(DeepDeblurDiscriminator(width=2, negative_slope=slope)(torch.rand(1, 3, 256, 256)))
    assert logits[0] != logits[1]
