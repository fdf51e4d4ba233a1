"""`maxim`: multi-axis MLP network, one to three stages, each a U-Net whose blocks mix positions near and far.

Source: Tu, Talebi, Zhang, Yang, Milanfar, Bovik, Li, "MAXIM: Multi-Axis MLP for Image Processing", CVPR 2022 (arXiv:2201.02973).

    blurry ─ conv ─ encoder 1 ───────────┬── cross-gating 1 ── decoder 1 ─ supervised attention ─ restored (and to the next stage)
    ↓ 1/2  ─ conv ──── encoder 2 ──────┬─│── cross-gating 2 ── decoder 2 ─ supervised attention
    ↓ 1/4  ─ conv ────── encoder 3 ──┬─│─│── cross-gating 3 ── decoder 3 ─ supervised attention
                           bottleneck (1/8) ──────┘ (gates from coarse to fine)

Every cross-gating sees the features of all encoders, every decoder those of all cross-gatings, resized. 22.21 M parameters with three stages (quoted:
22.2 M), 14.17 M with two (quoted: 14.1 M), 6.13 M with one. Published on GoPro (test): three stages 32.86 dB / 0.961.

Decided by the authors' program, where the text is silent: the smaller inputs are taken by the nearest pixel (the odd pixels for one half);
features are resized bilinearly, downwards with antialiasing; the last stage ends in the convolution alone with which a supervised attention
makes its picture. So a network of the first stages of published weights (`num_stages` below three) restores by that picture.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear

from unblur.errors import WeightsError
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.multi_axis import RCAB, RDCAB, ChannelLinear, CrossGating, MultiAxisGatedMLP
from unblur.layers.resize import resized
from unblur.models.base import Net

__all__ = ["MAXIM", "rename_published_keys"]

DEPTH = 3
REDUCTION = 4
BLOCK = 16
"""Side of the blocks, and parts along each side of the grid, at full and half resolution; a half of it below."""


class StageOutput(NamedTuple):
    """What a stage hands to the next one, each list finest first.

    Attributes:
        restored: restored pictures (B, 3, H, W), (B, 3, H/2, W/2), (B, 3, H/4, W/4); of the last stage the first alone.
        attended: features of the supervised attention at these resolutions; empty for the last stage.
        context: sums of encoder and decoder features at these resolutions; empty for the last stage.
    """

    restored: list[Tensor]
    attended: list[Tensor]
    context: list[Tensor]


class MAXIM(Net):
    """One to three U-Nets in a row; each but the first also sees features of the one before.

    Args:
        num_stages: number of U-Nets.
        width: features at full resolution; doubled at 1/2 and 1/4.
        num_groups: pairs of a multi-axis gated MLP and a channel attention block in each encoder, decoder and bottleneck block.
        num_bottlenecks: bottleneck blocks at 1/8.

    Attributes:
        global_context: true, for the grid reaches over the whole picture, wherever its parts lie.

    `forward_scales` returns a list of the one picture: the published weights hold no other outputs of the last stage.
    """

    size_multiple = BLOCK // 2 * 2**DEPTH
    global_context = True
    preferred_tile = 1024

    def __init__(self, *, num_stages: int = 3, width: int = 32, num_groups: int = 2, num_bottlenecks: int = 2) -> None:
        super().__init__()
        if num_stages < 1:
            raise ValueError(f"num_stages must be at least 1, got {num_stages}")
        self.stages = nn.ModuleList(
            Stage(width=width, num_groups=num_groups, num_bottlenecks=num_bottlenecks, first=stage == 0, last=stage == num_stages - 1)
            for stage in range(num_stages)
        )
        self.receptive_radius = num_stages * _radius(num_groups=num_groups)

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        smaller = [blurry[..., step // 2 :: step, step // 2 :: step] for step in (2, 4)]  # the nearest pixels
        pictures = [picture.contiguous(memory_format=torch.channels_last) for picture in (blurry, *smaller)]
        output: StageOutput | None = None
        for stage in self.stages:
            output = stage(pictures, output)
        assert output is not None
        return output.restored


class Stage(nn.Module):
    """One U-Net of `MAXIM`: encoders, bottleneck, cross-gating from coarse to fine, decoders, supervised attention.

    Source: section 3.1, figure 2.

    Args:
        width: features at full resolution.
        num_groups: see `MAXIM`.
        num_bottlenecks: see `MAXIM`.
        first: whether it sees the pictures alone, and no features of a stage before it.
        last: whether it restores alone, and gives no features to a stage behind it.
    """

    def __init__(self, *, width: int, num_groups: int, num_bottlenecks: int, first: bool, last: bool) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(DEPTH)]
        sides = [BLOCK if level < 2 else BLOCK // 2 for level in range(DEPTH)]
        levels = list(zip(widths, sides, strict=True))
        self.inputs = nn.ModuleList(nn.Conv2d(3, each, 3, padding=1) for each in widths)
        self.fuse = nn.ModuleList(
            CrossGating(widths=(each, each), width=each, block=side, grid=side) for each, side in ([] if first else levels)
        )
        self.encoders = nn.ModuleList(
            Encoder(widths=(widths[max(level - 1, 0)], each), width=each, side=side, num_groups=num_groups, crossed=not first)
            for level, (each, side) in enumerate(levels)
        )
        self.bottlenecks = nn.Sequential(
            *(
                Groups(parts=widths[-1], width=widths[-1], side=BLOCK // 2, num_groups=num_groups, attention=RDCAB)
                for _ in range(num_bottlenecks)
            )
        )
        self.to_gate, self.to_decoder = (nn.ModuleList(ToLevel(level, widths=widths) for level in range(DEPTH)) for _ in range(2))
        coarser = [*widths[1:], widths[-1]]
        self.gate_up, self.decoder_up = (
            nn.ModuleList(Double(below, each) for below, each in zip(coarser, widths, strict=True)) for _ in range(2)
        )
        self.gates = nn.ModuleList(CrossGating(widths=(DEPTH * each, each), width=each, block=side, grid=side) for each, side in levels)
        self.decoders = nn.ModuleList(
            Groups(parts=(1 + DEPTH) * each, width=each, side=side, num_groups=num_groups) for each, side in levels
        )
        self.outputs = nn.ModuleList(nn.Conv2d(each, 3, 3, padding=1) for each in (widths[:1] if last else widths))
        self.attention = nn.ModuleList(SupervisedAttention(width=each) for each in ([] if last else widths))

    def forward(self, pictures: list[Tensor], before: StageOutput | None) -> StageOutput:
        inputs = [conv(picture) for conv, picture in zip(self.inputs, pictures, strict=True)]  # (B, 32·2^l, H/2^l, W/2^l) for level l
        context: list[Tensor | None] = [None] * DEPTH
        if before is not None:
            inputs = [fuse(x, seen)[0] for fuse, x, seen in zip(self.fuse, inputs, before.attended, strict=True)]
            context = [*before.context]
        x, encoded = inputs[0], []
        for encoder, picture, seen in zip(self.encoders, inputs, context, strict=True):
            x, feat = encoder(x, picture, seen)  # at H/2^(l+1), and at H/2^l
            encoded.append(feat)
        x = gated = self.bottlenecks(x)  # (B, 128, H/8, W/8)
        skips, decoded = [*encoded], [*encoded]
        for level in reversed(range(DEPTH)):
            skips[level], gated = self.gates[level](self.to_gate[level](encoded), self.gate_up[level](gated))
        for level in reversed(range(DEPTH)):
            x = decoded[level] = self.decoders[level](self.decoder_up[level](x), *reversed(self.to_decoder[level](skips)))
        restored = [picture + conv(feat).float() for conv, feat, picture in zip(self.outputs, decoded, pictures, strict=False)]
        attended = [attend(feat, picture) for attend, feat, picture in zip(self.attention, decoded, restored, strict=False)]
        return StageOutput(restored, attended, [enc + dec for enc, dec in zip(encoded, decoded, strict=True)] if attended else [])


class Groups(nn.Module):
    """A 1x1 convolution of several inputs, then pairs of a multi-axis gated MLP and a channel attention block, with a skip around these.

    Args:
        parts: features of all inputs together.
        width: features of the output.
        side: of the blocks, and parts along each side of the grid.
        num_groups: number of pairs.
        attention: the channel attention block; at 1/8 that without convolutions.

    Shape:
        inputs (B, .., H, W) -> (B, width, H, W)
    """

    def __init__(self, *, parts: int, width: int, side: int, num_groups: int, attention: type[RCAB | RDCAB] = RCAB) -> None:
        super().__init__()
        self.enter = ChannelLinear(parts, width)
        self.groups = nn.Sequential(
            *(
                nn.Sequential(MultiAxisGatedMLP(width=width, block=side, grid=side), attention(width=width, reduction=REDUCTION))
                for _ in range(num_groups)
            )
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        x = self.enter.of_parts(*inputs)
        return x + self.groups(x)


class Encoder(nn.Module):
    """One level of the encoder; it also sees the picture of its size, and the features of the stage before.

    Args:
        widths: features of the level above, and of the level.
        width: features of the output.
        side: see `Groups`.
        num_groups: see `Groups`.
        crossed: whether it sees features of a stage before.

    Shape:
        x, picture features (B, widths, H, W), context (B, width, H, W) or None -> (B, width, H/2, W/2), (B, width, H, W)
    """

    def __init__(self, *, widths: tuple[int, int], width: int, side: int, num_groups: int, crossed: bool) -> None:
        super().__init__()
        self.body = Groups(parts=sum(widths), width=width, side=side, num_groups=num_groups)
        self.cross = CrossGating(widths=(width, width), width=width, block=side, grid=side) if crossed else None
        self.down = nn.Conv2d(width, width, 4, stride=2, padding=1)

    def forward(self, x: Tensor, picture: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x = self.body(x, picture)
        if self.cross is not None and context is not None:
            x = self.cross(x, context)[0]
        return self.down(x), x


class SupervisedAttention(nn.Module):
    """Features weighted by what the restored picture says of them, (B, width, H, W) and (B, 3, H, W) -> (B, width, H, W).

    Source: section 3.1, after Zamir et al., "Multi-Stage Progressive Image Restoration", CVPR 2021.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.conv, self.weigh = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(3, width, 3, padding=1)

    def forward(self, feat: Tensor, restored: Tensor) -> Tensor:
        return feat + self.conv(feat) * torch.sigmoid(self.weigh(restored))


class Double(nn.Module):
    """A 2x2 transposed convolution of stride 2, as one matrix product with rows (ky, kx, out): (B, C, H, W) -> (B, out, 2H, 2W)."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(4 * out_width, in_width)), nn.Parameter(torch.zeros(out_width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        squares = linear(x.permute(0, 2, 3, 1), self.weight, self.bias.repeat(4)).view(batch, height, width, 2, 2, -1)
        return squares.transpose(2, 3).reshape(batch, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


class ToLevel(nn.ModuleList):
    """The features of all levels brought to the size and width of one, as a tuple, finest first.

    Args:
        level: 0 for full resolution, 1 for a half, 2 for a quarter.
        widths: features of the levels.
    """

    def __init__(self, level: int, *, widths: list[int]) -> None:
        super().__init__(Resize(width, widths[level], levels=source - level) for source, width in enumerate(widths))

    def forward(self, feats: list[Tensor]) -> tuple[Tensor, ...]:
        return tuple(resize(feat) for resize, feat in zip(self, feats, strict=True))


class Resize(nn.Module):
    """Bilinear resizing by 2^levels and a 1x1 convolution: (B, in, H, W) -> (B, out, H·2^levels, W·2^levels).

    Both are linear and the weights of a resized value sum to 1, so that their order does not matter; fewer pixels are convolved here.
    """

    def __init__(self, in_width: int, out_width: int, *, levels: int) -> None:
        super().__init__()
        self.levels, self.linear = levels, ChannelLinear(in_width, out_width)

    def forward(self, x: Tensor) -> Tensor:
        if self.levels > 0:
            return interpolate(self.linear(x), scale_factor=2.0**self.levels, mode="bilinear", align_corners=False)
        if self.levels < 0:
            x = resized(x.float(), [side >> -self.levels for side in x.shape[-2:]], mode="bilinear").to(x.dtype)
        return self.linear(x)


def _radius(*, num_groups: int) -> int:
    """Pixels on each side that reach one output pixel of a stage by its convolutions; mixing within blocks and over the grid reaches farther.

    The 3x3 convolutions of encoder and decoder, those at the ends, the strided ones, and resizing from 1/4.
    """
    residual = sum(2 * 2 * num_groups * 2**level for level in range(DEPTH))
    strided = sum(3 * 2**level // 2 for level in range(DEPTH))
    return 2 + residual + strided + 2 * 2 ** (DEPTH - 1)


_NAMES = (
    (r"input_conv_(\d)", r"inputs.\1"),
    (r"input_fuse_sam_(\d)", r"fuse.\1"),
    (r"output_conv_(\d)", r"outputs.\1"),
    (r"supervised_attention_module_(\d)/Conv_0", r"attention.\1.conv"),
    (r"supervised_attention_module_(\d)/Conv_1", r"outputs.\1"),
    (r"supervised_attention_module_(\d)/Conv_2", r"attention.\1.weigh"),
    (r"cross_gating_block_(\d)/ConvTranspose_0", r"gate_up.\1"),
    (r"decoder_block_(\d)/ConvTranspose_0", r"decoder_up.\1"),
    (r"encoder_block_(\d)/cross_gating_block", r"encoders.\1.cross"),
    (r"encoder_block_(\d)/Conv_1", r"encoders.\1.down"),
    (r"encoder_block_(\d)", r"encoders.\1.body"),
    (r"decoder_block_(\d)/UNetEncoderBlock_0", r"decoders.\1"),
    (r"cross_gating_block_(\d)", r"gates.\1"),
    (r"global_block_(\d)", r"bottlenecks.\1"),
    (r"SplitHeadMultiAxisGmlpLayer_(\d)", r"groups.\1.0"),
    (r"channel_attention_block_1_?(\d)", r"groups.\1.1"),
    (r"GridGmlpLayer", "grid"),
    (r"BlockGmlpLayer", "block"),
    (r"(Grid|Block)GatingUnit/intermediate_layernorm", "gate_norm"),
    (r"(Grid|Block)GatingUnit/Dense_0", "mix.linear"),
    (r"SplitHeadMultiAxisGating_(x|y)/Dense_0", r"gate_\1.grid.linear"),
    (r"SplitHeadMultiAxisGating_(x|y)/Dense_1", r"gate_\1.block.linear"),
    (r"SplitHeadMultiAxisGating_(x|y)", r"gate_\1"),
    (r"channel_attention/Conv_0", "attention.squeeze"),
    (r"channel_attention/Conv_1", "attention.excite"),
    (r"channel_mixing/Dense_0", "expand"),
    (r"channel_mixing/Dense_1", "project"),
    (r"LayerNorm_(x|y)", r"norm_\1"),
    (r"LayerNorm(_in)?", "norm"),
    (r"in_project(_x|_y)?", r"expand\1"),
    (r"out_project(_x|_y)?", r"project\1"),
    (r"(encoders\.\d\.cross|gates\.\d|fuse\.\d)/Conv_0", r"\1.enter_x"),
    (r"(encoders\.\d\.cross|gates\.\d|fuse\.\d)/Conv_1", r"\1.enter_y"),
    (r"Conv_0|input_proj", "enter"),
    (r"kernel|scale", "weight"),
)
"""Names in the authors' program, within a stage, and here; replaced in this order."""


def rename_published_keys(tensors: Mapping[str, Tensor], *, num_stages: int | None = None) -> dict[str, Tensor]:
    """Bring the authors' weights to the names and shapes of `MAXIM`.

    Args:
        tensors: `module/path/kernel`, `bias` or `scale` -> tensor, laid out as in JAX: kernels of convolutions (kh, kw, in, out), of
            transposed ones (kh, kw, out, in), of matrix products (in, out); others may have leading dimensions of 1.
        num_stages: how many of the first stages are taken; None for all.

    Returns:
        A state dict for `MAXIM` with that number of stages.

    Raises:
        WeightsError: if a name is none of theirs, or there are fewer stages.
    """
    places = {name: _place(name) for name in tensors}
    there = 1 + max((stage for stage, _ in places.values()), default=-1)
    last = (there if num_stages is None else num_stages) - 1
    if last >= there:
        raise WeightsError(f"these weights of MAXIM have {there} stages, so that {num_stages} cannot be taken")
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stage, key = places[name]
        if stage < last or (stage == last and not key.startswith(("attention.", "outputs.1", "outputs.2"))):
            kernel, transposed = name.endswith("kernel"), key.startswith(("gate_up", "decoder_up"))
            renamed[f"stages.{stage}.{key}"] = _laid_out(tensor, transposed=transposed) if kernel else tensor.flatten()
    return renamed


def _place(name: str) -> tuple[int, str]:
    """Number of the stage, and our name within it, of a tensor of the authors' program.

    Raises:
        WeightsError: if the name is none of theirs.
    """
    resized = re.fullmatch(r"UpSampleRatio_(\d+)/Conv_0/(kernel|bias)", name)
    if resized:  # counted over all stages: nine before the cross-gating, nine before the decoders, coarse to fine
        stage, number = divmod(int(resized[1]), 2 * DEPTH**2)
        level, source = DEPTH - 1 - number % DEPTH**2 // DEPTH, number % DEPTH
        end = "weight" if resized[2] == "kernel" else "bias"
        if number < DEPTH**2:
            return stage, f"to_gate.{level}.{source}.linear.{end}"
        return stage, f"to_decoder.{level}.{DEPTH - 1 - source}.linear.{end}"
    staged = re.fullmatch(r"stage_(\d)_(.+/(kernel|bias|scale))", name)
    if staged is None:
        raise WeightsError(f"{name!r} is not a part of MAXIM; these are the weights of another network")
    key = staged[2]
    for theirs, ours in _NAMES:
        key = re.sub(rf"(?<![^/]){theirs}(?![^/])", ours, key)
    return int(staged[1]), key.replace("/", ".")


def _laid_out(tensor: Tensor, *, transposed: bool) -> Tensor:
    """A kernel of the authors' program as torch keeps it."""
    if tensor.ndim == 2:
        return tensor.T.contiguous()
    if transposed:
        return tensor.flatten(0, 2)  # rows (ky, kx, out)
    return tensor[0, 0].T.contiguous() if tensor.shape[:2].numel() == 1 else tensor.permute(3, 2, 0, 1).contiguous()
