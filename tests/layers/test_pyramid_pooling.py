import pytest
import torch

from unblur.layers.pyramid_pooling import PyramidPooling


def test_keeps_the_input_and_adds_as_much_again():
    torch.manual_seed(0)
    feat = torch.randn(2, 8, 7, 9)
    out = PyramidPooling(width=8)(feat)
    assert out.shape == (2, 16, 7, 9)
    assert torch.equal(out[:, :8], feat)


def test_the_first_grid_holds_the_mean_everywhere():
    layer = PyramidPooling(width=4, grids=(1, 2))
    for narrow in layer.narrow:
        torch.nn.init.ones_(narrow.weight)
        torch.nn.init.zeros_(narrow.bias)
    feat = torch.randn(1, 4, 6, 6)
    out = layer(feat)
    torch.testing.assert_close(out[:, 4:6], feat.mean((2, 3), keepdim=True).sum(1, keepdim=True).expand(1, 2, 6, 6))
    torch.testing.assert_close(out[:, 6, 0, 0], feat[:, :, :3, :3].mean((2, 3)).sum(1))  # a corner of the 2x2 grid


def test_grids_count():
    torch.manual_seed(0)
    feat = torch.randn(1, 4, 6, 6)
    one, two = PyramidPooling(width=4, grids=(1, 2)), PyramidPooling(width=4, grids=(1, 3))
    two.load_state_dict(one.state_dict())
    assert not torch.allclose(one(feat), two(feat))
    with pytest.raises(ValueError, match="multiple"):
        PyramidPooling(width=6)
