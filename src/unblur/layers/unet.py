"""A U-Net of dense residual blocks, the shape that suits processors with matrix units."""

from torch import Tensor, nn

from unblur.layers.blocks import ResBlock, zero_last_convolution

__all__ = ["UNet"]


class UNet(nn.Module):
    """Residual blocks at falling and rising resolution, joined by sums.

    Dense 3x3 convolutions with widths in multiples of 32 reach the arithmetic peak; depthwise convolutions,
    normalisation and smooth activations would wait for memory (`benchmarks/`).

    Args:
        in_channels: of the input.
        out_channels: of the output.
        widths: features at the input's resolution, at half of it, at a quarter, ...
        blocks: residual blocks at each of them; all but the last figure hold for the way down and again for the way up.

    Attributes:
        size_multiple: height and width are multiples of this.
        receptive_radius: positions on each side that reach one output position.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, *, in_channels: int, out_channels: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths:
            raise ValueError(f"widths and blocks must have one entry a resolution, got {len(widths)} and {len(blocks)}")
        levels = range(len(widths) - 1)
        self.entry = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_chain(widths[i], blocks[i]) for i in levels)
        self.downs = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in levels)
        self.bottleneck = _chain(widths[-1], blocks[-1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in levels)
        self.decoders = nn.ModuleList(_chain(widths[i], blocks[i]) for i in levels)
        self.exit = nn.Conv2d(widths[0], out_channels, 3, padding=1)
        zero_last_convolution(self.exit)  # untrained, it says 0
        self.size_multiple = 2 ** len(levels)
        self.receptive_radius = 2 + sum(2**i * (2 * blocks[i] * (2 if i in levels else 1) + (i > 0)) for i in range(len(widths)))

    def forward(self, x: Tensor) -> Tensor:
        feat = self.entry(x)  # (B, widths[0], H, W)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(feat))
            feat = down(skips[-1])  # (B, widths[i+1], H/2, W/2), ...
        feat = self.bottleneck(feat)
        for decoder, up, skip in zip(reversed(self.decoders), reversed(self.ups), reversed(skips), strict=True):
            feat = decoder(up(feat) + skip)  # (B, widths[i], ...)
        return self.exit(feat)  # (B, out_channels, H, W)


def _chain(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResBlock(width=width, kernel_size=3) for _ in range(count)))
