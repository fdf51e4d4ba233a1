import pytest
import torch
from torch import nn

from unblur.layers.blocks import Decoder, Encoder, ResBlock, codec_radius, conv, convs, deconv, res_blocks


def test_block_without_weights_is_the_identity():
    block = ResBlock(width=2, kernel_size=3)
    for parameter in block.parameters():
        parameter.data.fill_(0)
    x = torch.randn(1, 2, 5, 4)
    assert torch.equal(block(x), x)


def test_no_activation_after_the_sum():
    block = ResBlock(width=1, kernel_size=1)
    for parameter in block.parameters():
        parameter.data.fill_(0)
    block.conv2.bias.data.fill_(-3)
    assert block(torch.ones(1, 1, 1, 1)).item() == -2


def test_activation_after_the_sum_where_asked_for():
    block = ResBlock(width=1, kernel_size=1, act_after_sum=True)
    for parameter in block.parameters():
        parameter.data.fill_(0)
    block.conv2.bias.data.fill_(-3)
    assert [block(torch.full((1, 1, 1, 1), value)).item() for value in (1.0, 5.0)] == [0, 2]
    assert [each.act_after_sum for each in res_blocks(2, width=1, act_after_sum=True)] == [True, True]


def test_block_by_hand():
    """1x1 kernels: conv1 times -1, ReLU or slope 0.5, conv2 times 2; x = 3 gives 3 or 3 + 2 * 0.5 * -3 = 0."""
    for slope, expected in ((0.0, 3.0), (0.5, 0.0)):
        block = ResBlock(width=1, kernel_size=1, negative_slope=slope)
        for layer, weight in ((block.conv1, -1.0), (block.conv2, 2.0)):
            layer.weight.data.fill_(weight)
            layer.bias.data.fill_(0)
        assert block(torch.full((1, 1, 1, 1), 3.0)).item() == expected


def test_gate_weights_the_residual_and_not_the_identity():
    class Half(nn.Module):
        def forward(self, x):
            return x / 2

    torch.manual_seed(0)
    block = ResBlock(width=2)
    x = torch.randn(1, 2, 6, 6)
    residual = block(x) - x
    block.gate = Half()
    torch.testing.assert_close(block(x), x + residual / 2)


def test_gate_is_an_argument():
    gate = nn.Identity()
    assert ResBlock(width=2, gate=gate).gate is gate


@pytest.mark.parametrize("relu", [False, True])
def test_conv_and_deconv(relu):
    torch.manual_seed(0)
    x = torch.randn(1, 2, 8, 6)
    down, up = conv(2, 3, kernel_size=5, stride=2, relu=relu)(x), deconv(2, 3, relu=relu)(x)
    assert down.shape == (1, 3, 4, 3)
    assert up.shape == (1, 3, 16, 12)
    assert (min(down.min(), up.min()) >= 0) == relu


@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_deconv_of_any_kernel_doubles_and_keeps_the_place(kernel_size):
    layer = deconv(1, 1, kernel_size=kernel_size)
    assert layer.kernel_size == (kernel_size, kernel_size)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    point = torch.zeros(1, 1, 5, 6)
    point[0, 0, 2, 3] = 1
    spread = layer(point)[0, 0]
    assert spread.shape == (10, 12)
    rows, columns = (spread.amax(dim).nonzero().flatten().float() for dim in (1, 0))
    assert len(rows) == len(columns) == kernel_size
    centre = 0.5 if kernel_size == 4 else 0.0  # of the four pixels that belong to the point, or the first of them
    assert (rows.mean(), columns.mean()) == (4 + centre, 6 + centre)


def test_negative_slope_reaches_every_activation():
    leaky = {"negative_slope": 0.25}
    for part in (
        conv(2, 3, kernel_size=3, relu=True, **leaky),
        deconv(2, 3, relu=True, **leaky),
        res_blocks(2, width=2, **leaky),
        Encoder(in_channels=2, widths=(2, 3), num_blocks=1, kernel_size=3, relu=True, **leaky),
        Decoder(out_channels=2, widths=(2, 3), num_blocks=1, kernel_size=3, relu=True, **leaky),
    ):
        slopes = {getattr(module, "negative_slope", 0) for module in part.modules() if isinstance(module, (nn.ReLU, nn.LeakyReLU))}
        assert slopes == {0.25}


def test_res_blocks_counts():
    assert len(res_blocks(3, width=2, kernel_size=3)) == 3
    assert len(res_blocks(0, width=2)) == 0


@pytest.mark.parametrize("relu", [False, True])
def test_decoder_mirrors_the_encoder(relu):
    encoder = Encoder(in_channels=5, widths=(2, 3, 4), num_blocks=1, kernel_size=3, relu=relu)
    decoder = Decoder(out_channels=3, widths=(2, 3, 4), num_blocks=1, kernel_size=3, relu=relu)
    feat = encoder(torch.randn(1, 5, 8, 12))
    assert feat.shape == (1, 4, 2, 3)
    assert decoder(feat).shape == (1, 3, 8, 12)
    for codec in (encoder, decoder):
        opened = sum(isinstance(module, nn.ReLU) for module in codec.modules()) - 3
        assert opened == (0 if not relu else 3 if codec is encoder else 2)


@pytest.mark.parametrize(
    ("kernel", "blocks", "stages", "deconv_size"), [(3, 1, 3, 4), (5, 1, 3, 4), (3, 2, 2, 4), (3, 0, 1, 4), (5, 1, 3, 5), (3, 1, 3, 3)]
)
def test_codec_radius_is_what_gradients_say(kernel, blocks, stages, deconv_size):
    sizes = {"widths": (1,) * stages, "num_blocks": blocks, "kernel_size": kernel}
    net = nn.Sequential(Encoder(in_channels=1, **sizes), Decoder(out_channels=1, deconv_size=deconv_size, **sizes)).double()
    for parameter in net.parameters():
        parameter.data.fill_(0.1)
    radius = codec_radius(stages=stages, num_blocks=blocks, kernel_size=kernel, deconv_size=deconv_size)
    half = 8 * (radius // 8 + 1)
    image = torch.ones(1, 1, 8, 2 * half, dtype=torch.float64, requires_grad=True)
    out, reach = net(image), 0
    for column in range(half, half + 4):
        (gradient,) = torch.autograd.grad(out[0, 0, 0, column], image, retain_graph=True)
        reach = max(reach, int((gradient[0, 0].sum(dim=0).nonzero() - column).abs().max()))
    assert radius - 2 <= reach <= radius


def test_a_chain_of_convolutions_is_one_after_the_other_each_with_a_relu():
    torch.manual_seed(0)
    chain, x = convs(2, 3, 4, kernel_size=3), torch.randn(1, 2, 5, 6)
    first, second = (module for module in chain.modules() if isinstance(module, nn.Conv2d))
    torch.testing.assert_close(chain(x), torch.relu(second(torch.relu(first(x)))))
    assert chain(x).shape == (1, 4, 5, 6)
