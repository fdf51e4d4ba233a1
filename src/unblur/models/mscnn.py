"""`mscnn`: multi-scale CNN with hierarchical multi-patch channel attention.

Source: Tang et al., "Multi-scale Image Blind Deblurring Network for Dynamic Scenes", Journal of Software 33(9), 2022,
eq. (1)-(17).

One scale i, of three, with three codecs (EN encoder, DE decoder; k patches in the attention of their blocks):

    B_i ─┬──────────────────────┬───────────────────────┬──────────────────────┐
         ⊕ ─ EN_1 ─┬─ DE_1 ──── + ─ EN_2 ─ + ─┬─ DE_2 ─ + ─ EN_3 ─ + ─ DE_3 ── + ─ S_i
         │   k=4   └───────────────────────┘  │ k=2          k=1   │                │
    ↑S_{i+1}                                  └────────────────────┘      ↑ to scale i-1

8.50 M parameters with the attention and 7.75 M without it (reported: 8.7 and 7.8). Published on GoPro (test, mean of
1111 pictures): 31.15 dB / 0.9444, without the attention 30.99 / 0.9428.
"""

import torch
from torch import Tensor, nn

from unblur.layers.attention import HMPCA
from unblur.layers.blocks import Decoder, Encoder, ResBlock, codec_radius, zero_last_convolution
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.pyramid import area_halve, double, pyramid
from unblur.models.base import CENTRE, Net

__all__ = ["MSCNN"]

KERNEL = 3


class MSCNN(Net):
    """The same chain of codecs at every scale, coarse to fine.

    Source: section 2.3; weights are shared by the scales and not by the codecs of one scale. With more than three
    codecs the equations go on: EN_I[i,j] = DE_O[i,j-1] + B_i and DE_I[i,j] = EN_O[i,1] + ... + EN_O[i,j].
    Decided: the first codec has four patches, the second two, every later one the whole map (the source says so for
    three codecs, and that the last has the whole map); 32, 64 and 128 features, three blocks a stage and reduction 2,
    which meet its parameter counts; halving by 2x2 means and bilinear doubling; no activation outside the blocks.

    Args:
        num_codecs: encoders and decoders of a scale; 1 to 5 are reported.
        num_scales: resolutions.
        widths: features of an encoder's stages.
        num_blocks: residual blocks of a stage.
        attention: whether the blocks are HMPCARB (true) or plain residual blocks.
        reduction: r of the attention.
        last_codec_adds_input: whether B_i is added after the last codec as it is after the others, so that a scale
            puts out a residual (the source's figure leaves it open).

    Attributes:
        global_context: true with the attention, which averages over the whole picture.
    """

    def __init__(
        self,
        *,
        num_codecs: int = 3,
        num_scales: int = 3,
        widths: tuple[int, ...] = (32, 64, 128),
        num_blocks: int = 3,
        attention: bool = True,
        reduction: int = 2,
        last_codec_adds_input: bool = True,
    ) -> None:
        super().__init__()
        if num_codecs < 1 or num_scales < 1:
            raise ValueError(f"num_codecs and num_scales must be at least 1, got {num_codecs} and {num_scales}")
        self.encoders = nn.ModuleList(
            Encoder(in_channels=3 if j else 6, widths=widths, num_blocks=num_blocks, kernel_size=KERNEL) for j in range(num_codecs)
        )
        self.decoders = nn.ModuleList(
            Decoder(out_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=KERNEL) for _ in range(num_codecs)
        )
        if attention:
            for j, (encoder, decoder) in enumerate(zip(self.encoders, self.decoders, strict=True)):
                for codec in (encoder, decoder):
                    _attend(codec, patches=(4, 2, 1)[min(j, 2)], reduction=reduction)
        self.num_scales = num_scales
        self.last_codec_adds_input = last_codec_adds_input
        self.global_context = attention
        self.size_multiple = 2 ** (len(widths) - 1 + num_scales - 1)
        self.receptive_radius = 0
        for scale in range(num_scales):
            coarser = 2 * self.receptive_radius + 2 if scale else 0  # halved and doubled again
            self.receptive_radius = coarser + num_codecs * codec_radius(stages=len(widths), num_blocks=num_blocks, kernel_size=KERNEL)

    def begin_as_identity(self) -> None:
        """No codec changes the picture that is added after it; not without `last_codec_adds_input`."""
        if not self.last_codec_adds_input:
            super().begin_as_identity()
        for decoder in self.decoders:
            zero_last_convolution(decoder)

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        levels = pyramid(blurry - CENTRE, levels=self.num_scales, halve=area_halve)
        restored: list[Tensor] = []
        for level in reversed(levels):
            coarser = double(restored[0]) if restored else level
            restored.insert(0, self.restore_scale(level, coarser))  # (B, 3, H/2^i, W/2^i)
        return [scale + CENTRE for scale in restored]

    def restore_scale(self, blurry: Tensor, coarser: Tensor) -> Tensor:
        """Run the chain of codecs at one scale.

        Args:
            blurry: B_i, centred.
            coarser: the coarser scale's output brought to this size; at the coarsest scale B_i itself.

        Shape:
            two of (B, 3, H, W) -> S_i, (B, 3, H, W), centred
        """
        encoded: Tensor | None = None
        image = torch.cat([blurry, coarser], dim=1)  # (1); (B, 6, H, W)
        for j, (encoder, decoder) in enumerate(zip(self.encoders, self.decoders, strict=True)):
            feat = encoder(image)  # (B, widths[-1], H/4, W/4)
            encoded = feat if encoded is None else encoded + feat  # (3), (4), (5)
            image = decoder(encoded)  # (B, 3, H, W)
            if j < len(self.encoders) - 1 or self.last_codec_adds_input:
                image = image + blurry  # (2)
        return image


def _attend(codec: nn.Module, *, patches: int, reduction: int) -> None:
    """Turn the residual blocks of a codec into HMPCARB, eq. (14)-(16)."""
    for block in codec.modules():
        if isinstance(block, ResBlock):
            block.gate = HMPCA(width=block.conv1.in_channels, patches=patches, reduction=reduction)
