"""Recurrent units whose state is a feature map."""

import torch
from torch import Tensor, nn

__all__ = ["ConvLSTM"]


class ConvLSTM(nn.Module):
    """Long short-term memory whose products are convolutions.

    Source: Shi et al. (NeurIPS 2015), eq. (3) without the peephole terms, as Tao et al. (CVPR 2018) use it:
    i, f, o = sigmoid(conv([x, h])), g = tanh(conv([x, h])); c' = f * c + i * g; h' = o * tanh(c').
    Decided: 1 is added to the forget gate before its sigmoid, so that a fresh cell remembers (Jozefowicz et al., 2015).

    Args:
        width: features of input, hidden state and cell.
        kernel_size: of the one convolution that makes all four gates, odd.

    Shape:
        x (B, width, H, W); state: hidden and cell (B, width, H, W) each, or None for zeros
        -> hidden and cell, which are the next state too; the output is the hidden
    """

    def __init__(self, *, width: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 4 * width, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        hidden, cell = (torch.zeros_like(x), torch.zeros_like(x)) if state is None else state
        write, forget, read, content = self.gates(torch.cat([x, hidden], dim=1)).chunk(4, dim=1)
        cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(write) * torch.tanh(content)
        return torch.sigmoid(read) * torch.tanh(cell), cell
