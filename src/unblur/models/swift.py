"""`swift`: the project's own network, shaped for processors with bf16 matrix units.

It first asks how every pixel was smeared, then restores the picture with that knowledge and with the picture read along
the smear. A network that is told the motion solves a nearly known deconvolution instead of a blind one.

    blurry ── fold 4 ──┬── motion: U-Net at 1/4 ── blur field (l1, l2, θ of each 4x4 square)
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
from unblur.layers.concatenate import concatenate
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.models.base import CENTRE, Net

__all__ = ["BlurFieldNet", "Swift", "widen", "zero_new_blocks"]

UNSHUFFLE = 4
"""Side of the square of pixels that becomes one position."""

LENGTH_UNIT = 8.0
"""Pixels of smear that are 1 inside the network."""

POSITIONS = (-0.5, -0.25, 0.25, 0.5)
"""Where the picture is read along the smear."""

MAX_BLUR_LENGTH = 48.0
"""Longest smear that is read along, pixels."""


class BlurFieldNet(Net):
    """What the photo networks of the project share: first they ask how the picture was smeared, then they restore it.

    Args:
        motion: sees how the folded picture was smeared.
        restoration: restores it.
        positions: where the picture is read along the smear, in shares of its length from its middle.
        max_blur_length: longest smear that is read along, pixels; bounds what one output pixel can depend on.

    Attributes:
        inner_multiple: sides of what `blur_field` and `restore` see are multiples of this.
    """

    def __init__(self, *, motion: UNet, restoration: UNet, positions: tuple[float, ...], max_blur_length: float) -> None:
        super().__init__()
        self.positions, self.max_blur_length = tuple(positions), max_blur_length
        self.motion, self.restoration = motion, restoration
        self.size_multiple = self.inner_multiple = UNSHUFFLE * max(motion.size_multiple, restoration.size_multiple)
        reach = motion.receptive_radius + 1 + restoration.receptive_radius  # 1: bringing the blur field up
        self.receptive_radius = (
            UNSHUFFLE * reach + UNSHUFFLE - 1 + int(max_blur_length * max((abs(share) for share in positions), default=0)) + 1
        )

    def forward(self, blurry: Tensor) -> Tensor:
        return self.restored(blurry)

    def restored(self, blurry: Tensor) -> Tensor:
        """The picture restored by what it says of its smear, (B, 3, H, W) to (B, 3, H, W)."""
        small = self.downscaled(blurry)  # (B, 3, h, w)
        return self.apply_change(self.restore(small, self.blur_field(small)), small=small, blurry=blurry)  # (B, 3, H, W)

    def downscaled(self, blurry: Tensor) -> Tensor:
        """The picture at the size at which it is restored: its own, (B, 3, H, W) to (B, 3, h, w)."""
        return blurry

    def apply_change(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:  # noqa: ARG002 (others need both)
        """What `restored` is at the size of the picture, which was restored at the size of `small`: (B, 3, h, w) to (B, 3, H, W)."""
        return restored

    def blur_field(self, blurry: Tensor) -> Tensor:
        """How each square of pixels was smeared, in pixels (see `unblur.layers.motion_blur`).

        Shape:
            (B, 3, H, W) -> (B, 3, H/4, W/4)

        Raises:
            ShapeError: if the sides are not multiples of `inner_multiple`.
        """
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.inner_multiple, name="blurry")
        return LENGTH_UNIT * self.motion(pixel_unshuffle(blurry - CENTRE, factor=UNSHUFFLE)).float()  # (B, 3, H/4, W/4)

    @abstractmethod
    def restore(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        """Restore with a known blur field, such as the estimate of `blur_field` or the truth of a synthetic picture.

        Shape:
            blurry (B, 3, H, W), blur field (B, 3, H/4, W/4) -> (B, 3, H, W)
        """


class Swift(BlurFieldNet):
    """Two U-Nets: one that sees how the picture was smeared, one that restores it.

    Args:
        widths: features of the restoration at 1/4, 1/8, 1/16, ... resolution.
        blocks: its residual blocks there, see `UNet`.
        motion_widths: features of the motion network at 1/4, 1/8, 1/16, ... resolution.
        motion_blocks: its residual blocks there.
        positions: see `BlurFieldNet`.
        max_blur_length: see `BlurFieldNet`.
    """

    scale_step = 3.0

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 96, 128),
        blocks: tuple[int, ...] = (2, 0, 0),
        motion_widths: tuple[int, ...] = (32, 64, 128),
        motion_blocks: tuple[int, ...] = (1, 2, 3),
        positions: tuple[float, ...] = POSITIONS,
        max_blur_length: float = MAX_BLUR_LENGTH,
    ) -> None:
        pixels = 3 * UNSHUFFLE**2
        seen = pixels * (1 + len(positions)) + 3
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=seen, out_channels=pixels, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, positions=positions, max_blur_length=max_blur_length)

    def restore(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        blur_field = blur_field.clamp(-self.max_blur_length, self.max_blur_length)
        views = [blurry, sample_along(blurry, blur_field, positions=self.positions)] if self.positions else [blurry]
        folded = [pixel_unshuffle(view - CENTRE, factor=UNSHUFFLE) for view in views]  # (B, 48, H/4, W/4), (B, 48·shares, H/4, W/4)
        residual = self.restoration(concatenate(*folded, blur_field / LENGTH_UNIT))  # (B, 48, H/4, W/4)
        return blurry + pixel_shuffle(residual, UNSHUFFLE).float()  # (B, 3, H, W)


def widen(tensors: Mapping[str, Tensor], *, net: Net) -> dict[str, Tensor]:
    """Tensors with which `net`, which is new, and has all parts of another network as wide or wider, restores as that one does.

    What is new counts for nothing yet: features come after those that both have, see all by the weights that `net` has, and nothing of
    the other network sees them; a residual block that is new in a U-Net that both have says 0.

    Args:
        tensors: of the other network.
        net: to be given them.

    Raises:
        ShapeError: if the other network has something that has no place in it.
    """
    grown = zero_new_blocks(net, known=tensors)
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


def zero_new_blocks(net: Net, *, known: Container[str]) -> dict[str, Tensor]:
    """A copy of the tensors of `net`, which is new, in which residual blocks that are not `known`, of U-Nets that are, say 0."""
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for unet, module in net.named_modules():
        if isinstance(module, UNet) and f"{unet}.entry.weight" in known:
            for block, inside in module.named_modules(prefix=unet):
                if isinstance(inside, ResBlock) and f"{block}.conv2.weight" not in known:
                    for part in ("weight", "bias"):
                        tensors[f"{block}.conv2.{part}"].zero_()
    return tensors
