"""`dmphn`: deep multi-patch hierarchical network, and its stacks.

Source: Zhang, Dai, Li, Koniusz, "Deep Stacked Hierarchical Multi-patch Network for Image Deblurring", CVPR 2019.

    level 4   8 patches ─ E_4 ─ join ─┬─ D_4 ─┐
    level 3   4 patches ───────────── │ ───── + ─ E_3 ─ + ─ join ─┬─ D_3 ─┐
                                      └──────────────── ┘         │       │
    level 2   2 patches ───────────────────────────────────────── │ ───── + ─ E_2 ─ + ─ join ─┬─ D_2 ─┐
                                                                  └──────────────── ┘         │       │
    level 1   the picture ─────────────────────────────────────────────────────────────────── │ ───── + ─ E_1 ─ + ─ D_1
                                                                                              └──────────────── ┘

All levels work at full resolution. 7.23 M parameters with four levels (quoted: 7.2 M), 5.42 M with three; four stacked
networks of three levels have 21.7 M. On GoPro (test) Tang et al. (2022) measured 30.45 dB / 0.9373 for 1-2-4-8.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from unblur.errors import WeightsError
from unblur.layers.blocks import Decoder, Encoder, codec_radius
from unblur.layers.check import check_multiple, check_shape
from unblur.models.base import CENTRE, Net

__all__ = ["DMPHN", "rename_published_keys"]

KERNEL = 3


class DMPHN(Net):
    """Encoders and decoders that see the picture in ever larger patches, each correcting what the next one reads.

    Source: section 3, the hierarchy and its stacks; sizes are those of the published weights.
    Decided: where the text is silent, the wiring is that of the authors' program: in a stack, every level adds the
    features of the same level of the network before, and the residual of level 2 also the output of the first network.

    Args:
        num_levels: 3 for 1-2-4, 4 for 1-2-4-8; the picture is cut in two rows at level 2, two columns at level 3, and
            so on in turn.
        num_stacks: networks in a row, each taking the output of the one before; 1, 2, 3 and 4 are reported, with
            three levels.
        widths: features of an encoder's stages.
        num_blocks: residual blocks of a stage.

    Attributes:
        global_context: true, for the places where the picture is cut move with its size.

    `forward_scales` returns the output of every network of the stack, the last first, all at full resolution.
    """

    global_context = True

    def __init__(self, *, num_levels: int = 4, num_stacks: int = 1, widths: tuple[int, ...] = (32, 64, 128), num_blocks: int = 2) -> None:
        super().__init__()
        if num_levels < 1 or num_stacks < 1:
            raise ValueError(f"num_levels and num_stacks must be at least 1, got {num_levels} and {num_stacks}")
        self.stacks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "encoders": nn.ModuleList(
                        Encoder(in_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=KERNEL) for _ in range(num_levels)
                    ),
                    "decoders": nn.ModuleList(
                        Decoder(out_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=KERNEL) for _ in range(num_levels)
                    ),
                }
            )
            for _ in range(num_stacks)
        )
        self.grids = [(2 ** (level // 2 + level % 2), 2 ** (level // 2)) for level in range(num_levels)]  # rows, columns
        self.size_multiple = self.grids[-1][0] * 2 ** (len(widths) - 1)
        self.receptive_radius = num_stacks * num_levels * codec_radius(stages=len(widths), num_blocks=num_blocks, kernel_size=KERNEL)

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        image, before = blurry - CENTRE, None
        restored: list[Tensor] = []
        for stack in self.stacks:
            first = restored[-1] - CENTRE if restored else None
            image, before = self._run(stack, image, before, first)
            restored.insert(0, image + CENTRE)
        return restored

    def _run(self, stack: nn.Module, image: Tensor, before: list[Tensor] | None, first: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """One network of the stack.

        `before` holds the joined features of the network before it, in the order in which the levels run; `first` is
        the output of the first network of the stack. Both are None for that first network.
        """
        encoders, decoders = stack.get_submodule("encoders"), stack.get_submodule("decoders")
        assert isinstance(encoders, nn.ModuleList)
        assert isinstance(decoders, nn.ModuleList)
        feats: list[Tensor] = []
        residual: Tensor | None = None
        for level in reversed(range(len(self.grids))):
            grid, larger = self.grids[level], self.grids[max(level - 1, 0)]
            patches = _cut(image, grid)  # (B * rows * columns, 3, h, w)
            feat = encoders[level](patches if residual is None else patches + residual)  # (.., widths[-1], h/4, w/4)
            if feats:
                feat = feat + feats[-1]
            feat = _cut(_join(feat, grid), larger)  # neighbouring patches become one
            feats.append(feat if before is None else feat + before[len(feats)])
            residual = decoders[level](feats[-1])  # on the patches of the next level
            if level == 1 and first is not None:
                residual = residual + first
        assert residual is not None
        return residual, feats


def _cut(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cut into rows x columns patches, stacked along the batch: (B, C, H, W) -> (B * rows * columns, C, h, w)."""
    batch, channels, height, width = image.shape
    rows, columns = grid
    patches = image.reshape(batch, channels, rows, height // rows, columns, width // columns)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, height // rows, width // columns)


def _join(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """Undo `_cut`: (B * rows * columns, C, h, w) -> (B, C, H, W)."""
    _, channels, height, width = patches.shape
    rows, columns = grid
    image = patches.reshape(-1, rows, columns, channels, height, width)
    return image.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, rows * height, columns * width)


LAYERS = {
    "encoder": {1: "0.0", 2: "0.1", 3: "0.2", 5: "1.0", 6: "1.1", 7: "1.2", 9: "2.0", 10: "2.1", 11: "2.2"},
    "decoder": {13: "0.0", 14: "0.1", 16: "0.2", 17: "1.0", 18: "1.1", 20: "1.2", 21: "2.0", 22: "2.1", 24: "2.2"},
}
"""Number of a published layer -> stage and place in the stage."""


def rename_published_keys(state_dicts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Bring the authors' published weights to the names of `DMPHN`.

    Args:
        state_dicts: file name without its ending -> what torch's safe loader read from it: `encoder_lv1`, `decoder_lv1`,
            ... for one network, `encoder_s1_lv1`, ... for a stack.

    Returns:
        A state dict for `DMPHN` with the same number of levels and stacks; the tensors are the same objects.

    Raises:
        WeightsError: if a file name or layer is not one of the published ones.
    """
    renamed: dict[str, Tensor] = {}
    for file, tensors in state_dicts.items():
        place = re.fullmatch(r"(encoder|decoder)_(?:s([1-9])_)?lv([1-9])", file)
        if place is None:
            raise WeightsError(f"{file!r} is no file of published DMPHN weights; they are called encoder_lv1, decoder_s2_lv3 and the like")
        part, stack, level = place[1], int(place[2] or 1) - 1, int(place[3]) - 1
        for key, tensor in tensors.items():
            layer = re.fullmatch(r"layer(\d+)(\.[02])?\.(weight|bias)", key)
            if layer is None or int(layer[1]) not in LAYERS[part]:
                raise WeightsError(f"{file!r} holds {key!r}, which DMPHN has not; these are the weights of another network")
            conv = {None: "", ".0": ".conv1", ".2": ".conv2"}[layer[2]]
            renamed[f"stacks.{stack}.{part}s.{level}.stages.{LAYERS[part][int(layer[1])]}{conv}.{layer[3]}"] = tensor
    return renamed
