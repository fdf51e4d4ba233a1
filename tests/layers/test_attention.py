import pytest
import torch
from torch import nn

from unblur.layers.attention import HMPCA


@pytest.mark.parametrize("patches", [1, 2, 4])
def test_each_channel_is_multiplied_by_one_weight_between_0_and_1(patches):
    torch.manual_seed(0)
    feat = torch.rand(2, 4, 5, 7) + 1
    share = HMPCA(width=4, patches=patches)(feat) / feat
    assert 0 < share.min() < share.max() < 1
    torch.testing.assert_close(share, share[:, :, :1, :1].expand_as(share))


def test_by_hand():
    """Width 2, k = 2, r = 2: one hidden feature. Channel means of the halves (1, 2) and (3, 4), weights 1 to the hidden
    feature: 10; then times 0.1: 1; then times (1, -1) into the sigmoid: 0.7311 and 0.2689.
    """
    feat = torch.tensor([[1.0, 3.0], [2.0, 4.0]]).view(1, 2, 2, 1)
    layer = HMPCA(width=2, patches=2)
    weights = [torch.ones(1, 4), torch.full((1, 1), 0.1), torch.tensor([[1.0], [-1.0]])]
    linears = [module for module in layer.weigh if isinstance(module, nn.Linear)]
    for linear, weight in zip(linears, weights, strict=True):
        linear.weight.data.copy_(weight)
        linear.bias.data.fill_(0)
    expected = feat * torch.tensor([0.731059, 0.268941]).view(1, 2, 1, 1)
    torch.testing.assert_close(layer(feat), expected)


def lively(patches):
    """Positive weights: no ReLU is closed."""
    layer = HMPCA(width=4, patches=patches)
    for parameter in layer.parameters():
        parameter.data.abs_()
    return layer


def test_patches_tell_where_the_energy_is():
    """The whole-map form cannot tell a picture from its upside-down copy; the halves can."""
    torch.manual_seed(0)
    feat = torch.rand(1, 4, 6, 6)
    feat[:, :, :3] += 1
    for patches, same in ((1, True), (2, False), (4, False)):
        layer = lively(patches)
        assert torch.allclose(layer(feat.flip(2)), layer(feat).flip(2)) == same
    feat = feat.transpose(2, 3)  # now left and right
    for patches, same in ((2, True), (4, False)):
        layer = lively(patches)
        assert torch.allclose(layer(feat.flip(3)), layer(feat).flip(3)) == same


@pytest.mark.parametrize(("patches", "reduction", "expected"), [(1, 2, 352), (2, 2, 480), (4, 2, 736), (4, 4, 360)])
def test_sizes_of_the_three_layers(patches, reduction, expected):
    """C = 16: kC*C/r + C/r, then (C/r)^2 + C/r, then C*C/r + C."""
    assert sum(p.numel() for p in HMPCA(width=16, patches=patches, reduction=reduction).parameters()) == expected


def test_refusals():
    for arguments in ({"patches": 3}, {"patches": 1, "reduction": 5}, {"patches": 1, "reduction": 0}):
        with pytest.raises(ValueError, match="must"):
            HMPCA(width=4, **arguments)
