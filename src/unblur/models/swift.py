"""`swift`: the project's own network, shaped for processors with bf16 matrix units.

It first asks how every pixel was smeared, then restores the picture with that knowledge and with the picture read along
the smear. A network that is told the motion solves a nearly known deconvolution instead of a blind one.

    blurry ── fold 4 ──┬── motion: U-Net at 1/4 ── spread (l1, l2, θ of each 4x4 square)
      │                │                              │
      ├── read along the smear at −½, −¼, ¼, ½ ◄──────┤
      │                │        │                     │
      │              fold 4 ── fold 4 ── concatenate ─┘
      │                             │
      │                    restoration: U-Net at 1/4
      │                             │
      + ◄──────────────────────── unfold 4
      │
    restored

All convolutions are dense, 3x3, with widths in multiples of 32, at a quarter of the resolution and below; the picture
is folded into channels (4x4 pixels to one position), so that no full-resolution feature map exists.
"""

from abc import abstractmethod
from collections.abc import Container, Mapping

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from unblur.errors import ShapeError
from unblur.layers.blocks import ResBlock
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.fold import fold
from unblur.layers.join import join
from unblur.layers.smear import sample_along
from unblur.layers.unet import UNet
from unblur.models.base import CENTRE, Net

__all__ = ["SmearNet", "Swift", "begun", "widened"]

FOLD = 4
"""Side of the square of pixels that becomes one position."""

LENGTH_UNIT = 8.0
"""Pixels of smear that are 1 inside the network."""

SHARES = (-0.5, -0.25, 0.25, 0.5)
"""Where the picture is read along the smear."""

LONGEST = 48.0
"""Longest smear that is read along, pixels."""


class SmearNet(Net):
    """What the photo networks of the project share: first they ask how the picture was smeared, then they restore it.

    Args:
        motion: sees how the folded picture was smeared.
        restoration: restores it.
        shares: where the picture is read along the smear, in shares of its length from its middle.
        longest: longest smear that is read along, pixels; bounds what one output pixel can depend on.

    Attributes:
        inner_multiple: sides of what `spread` and `restore` see are multiples of this.
    """

    def __init__(self, *, motion: UNet, restoration: UNet, shares: tuple[float, ...], longest: float) -> None:
        super().__init__()
        self.shares, self.longest = tuple(shares), longest
        self.motion, self.restoration = motion, restoration
        self.size_multiple = self.inner_multiple = FOLD * max(motion.size_multiple, restoration.size_multiple)
        reach = motion.receptive_radius + 1 + restoration.receptive_radius  # 1: bringing the spread up
        self.receptive_radius = FOLD * reach + FOLD - 1 + int(longest * max((abs(share) for share in shares), default=0)) + 1

    def forward(self, blurry: Tensor) -> Tensor:
        return self.restored(blurry)

    def restored(self, blurry: Tensor) -> Tensor:
        """The picture restored by what it says of its smear, (B, 3, H, W) to (B, 3, H, W)."""
        small = self.smaller(blurry)  # (B, 3, h, w)
        return self.larger(self.restore(small, self.spread(small)), small=small, blurry=blurry)  # (B, 3, H, W)

    def smaller(self, blurry: Tensor) -> Tensor:
        """The picture at the size at which it is restored: its own, (B, 3, H, W) to (B, 3, h, w)."""
        return blurry

    def larger(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:  # noqa: ARG002 (others need both)
        """What `restored` is at the size of the picture, which was restored at the size of `small`: (B, 3, h, w) to (B, 3, H, W)."""
        return restored

    def spread(self, blurry: Tensor) -> Tensor:
        """How each square of pixels was smeared, in pixels (see `unblur.layers.smear`).

        Shape:
            (B, 3, H, W) -> (B, 3, H/4, W/4)

        Raises:
            ShapeError: if the sides are not multiples of `inner_multiple`.
        """
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.inner_multiple, name="blurry")
        return LENGTH_UNIT * self.motion(fold(blurry - CENTRE, side=FOLD)).float()  # (B, 3, H/4, W/4)

    @abstractmethod
    def restore(self, blurry: Tensor, spread: Tensor) -> Tensor:
        """Restore with a known spread, such as the estimate of `spread` or the truth of a synthetic picture.

        Shape:
            blurry (B, 3, H, W), spread (B, 3, H/4, W/4) -> (B, 3, H, W)
        """


class Swift(SmearNet):
    """Two U-Nets: one that sees how the picture was smeared, one that restores it.

    Args:
        widths: features of the restoration at 1/4, 1/8, 1/16, ... resolution.
        blocks: its residual blocks there, see `UNet`.
        motion_widths: features of the motion network at 1/4, 1/8, 1/16, ... resolution.
        motion_blocks: its residual blocks there.
        shares: see `SmearNet`.
        longest: see `SmearNet`.
    """

    scale_step = 3.0

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 96, 128),
        blocks: tuple[int, ...] = (2, 0, 0),
        motion_widths: tuple[int, ...] = (32, 64, 128),
        motion_blocks: tuple[int, ...] = (1, 2, 3),
        shares: tuple[float, ...] = SHARES,
        longest: float = LONGEST,
    ) -> None:
        pixels = 3 * FOLD**2
        seen = pixels * (1 + len(shares)) + 3
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=seen, out_channels=pixels, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, shares=shares, longest=longest)

    def restore(self, blurry: Tensor, spread: Tensor) -> Tensor:
        spread = spread.clamp(-self.longest, self.longest)
        views = [blurry, sample_along(blurry, spread, shares=self.shares)] if self.shares else [blurry]
        folded = [fold(view - CENTRE, side=FOLD) for view in views]  # (B, 48, H/4, W/4), (B, 48·shares, H/4, W/4)
        residual = self.restoration(join(*folded, spread / LENGTH_UNIT))  # (B, 48, H/4, W/4)
        return blurry + pixel_shuffle(residual, FOLD).float()  # (B, 3, H, W)


def widened(tensors: Mapping[str, Tensor], *, net: Net) -> dict[str, Tensor]:
    """Tensors with which `net`, which is new, and has all parts of another network as wide or wider, restores as that one does.

    What is new counts for nothing yet: features come after those that both have, see all by the weights that `net` has, and nothing of
    the other network sees them; a residual block that is new in a U-Net that both have says 0.

    Args:
        tensors: of the other network.
        net: to be given them.

    Raises:
        ShapeError: if the other network has something that has no place in it.
    """
    grown = begun(net, known=tensors)
    for name, tensor in tensors.items():
        target = grown.get(name)
        place = tuple(slice(side) for side in tensor.shape)
        if target is None or target[place].shape != tensor.shape or target.shape[2:] != tensor.shape[2:]:
            raise ShapeError(f"`{name}`, {tuple(tensor.shape)}, has no place in a network that should begin as another one")
        backwards = tensor.ndim > 1 and isinstance(net.get_submodule(name.rpartition(".")[0]), nn.ConvTranspose2d)  # its inputs come first
        into_old = target[:, : tensor.shape[1]] if backwards else target[: tensor.shape[0]]
        into_old.zero_()
        target[place] = tensor
    return grown


def begun(net: Net, *, known: Container[str]) -> dict[str, Tensor]:
    """A copy of the tensors of `net`, which is new, in which residual blocks that are not `known`, of U-Nets that are, say 0."""
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for unet, module in net.named_modules():
        if isinstance(module, UNet) and f"{unet}.entry.weight" in known:
            for block, inside in module.named_modules(prefix=unet):
                if isinstance(inside, ResBlock) and f"{block}.conv2.weight" not in known:
                    for part in ("weight", "bias"):
                        tensors[f"{block}.conv2.{part}"].zero_()
    return tensors
