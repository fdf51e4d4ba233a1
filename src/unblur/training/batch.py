"""What a step learns from."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unblur.data.transforms import Adjust, Arrays, Crop, Flip, Noise, PermuteChannels, Reverse, Rotate90, Transform
from unblur.pixels import unit_range
from unblur.training.recipe import Recipe

__all__ = ["Batch", "to_batch", "transforms_of"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops in [0, 1]; as they were read they may be bytes, which `to` makes into that.

    Attributes:
        blurry: (B, 3, H, W), or (B, N, 3, H, W) of clips.
        sharp: (B, M, 3, H, W): the truth of the middle frame (M = 1), or of every frame (M = N).
        blur_field: (B, 3, H/4, W/4) blur field of the middle frame, pixels; None where that is not known.
        flow: (B, 2, H, W) exact flow from the middle frame's truth to that of the frame before it, (dx, dy) in pixels; None where that
            is not known or not wanted.
        flow_next: the same to the frame after it; None also where there is no frame after it.
        slots: (B,) place of each crop in the step's whole batch, over all processes.
        kernel: (B, K, K) exact kernels, see `unblur.synth.scene.trajectory_kernel`; None where that is not known or not wanted.
    """

    blurry: Tensor
    sharp: Tensor
    blur_field: Tensor | None
    flow: Tensor | None
    flow_next: Tensor | None
    slots: Tensor
    kernel: Tensor | None = None

    @property
    def reference(self) -> Tensor:
        """The blurry middle frame, (B, 3, H, W)."""
        return self.blurry if self.blurry.ndim == 4 else self.blurry[:, self.blurry.shape[1] // 2]

    @property
    def previous(self) -> Tensor:
        """The blurry frame before the middle one, (B, 3, H, W)."""
        return self.blurry[:, self.blurry.shape[1] // 2 - 1]

    @property
    def truth(self) -> Tensor:
        """The truth of the middle frame, (B, 3, H, W)."""
        return self.sharp[:, self.sharp.shape[1] // 2]

    def to(self, device: torch.device, *, channels_last: bool) -> "Batch":
        """The same batch on a device, where bytes become floats: a quarter goes there, and no processor waits."""
        order = torch.channels_last if channels_last and self.blurry.ndim == 4 else torch.contiguous_format
        return replace(
            self,
            blurry=unit_range(self.blurry.to(device, non_blocking=True)).contiguous(memory_format=order),
            sharp=unit_range(self.sharp.to(device, non_blocking=True)).contiguous(),
            blur_field=None if self.blur_field is None else self.blur_field.to(device, non_blocking=True),
            flow=None if self.flow is None else self.flow.to(device, non_blocking=True),
            flow_next=None if self.flow_next is None else self.flow_next.to(device, non_blocking=True),
            kernel=None if self.kernel is None else self.kernel.to(device, non_blocking=True),
        )

    def alone(self) -> "Batch":
        """The same clips with copies of the middle frame, and of its truth, in place of all others."""
        blurry = self.reference[:, None].expand(self.blurry.shape).contiguous()
        return replace(self, blurry=blurry, sharp=self.truth[:, None].expand(self.sharp.shape).contiguous())

    def middle(self) -> "Batch":
        """The middle frames of the clips and their truths, as pictures; flow belongs to clips."""
        return replace(self, blurry=self.reference, sharp=self.truth[:, None], flow=None, flow_next=None)

    def at_ends(self, first: Tensor, last: Tensor) -> "Batch":
        """The same clips, but that those which are `first` have copies of the middle frame before it, and the `last` ones after it.

        Args:
            first: (B,) bool.
            last: (B,) bool.
        """
        places = torch.arange(self.blurry.shape[1], device=first.device) - self.blurry.shape[1] // 2
        copied = (first[:, None] & (places < 0)) | (last[:, None] & (places > 0))  # (B, N)
        blurry = torch.where(copied[:, :, None, None, None], self.reference[:, None], self.blurry)
        flow, following = (
            None if field is None else field * ~where[:, None, None, None] for field, where in ((self.flow, first), (self.flow_next, last))
        )
        return replace(self, blurry=blurry, flow=flow, flow_next=following)

    def parts(self, count: int) -> list["Batch"]:
        """Cut into `count` equal batches."""
        motion = (self.blur_field, self.flow, self.flow_next, self.kernel)
        blur_field, flow, following, kernel = ([None] * count if field is None else field.chunk(count) for field in motion)
        fields = zip(
            self.blurry.chunk(count), self.sharp.chunk(count), blur_field, flow, following, self.slots.chunk(count), kernel, strict=True
        )
        return [Batch(*each) for each in fields]


def transforms_of(recipe: Recipe) -> list[Transform]:
    """The augmentation that a recipe asks for, in a fixed order; what it does not ask for draws no random number."""
    chosen: list[Transform] = [Crop(recipe.crop)]
    if recipe.reverse:
        chosen.append(Reverse(recipe.reverse))
    if recipe.rotate90:
        chosen.append(Rotate90())
    if recipe.flip or recipe.flip_vertical:
        chosen.append(Flip(recipe.flip, recipe.flip_vertical))
    if recipe.permute_channels:
        chosen.append(PermuteChannels(recipe.permute_channels))
    if any(tuple(bounds) != (1.0, 1.0) for bounds in (recipe.brightness, recipe.contrast, recipe.saturation)):
        chosen.append(Adjust(recipe.brightness, recipe.contrast, recipe.saturation))
    if recipe.noise:
        chosen.append(Noise(recipe.noise, drawn=recipe.noise_drawn))
    return chosen


def to_batch(samples: list[Arrays], *, slots: range, photo: bool) -> Batch:
    """Stack cropped samples, bytes as bytes.

    Args:
        samples: of equal size.
        slots: their places in the step's whole batch.
        photo: whether the one frame of each is a photo, not a clip of one.
    """
    blurry, sharp = (_pictures([getattr(sample, name) for sample in samples]) for name in ("blurry", "sharp"))
    blur_field = _motion([sample.blur_field[len(sample.blur_field) // 2] for sample in samples if sample.blur_field is not None])
    # Entry i of the flow is that of frame i + 1.
    flow = _motion([each.flow_to_previous[len(each.blurry) // 2 - 1] for each in samples if each.flow_to_previous is not None])
    following = _motion(
        [
            each.flow_to_next[len(each.blurry) // 2]
            for each in samples
            if each.flow_to_next is not None and len(each.blurry) // 2 < len(each.flow_to_next)
        ]
    )
    kernels = [each.kernel for each in samples if each.kernel is not None]
    kernel = torch.from_numpy(np.stack(kernels)) if kernels else None
    return Batch(blurry[:, 0] if photo else blurry, sharp, blur_field, flow, following, torch.arange(slots.start, slots.stop), kernel)


def _motion(fields: list[np.ndarray]) -> Tensor | None:
    return torch.from_numpy(np.stack(fields).astype(np.float32)).permute(0, 3, 1, 2).contiguous() if fields else None


def _pictures(fields: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(fields)).permute(0, 1, 4, 2, 3)  # (B, N, 3, H, W)
