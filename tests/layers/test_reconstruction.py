import torch
from torch import nn

from unblur.layers.reconstruction import Reconstruction


def test_size_and_arguments():
    x = torch.randn(1, 8, 3, 5)
    assert Reconstruction(widths=(2, 4, 8))(x).shape == (1, 3, 12, 20)
    assert Reconstruction(widths=(4, 8), out_channels=1)(x).shape == (1, 1, 6, 10)
    assert len(Reconstruction(widths=(2, 4, 8), num_blocks=1)) == 5
    assert len(Reconstruction(widths=(2, 4, 8), num_blocks=2)) == 7


def test_activations():
    def activations(**arguments):
        net = Reconstruction(widths=(2, 4, 8), num_blocks=1, **arguments)
        return [getattr(module, "negative_slope", 0) for module in net.modules() if isinstance(module, (nn.ReLU, nn.LeakyReLU))]

    assert activations() == [0, 0]
    assert activations(relu=True, negative_slope=0.2) == [0.2] * 4
