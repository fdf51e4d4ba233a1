"""Convolutional blocks shared by the networks."""

from torch import Tensor, nn

__all__ = ["ResBlock"]


class ResBlock(nn.Module):
    """Residual block: convolution, ReLU, convolution, identity; no activation after the sum.

    Source: Nah et al. (CVPR 2017), section 3.1 (kernel 5, 64 features).

    Args:
        width: number of features in and out.
        kernel_size: of both convolutions, odd.

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, kernel_size: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.act(self.conv1(x)))
