import math

import torch

from unblur.layers.recurrent import ConvLSTM


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_by_hand():
    """Width 1, 1x1: the gates write, forget, read, content read x, x, h, h with weight 1; x = 1, h = 2, c = 3."""
    cell = ConvLSTM(width=1, kernel_size=1)
    cell.gates.weight.data.copy_(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]).view(4, 2, 1, 1))
    cell.gates.bias.data.fill_(0)
    one = torch.ones(1, 1, 1, 1)
    hidden, state = cell(one, (2 * one, 3 * one))
    expected = sigmoid(2) * 3 + sigmoid(1) * math.tanh(2)
    torch.testing.assert_close(state.item(), expected)
    torch.testing.assert_close(hidden.item(), sigmoid(2) * math.tanh(expected))


def test_no_state_is_a_state_of_zeros():
    torch.manual_seed(0)
    cell = ConvLSTM(width=2)
    x = torch.rand(1, 2, 4, 4)
    zeros = torch.zeros(1, 2, 4, 4)
    for one, other in zip(cell(x, None), cell(x, (zeros, zeros)), strict=True):
        torch.testing.assert_close(one, other)


def test_kernel_size_is_how_far_it_sees():
    for size, reach in ((3, 1), (5, 2)):
        cell = ConvLSTM(width=1, kernel_size=size)
        x = torch.rand(1, 1, 1, 9, requires_grad=True)
        cell(x, None)[0][0, 0, 0, 4].backward()
        assert x.grad.nonzero()[:, 3].tolist() == list(range(4 - reach, 5 + reach))
