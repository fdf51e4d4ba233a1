"""`swift`: a small photo network of our own, shaped for processors with bf16 matrix units.

A first U-Net estimates the blur field: for each square of 4x4 pixels the axis and length of its motion blur. A second one restores the picture from the
picture itself, the blur field, and the picture sampled along the axis of the blur. Knowing the blur turns blind deconvolution into a nearly non-blind one, and the
synthesis of the training pairs knows it exactly.

    blurry ── unshuffle 4 ──┬── motion: U-Net at 1/4 ── blur field (l1, l2, θ of each 4x4 square)
      │                     │                              │
      ├── sample along the blur at −½, −¼, ¼, ½ ◄──────────┤
      │                     │        │                     │
      │              unshuffle 4 ─ unshuffle 4 ─ concatenate
      │                                  │
      │                    restoration: U-Net at 1/4
      │                                  │
      + ◄─────────────────────── pixel shuffle 4
      │
    restored

All convolutions are dense, 3x3, with widths in multiples of 32, at 1/4 of the resolution and below; pixel unshuffle brings 4x4 pixels into channels, so that
no feature map has the full resolution.
"""

from abc import abstractmethod
from collections.abc import Container, Mapping

from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from unblur.errors import ShapeError
from unblur.layers.blocks import ResBlock
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.concatenate import concatenate
from unblur.layers.motion_blur import blur_axis, sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.models.base import CENTRE, Net
from unblur.models.diagnostic import Diagnostic, restored_diagnostic
from unblur.models.supervised import EstimatesBlurField

__all__ = ["BlurFieldNet", "Swift", "blur_field_diagnostic", "lacks_only_blocks", "widen", "zero_new_blocks"]

UNSHUFFLE = 4
"""Factor of the pixel unshuffle."""

LENGTH_UNIT = 8.0
"""Length of blur that is 1 inside the network, pixels."""

POSITIONS = (-0.5, -0.25, 0.25, 0.5)
"""Where the picture is sampled along the blur, in units of its length from its middle."""

MAX_BLUR_LENGTH = 48.0
"""Longest blur along which the picture is sampled, pixels."""


class BlurFieldNet(Net, EstimatesBlurField):
    """Base of the photo networks that estimate a blur field first and restore with it.

    Args:
        motion: estimates the blur field of the unshuffled picture.
        restoration: predicts the change.
        positions: where the picture is sampled along the blur, in units of its length from its middle.
        max_blur_length: longest blur along which the picture is sampled, pixels; it bounds the receptive field.

    Attributes:
        inner_multiple: the sides of the inputs of `blur_field` and `restore` are multiples of this.
    """

    def __init__(self, *, motion: UNet, restoration: UNet, positions: tuple[float, ...], max_blur_length: float) -> None:
        super().__init__()
        self.positions, self.max_blur_length = tuple(positions), max_blur_length
        self.motion, self.restoration = motion, restoration
        self.size_multiple = self.inner_multiple = UNSHUFFLE * max(motion.size_multiple, restoration.size_multiple)
        reach = motion.receptive_radius + 1 + restoration.receptive_radius  # 1: upsampling the blur field
        self.receptive_radius = (
            UNSHUFFLE * reach + UNSHUFFLE - 1 + int(max_blur_length * max((abs(position) for position in positions), default=0)) + 1
        )

    def forward(self, blurry: Tensor) -> Tensor:
        return self.restored(blurry)

    def restored(self, blurry: Tensor) -> Tensor:
        """The picture restored with its estimated blur field, (B, 3, H, W) to (B, 3, H, W)."""
        small = self.downscaled(blurry)  # (B, 3, h, w)
        return self.apply_change(self.restore(small, self.blur_field(small)), small=small, blurry=blurry)  # (B, 3, H, W)

    def downscaled(self, blurry: Tensor) -> Tensor:
        """The picture at the scale at which it is restored, its own by default: (B, 3, H, W) to (B, 3, h, w)."""
        return blurry

    def apply_change(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:  # noqa: ARG002 (subclasses need both)
        """The change from `small` to `restored` applied to `blurry`: (B, 3, h, w) to (B, 3, H, W)."""
        return restored

    def blur_field(self, blurry: Tensor) -> Tensor:
        """The estimated blur field, in pixels, see `unblur.layers.motion_blur`.

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
        """Restore with a given blur field: the estimate, or the truth of a synthetic picture.

        Shape:
            blurry (B, 3, H, W), blur field (B, 3, H/4, W/4) -> (B, 3, H, W)
        """

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The estimated blur field and the restored picture."""
        small = self.downscaled(blurry)
        blur_field = self.blur_field(small)
        restored = self.apply_change(self.restore(small, blur_field), small=small, blurry=blurry)
        return [blur_field_diagnostic(blur_field, picture=small), restored_diagnostic(restored)]

    def tensors_from(self, tensors: Mapping[str, Tensor], *, architecture: str) -> dict[str, Tensor]:
        """As `Net.tensors_from`, also from the same network with fewer features or fewer residual blocks (`widen`)."""
        if lacks_only_blocks(tensors, net=self):
            return widen(tensors, net=self)
        return super().tensors_from(tensors, architecture=architecture)


class Swift(BlurFieldNet):
    """Two U-Nets: one estimates the blur field, one restores the picture with it.

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
        in_channels = pixels * (1 + len(positions)) + 3
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=in_channels, out_channels=pixels, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, positions=positions, max_blur_length=max_blur_length)

    def restore(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        blur_field = blur_field.clamp(-self.max_blur_length, self.max_blur_length)
        pictures = [blurry, sample_along(blurry, blur_field, positions=self.positions)] if self.positions else [blurry]
        unshuffled = [pixel_unshuffle(picture - CENTRE, factor=UNSHUFFLE) for picture in pictures]  # (B, 48, H/4, W/4), (B, 4·48, H/4, W/4)
        residual = self.restoration(concatenate(*unshuffled, blur_field / LENGTH_UNIT))  # (B, 48, H/4, W/4)
        return blurry + pixel_shuffle(residual, UNSHUFFLE).float()  # (B, 3, H, W)


def blur_field_diagnostic(blur_field: Tensor, *, picture: Tensor) -> Diagnostic:
    """The axis of motion blur at each pixel of a picture, (1, 3, H/4, W/4) and (1, 3, H, W)."""
    at_pixels = interpolate(blur_field.float(), size=picture.shape[-2:], mode="bilinear", align_corners=False)  # (1, 3, H, W)
    caption = "the motion within the exposure that the network estimates, without its sign"
    return Diagnostic(name="motion", kind="axis", caption=caption, rows=({"picture": picture, "axis": blur_axis(at_pixels)},))


def widen(tensors: Mapping[str, Tensor], *, net: Net) -> dict[str, Tensor]:
    """Tensors with which the wider `net` restores as a narrower network does (function-preserving growth, Net2Net, Chen et al., ICLR 2016).

    New features come after the old ones. They see all inputs by the initial weights of `net`, but no old feature sees them, and the last convolution of new residual
    blocks is zero; so they learn from the first step and change nothing at it.

    Args:
        tensors: of the narrower network.
        net: a new network that has all parts of it, at least as wide.

    Raises:
        ShapeError: if a tensor has no counterpart in `net` that is at least as large.
    """
    grown = zero_new_blocks(net, known=tensors)
    for name, tensor in tensors.items():
        target = grown.get(name)
        place = tuple(slice(side) for side in tensor.shape)
        if target is None or target[place].shape != tensor.shape or target.shape[2:] != tensor.shape[2:]:
            raise ShapeError(f"`{name}`, {tuple(tensor.shape)}, has no place in a network that should begin as another one")
        is_transposed = tensor.ndim > 1 and isinstance(net.get_submodule(name.rpartition(".")[0]), nn.ConvTranspose2d)  # inputs come first
        into_old = target[:, : tensor.shape[1]] if is_transposed else target[: tensor.shape[0]]
        into_old.zero_()
        target[place] = tensor
    return grown


def lacks_only_blocks(tensors: Mapping[str, Tensor], *, net: Net) -> bool:
    """Whether all tensors that `net` has and `tensors` lack are of residual blocks."""
    missing = net.state_dict().keys() - tensors.keys()
    return all(isinstance(net.get_submodule(name.rsplit(".", 2)[0]), ResBlock) for name in missing)


def zero_new_blocks(net: Net, *, known: Container[str]) -> dict[str, Tensor]:
    """A copy of the tensors of `net` in which the residual blocks that are not among the names `known` are identities, within U-Nets that are."""
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for unet, module in net.named_modules():
        if isinstance(module, UNet) and f"{unet}.entry.weight" in known:
            for block, inside in module.named_modules(prefix=unet):
                if isinstance(inside, ResBlock) and f"{block}.conv2.weight" not in known:
                    for part in ("weight", "bias"):
                        tensors[f"{block}.conv2.{part}"].zero_()
    return tensors
