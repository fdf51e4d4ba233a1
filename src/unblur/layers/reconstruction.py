"""From features at a fraction of the resolution back to a picture."""

from torch import nn

from unblur.layers.blocks import deconv, res_blocks

__all__ = ["Reconstruction"]


class Reconstruction(nn.Sequential):
    """Stages of (deconvolution that doubles the size, residual blocks), then a convolution.

    Source: thesis, section 3.4.2: two stages of two blocks.
    Decided: 4x4 deconvolutions, 3x3 convolutions, no activation outside the blocks (the source does not say).

    Args:
        widths: features from the finest resolution to the coarsest, which is the input's.
        num_blocks: residual blocks a stage.
        out_channels: of the last convolution.
        relu: whether an activation follows each deconvolution.
        negative_slope: of every activation, 0 for the ReLU.

    Shape:
        (B, widths[-1], H, W) -> (B, out_channels, 2^S H, 2^S W), S = len(widths) - 1
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...],
        num_blocks: int = 2,
        out_channels: int = 3,
        relu: bool = False,
        negative_slope: float = 0.0,
    ) -> None:
        layers: list[nn.Module] = []
        for fine, coarse in zip(widths[-2::-1], widths[:0:-1], strict=True):
            layers.append(deconv(coarse, fine, relu=relu, negative_slope=negative_slope))
            layers.extend(res_blocks(num_blocks, width=fine, kernel_size=3, negative_slope=negative_slope))
        super().__init__(*layers, nn.Conv2d(widths[0], out_channels, 3, padding=1))
