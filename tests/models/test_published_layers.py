"""Layers of the five systems as their sources state them, on the meta device: nothing is allocated."""

import pytest
import torch
from torch import nn

from unblur.layers.attention import HMPCA
from unblur.layers.blocks import ResBlock
from unblur.layers.deform import DeformConv
from unblur.layers.pyramid_pooling import PyramidPooling
from unblur.models import create


def built(name, **arguments):
    with torch.device("meta"):
        return create(name, **arguments)


def of_kind(part, kind):
    return [module for module in part.modules() if isinstance(module, kind)]


def shape_of(layer):
    """Channels in and out, kernel and stride of a convolution."""
    return layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0]


def test_deepdeblur_has_three_levels_of_forty_5x5_convolutions():
    """Section 3.2: 5x5 to 64 features, 19 residual blocks of two 5x5, 5x5 to 3; finer levels see the coarser result too."""
    net = built("deepdeblur")
    for level, inputs in zip(net.scales, (6, 6, 3), strict=True):
        convs = [shape_of(layer) for layer in of_kind(level, nn.Conv2d)]
        assert convs == [(inputs, 64, 5, 1), *[(64, 64, 5, 1)] * 38, (64, 3, 5, 1)]
        assert len(of_kind(level, ResBlock)) == 19
    assert [(layer.in_channels, layer.stride) for layer in net.ups] == [(3, (2, 2))] * 2
    assert [len(built("deepdeblur", num_scales=k).scales) for k in (1, 2, 3)] == [1, 2, 3]


def test_mscnn_has_codecs_of_three_stages_with_three_blocks():
    """Section 2.3: three encoders and decoders a scale, convolutions 3x3; widths, strides and deconvolutions decided by the parameters."""
    net = built("mscnn")
    assert (len(net.encoders), len(net.decoders), net.num_scales) == (3, 3, 3)
    for j, (encoder, decoder, patches) in enumerate(zip(net.encoders, net.decoders, (4, 2, 1), strict=True)):
        assert [shape_of(stage[0]) for stage in encoder.stages] == [(3 if j else 6, 32, 3, 1), (32, 64, 3, 2), (64, 128, 3, 2)]
        assert [shape_of(stage[-1]) for stage in decoder.stages] == [(128, 64, 4, 2), (64, 32, 4, 2), (32, 3, 3, 1)]
        for stage in (*encoder.stages, *decoder.stages):
            assert len(of_kind(stage, ResBlock)) == 3
        assert {layer.kernel_size for layer in of_kind(nn.ModuleList([encoder, decoder]), nn.Conv2d)} == {(3, 3)}
        gates = of_kind(nn.ModuleList([encoder, decoder]), HMPCA)
        assert (len(gates), {gate.patches for gate in gates}) == (18, {patches})
    plain = built("mscnn", attention=False)
    assert not of_kind(plain, HMPCA)
    assert len(of_kind(plain, ResBlock)) == 54


def test_mdcn_aligns_16_32_64_features_at_three_resolutions():
    """Section 3.3.2, figure 3-7 and section 3.4."""
    net = built("mdcn")
    assert net.num_frames == 5
    assert [shape_of(level[0])[1:] for level in net.pyramid] == [(16, 3, 1), (32, 3, 2), (64, 3, 2)]
    samples = of_kind(net, DeformConv)
    assert [(sample.weight.shape[0], sample.taps) for sample in samples] == [(16, 9), (32, 9), (64, 9)]
    assert [shape_of(layer[0]) for layer in net.alignment.downs] == [(16, 32, 3, 2), (32, 64, 3, 2)]
    assert [shape_of(layer[0]) for layer in net.alignment.merges] == [(64, 32, 3, 1), (128, 64, 3, 1)]
    one_by_one, conv, *blocks = net.fusion
    assert (shape_of(one_by_one), shape_of(conv)) == ((5 * 64, 64, 1, 1), (64, 64, 3, 1))
    assert [type(block) for block in blocks] == [ResBlock, ResBlock]
    check_reconstruction(net.reconstruction, (64, 32, 16))


def test_astcn_encodes_to_128_features_at_a_quarter():
    """Section 4.2: three modules of a convolution and two residual blocks; (4-1), (4-8), (4-9). Strides decided: 1, 2, 2."""
    net = built("astcn")
    assert net.num_frames == 5
    stages = [list(net.encoder)[i : i + 3] for i in (0, 3, 6)]
    assert [shape_of(stage[0]) for stage in stages] == [(3, 32, 3, 1), (32, 64, 3, 2), (64, 128, 3, 2)]
    assert all([type(block) for block in stage[1:]] == [ResBlock, ResBlock] for stage in stages)
    assert of_kind(net.sharpness, nn.Conv2d)[-1].out_channels == 1
    (sample,) = of_kind(net, DeformConv)
    assert (sample.weight.shape[0], sample.taps) == (128, 9)
    assert net.alignment.residual.radius == 4
    assert net.fusion.kernel_size == 3
    assert shape_of(net.fusion.mix) == (128, 128, 1, 1)
    assert sum(each.numel() for each in net.fusion.parameters()) == 128 * 128 + 128  # (4-9) itself learns nothing
    check_reconstruction(net.reconstruction, (128, 64, 32))


def check_reconstruction(part, widths):
    """Section 3.4.2: twice a deconvolution and two residual blocks, then a convolution to the residual picture."""
    coarse, middle, fine = widths
    kinds = [nn.ConvTranspose2d, ResBlock, ResBlock] * 2 + [nn.Conv2d]
    assert [type(layer) for layer in part] == kinds
    assert [(layer.in_channels, layer.out_channels, layer.stride) for layer in of_kind(part, nn.ConvTranspose2d)] == [
        (coarse, middle, (2, 2)),
        (middle, fine, (2, 2)),
    ]
    assert part[-1].out_channels == 3


def test_ppnet_is_figure_2():
    """Figure 2 and section 1.2: 5x5 convolutions and deconvolutions, three residual blocks a level, grids of 1, 2, 3 and 6."""
    net = built("ppnet", flow=None)
    assert net.num_frames == 3
    opened = [of_kind(stage, nn.Conv2d)[0] for stage in net.encoder]
    assert [shape_of(layer) for layer in opened] == [(9, 32, 5, 1), (32, 64, 5, 2), (64, 128, 5, 2)]
    for stage in (*net.encoder, *net.decoder):
        blocks = of_kind(stage, ResBlock)
        assert len(blocks) == 3
        assert {shape_of(layer)[2:] for layer in of_kind(nn.ModuleList(blocks), nn.Conv2d)} == {(5, 1)}
    ups = of_kind(net.decoder, nn.ConvTranspose2d)
    assert [shape_of(layer) for layer in ups] == [(256, 64, 5, 2), (64, 32, 5, 2)]
    assert shape_of(of_kind(net.decoder[-1], nn.Conv2d)[-1]) == (32, 3, 5, 1)
    (pooling,) = of_kind(net, PyramidPooling)
    assert pooling.grids == (1, 2, 3, 6)
    assert [shape_of(layer) for layer in pooling.narrow] == [(128, 32, 1, 1)] * 4
    assert shape_of(net.attention.place) == (2, 1, 7, 1)
    assert not of_kind(net, nn.ReLU) or len(of_kind(net, nn.ReLU)) == 1  # of the attention's perceptron; all others are leaky
    assert len(of_kind(net, nn.LeakyReLU)) == 6 * 3 + 3 + 2


@pytest.mark.parametrize("arguments", [{"pooling": False}, {"attention": False}, {"pooling": False, "attention": False}])
def test_ppnet_without_a_module_has_neither_its_layers(arguments):
    net = built("ppnet", flow=None, **arguments)
    assert bool(of_kind(net, PyramidPooling)) == arguments.get("pooling", True)
    assert isinstance(net.attention, nn.Identity) != arguments.get("attention", True)
