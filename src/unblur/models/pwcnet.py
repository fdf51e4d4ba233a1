"""`pwcnet`: optical flow from a feature pyramid, warping and cost volumes.

Source: Sun, Yang, Liu, Kautz, "PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume", CVPR 2018, with the
densely connected decoders and the context network of its section 3.

Level l, of six (the coarsest has neither flow nor features from above):

    reference ─ pyramid ─ c_l ──────────┬──────────┐
                                    cost volume ── ⊕ ─ decoder ─┬─ flow_l ─── ↑2 ─ to level l-1
    neighbour ─ pyramid ─ c'_l ─ warp ──┘          │            └─ features ─ ↑2 ─ to level l-1
                                  └──── ↑flow ─────┴─ ↑features
    level 2:  flow_2 + context(features) ─ ↑4 ─ flow

Flow is estimated from level 6 (1/64 of the resolution) to level 2 (1/4). At the published widths it has 9,374,274
parameters; with two convolutions a level of the pyramid 8,749,214, which is the paper's 8.75 M. The released networks hold 66
more in an upsampling below level 2 that nothing uses.

Differs from the paper: nothing is known to. Where a warp reads outside the frame the warped feature is 0, and it is 0 too
where it reads only partly outside, as in the released code.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, leaky_relu

from unblur.errors import WeightsError
from unblur.layers.coordinates import CoordinateConv, CoordinateDeconv
from unblur.layers.correlation import cost_volume
from unblur.layers.warp import flow_inside, flow_resize, flow_warp
from unblur.models.arguments import build
from unblur.models.flow import FlowNet, ZeroFlow, check_pair

__all__ = ["CONTEXT_WIDTHS", "DECODER_WIDTHS", "PYRAMID_WIDTHS", "PWCNet", "flow_network", "rename_published_keys"]

PYRAMID_WIDTHS = (16, 32, 64, 96, 128, 196)
DECODER_WIDTHS = (128, 128, 96, 64, 32)
CONTEXT_WIDTHS = (128, 128, 128, 96, 64, 32)

DILATIONS = (1, 2, 4, 8, 16, 1)
SLOPE = 0.1
"""Negative slope of every leaky ReLU."""
FLOW_UNIT = 20
"""Pixels at full resolution that the network's flow of 1 stands for."""
FINEST = 2
"""Level at which the estimate ends: a quarter of the resolution."""


class PWCNet(FlowNet):
    """Coarse-to-fine flow by warping and cost volumes.

    Decided: the three convolutions a pyramid level of the released network; the features' mean product as cost, followed by a
    leaky ReLU; RGB in [0, 1], not centred; He initialisation.

    The built-in weights are of a small one, of 1.03 M parameters: `PWCNet(widths=(16, 32, 48, 64, 96), decoder_widths=(64, 64, 48,
    32, 32), context_widths=(64, 64, 64, 48, 32, 32), convs_per_level=2, dense=False, normalise=True)`.

    Args:
        widths: features of each pyramid level, finest first; as many as there are levels, at least 2.
        decoder_widths: features that each convolution of a decoder finds.
        context_widths: features of the six dilated convolutions of the context network.
        radius: of the cost volume.
        convs_per_level: convolutions of each pyramid level, the first with stride 2.
        dense: whether each convolution of a decoder sees what all before it found; without, it is the paper's PWC-Net-small
            (4.08 M parameters with two convolutions a level), which needs about half the arithmetic.
        normalise: whether features are brought to mean 0 and variance 1 at each position before costs are taken of them.
            Jonschkowski et al. (ECCV 2020) normalise them over the picture and found that it matters much; decided here at each
            position, so that a tile is treated as the picture is.

    Raises:
        ValueError: if there are fewer than two levels, or not six context widths.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = PYRAMID_WIDTHS,
        decoder_widths: tuple[int, ...] = DECODER_WIDTHS,
        context_widths: tuple[int, ...] = CONTEXT_WIDTHS,
        radius: int = 4,
        convs_per_level: int = 3,
        dense: bool = True,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) < FINEST:
            raise ValueError(f"widths must have at least {FINEST} levels, got {len(widths)}")
        if len(context_widths) != len(DILATIONS):
            raise ValueError(f"context_widths must have {len(DILATIONS)} entries, got {len(context_widths)}")
        self.radius = radius
        self.pyramid = nn.ModuleList(
            _pyramid_level(in_width, width, convs=convs_per_level) for in_width, width in zip((3, *widths[:-1]), widths, strict=True)
        )
        costs = (2 * radius + 1) ** 2
        feature_widths = [costs + width + 4 for width in widths[FINEST - 1 : -1]] + [costs]  # of levels 2, 3, ...
        grown = [width + sum(decoder_widths) for width in feature_widths]
        if not dense:
            grown = [decoder_widths[-1]] * len(feature_widths)
        self.decoders = nn.ModuleList(
            _Decoder(in_width=width, widths=decoder_widths, above=above, dense=dense, normalise=normalise)
            for width, above in zip(feature_widths, [*grown[1:], None], strict=True)
        )
        self.context = _context(grown[0], context_widths)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        self.size_multiple = 2 ** len(widths)
        self.receptive_radius = _receptive_radius(
            levels=len(widths), convs=convs_per_level, decoder_convs=len(decoder_widths) + 1, radius=radius
        )

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        return self.forward_scales(reference, neighbour)[0]

    def forward_scales(self, reference: Tensor, neighbour: Tensor) -> list[Tensor]:
        """Estimate the flow from reference to neighbour.

        Args:
            reference: picture whose positions the flow belongs to.
            neighbour: picture that the flow points into.

        Returns:
            The flow at full resolution, then those of levels 2, 3, ... at their own
            resolution. Each is in pixels of its own resolution, in single precision.
        """
        check_pair(reference, neighbour, multiple=self.size_multiple)
        pyramids = list(zip(self._levels(reference), self._levels(neighbour), strict=True))[FINEST - 1 :]
        flow: Tensor | None = None
        feat: Tensor | None = None
        flows: list[Tensor] = []
        for level, decoder, (ref_feat, nbr_feat) in reversed(list(zip(self._numbers(), self.decoders, pyramids, strict=True))):
            flow, feat = decoder(ref_feat, nbr_feat, flow, feat, radius=self.radius, pixels=FLOW_UNIT / 2**level)
            flows.insert(0, flow * (FLOW_UNIT / 2**level))
        assert feat is not None
        flows[0] = flows[0] + self.context(feat) * (FLOW_UNIT / 2**FINEST)
        full = flow_resize(flows[0], size=(reference.shape[-2], reference.shape[-1]))  # (B, 2, H, W)
        return [full, *flows]

    def tensors_from_published(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `rename_published_keys`."""
        return rename_published_keys(published)

    def _numbers(self) -> range:
        return range(FINEST, FINEST + len(self.decoders))

    def _levels(self, image: Tensor) -> list[Tensor]:
        levels = []
        for level in self.pyramid:
            image = level(image)
            levels.append(image)
        return levels


class _Decoder(nn.Module):
    """Flow of one level: cost volume, then convolutions each of which sees all that came before it, or only the one before."""

    def __init__(self, *, in_width: int, widths: tuple[int, ...], above: int | None, dense: bool, normalise: bool) -> None:
        super().__init__()
        self.sees_all, self.normalises = dense, normalise
        if above is not None:
            self.up_flow = CoordinateDeconv(channels=2)
            self.up_feat = nn.ConvTranspose2d(above, 2, 4, stride=2, padding=1)
        self.dense = nn.ModuleList()
        for width in widths:
            self.dense.append(nn.Conv2d(in_width, width, 3, padding=1))
            in_width = in_width + width if dense else width
        self.predict = CoordinateConv(in_channels=in_width, out_channels=2)

    def forward(
        self, reference: Tensor, neighbour: Tensor, flow: Tensor | None, feat: Tensor | None, *, radius: int, pixels: float
    ) -> tuple[Tensor, Tensor]:
        known = []
        if flow is not None and feat is not None:
            flow = self.up_flow(flow)
            known = [reference, flow.to(reference.dtype), self.up_feat(feat)]
            in_pixels = flow * pixels
            neighbour = flow_warp(neighbour, in_pixels) * flow_inside(in_pixels)
        if self.normalises:
            reference, neighbour = _normalised(reference), _normalised(neighbour)
        x = torch.cat((leaky_relu(cost_volume(reference, neighbour, radius=radius), SLOPE), *known), dim=1)
        for conv in self.dense:
            found = leaky_relu(conv(x), SLOPE)
            x = torch.cat((found, x), dim=1) if self.sees_all else found
        return self.predict(x), x


def flow_network(arguments: Mapping[str, object] | None) -> FlowNet:
    """Build the flow network of a deblurring network: `PWCNet` with these arguments, or for None the one that sees no motion.

    Raises:
        InputError: if the arguments are no mapping, or name one that there is not.
    """
    return ZeroFlow() if arguments is None else build(PWCNet, arguments, called="the network's `flow`")


def rename_published_keys(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring a published state dict to the names of `PWCNet()`.

    Both layouts in circulation are understood: that of sniklaus/pytorch-pwc (`netExtractor.netOne.0.weight`, in older files
    `moduleExtractor.moduleOne.0.weight`) and that of NVlabs/PWC-Net (`conv1a.0.weight`), the latter also with two convolutions a
    level and with the prefix of a parallel wrapper. The published networks take BGR: the channels of the first convolution are
    turned round so that ours takes RGB. NVlabs' `deconv2`, which nothing uses, is left out.

    Args:
        published: names and tensors; not changed.

    Raises:
        WeightsError: if a name belongs to neither layout.
    """
    names = [name.removeprefix("module.") for name in published]
    three_convs = "conv1aa.0.weight" in names
    renamed = {}
    for name, tensor in zip(names, published.values(), strict=True):
        ours = _from_sniklaus(name) or _from_nvlabs(name, three_convs=three_convs)
        if ours is None:
            raise WeightsError(f"{name!r} is no name of a published PWC-Net; expected the layout of sniklaus/pytorch-pwc or NVlabs/PWC-Net")
        if ours:
            renamed[ours] = tensor.flip(1) if ours == "pyramid.0.0.weight" else tensor
    return renamed


NUMERALS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")


def _from_sniklaus(name: str) -> str | None:
    numeral = "|".join(NUMERALS)
    name = re.sub(r"(^|\.)module(?=[A-Z])", r"\1net", name)
    if match := re.fullmatch(rf"netExtractor\.net({numeral})\.(\d+\.\w+)", name):
        return f"pyramid.{NUMERALS.index(match[1])}.{match[2]}"
    if match := re.fullmatch(r"netRefiner\.netMain\.(\d+\.\w+)", name):
        return f"context.{match[1]}"
    if match := re.fullmatch(rf"net({numeral})\.net(Upflow|Upfeat|{numeral})(?:\.0)?\.(weight|bias)", name):
        decoder = f"decoders.{NUMERALS.index(match[1]) + 1 - FINEST}"
        part = {"Upflow": "up_flow", "Upfeat": "up_feat", "Six": "predict"}.get(match[2])
        return f"{decoder}.{part or f'dense.{NUMERALS.index(match[2])}'}.{match[3]}"
    return None


def _from_nvlabs(name: str, *, three_convs: bool) -> str | None:
    """Our name; "" for a parameter that is not used."""
    if match := re.fullmatch(r"conv([1-6])(a|aa|b)\.0\.(weight|bias)", name):
        # The first convolution is called a, but aa on level 6, where a is the second.
        order = ("aa", "a", "b") if match[1] == "6" else ("a", "aa", "b")
        position = order.index(match[2]) if three_convs else "ab".index(match[2])
        return f"pyramid.{int(match[1]) - 1}.{2 * position}.{match[3]}"
    if match := re.fullmatch(r"conv([2-6])_([0-4])\.0\.(weight|bias)", name):
        return f"decoders.{int(match[1]) - FINEST}.dense.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"predict_flow([2-6])\.(weight|bias)", name):
        return f"decoders.{int(match[1]) - FINEST}.predict.{match[2]}"
    if match := re.fullmatch(r"(deconv|upfeat)([2-6])\.(weight|bias)", name):
        # Theirs belongs to the level that is brought up, ours to the level that it is brought to.
        part = {"deconv": "up_flow", "upfeat": "up_feat"}[match[1]]
        return "" if match[2] == str(FINEST) else f"decoders.{int(match[2]) - 1 - FINEST}.{part}.{match[3]}"
    if match := re.fullmatch(r"dc_conv([1-7])(?:\.0)?\.(weight|bias)", name):
        return f"context.{2 * (int(match[1]) - 1)}.{match[2]}"
    return None


def _pyramid_level(in_width: int, width: int, *, convs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(convs):
        layers.append(nn.Conv2d(width if i else in_width, width, 3, stride=1 if i else 2, padding=1))
        layers.append(nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(*layers)


def _normalised(feat: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the features of each position: the cost is then a correlation, at most 1."""
    return layer_norm(feat.movedim(1, -1), feat.shape[1:2]).movedim(-1, 1)


def _context(in_width: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, dilation in zip(widths, DILATIONS, strict=True):
        layers.append(nn.Conv2d(in_width, width, 3, padding=dilation, dilation=dilation))
        layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        in_width = width
    return nn.Sequential(*layers, CoordinateConv(in_channels=in_width, out_channels=2))


def _receptive_radius(*, levels: int, convs: int, decoder_convs: int, radius: int) -> int:
    """Every convolution adds one position of its resolution, a cost volume `radius`, an upsampling two of the coarser."""
    pyramid = sum(2 ** (level - 1) + (convs - 1) * 2**level for level in range(1, levels + 1))
    decoders = sum((radius + decoder_convs + 2) * 2**level for level in range(FINEST, levels + 1))
    return pyramid + decoders + (sum(DILATIONS) + 1) * 2**FINEST
