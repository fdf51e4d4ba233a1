"""What every network over a window of frames promises: four stages, so that a stream does each piece of work once.

A stream that moves its window by one frame computes `features` once a frame; `motion`, `align`, `fuse` and `reconstruct`
belong to a window, since all but the first begin from its reference. `forward` runs the same stages over one window.

    frames ─ features ──┬─ align ─ fuse ─ reconstruct ─ restored
       └──── motion ────┘                    │
    reference ───────────────────────────────┘
"""

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from unblur.layers.check import check_multiple, check_shape
from unblur.layers.deform import Taps, recorded_taps
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.base import CENTRE, Net
from unblur.models.diagnostic import Diagnostic, frame_name, restored_diagnostic
from unblur.models.flow import FlowNet

__all__ = ["VideoNet", "WarpingNet"]


class VideoNet(Net):
    """A restoration network that puts the middle one of `num_frames` frames in order.

    `features`, `align` and `fuse` pass tuples of tensors, whose meaning each network documents; batch is their first
    dimension.

    Attributes:
        aligns_features: whether the first tensor of `features` and that of `align` can be compared, as features before and after alignment.

    Shape:
        (B, num_frames, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.

    Raises:
        ShapeError: by `forward`, if the number of frames differs or a side is not a multiple of `size_multiple`.
    """

    aligns_features: bool = True

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", self.num_frames, 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        frames = blurry.unbind(dim=1)
        return self.restore_window(frames, [self.features(frame) for frame in frames])

    def restore_window(self, frames: Sequence[Tensor], feats: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """Restore the middle frame of a window whose features are known.

        Args:
            frames: the window's frames (B, 3, H, W). The same tensor in several places (a repeated frame) is aligned once.
            feats: `features` of each.
        """
        middle = len(frames) // 2
        aligned: dict[tuple[int, bool], tuple[Tensor, ...]] = {}
        keys = [(id(frame), i == middle) for i, frame in enumerate(frames)]  # a copy of the middle frame is a neighbour
        for key, frame, feat in zip(keys, frames, feats, strict=True):
            if key not in aligned:
                motion = None if key[1] else self.motion(frames[middle], frame)
                aligned[key] = self.align(feats[middle], feat, motion)
        return self.reconstruct(self.fuse([aligned[key] for key in keys]), frames[middle])

    @abstractmethod
    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        """What is computed from one frame alone: (B, 3, H, W) in [0, 1]."""

    @abstractmethod
    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor | None:
        """What is computed from a pair of frames: the flow from reference to neighbour, or None if the network uses none."""

    @abstractmethod
    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        """Bring the neighbour's features to where the reference has them.

        Args:
            reference: `features` of the middle frame.
            neighbour: `features` of the frame to align, which may be the middle frame itself.
            motion: `motion` of the pair; None for the middle frame itself, which has not moved.
        """

    @abstractmethod
    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Merge the frames' aligned features, one `align` result a frame in the order of time."""

    @abstractmethod
    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        """Turn the merged features and the middle frame (B, 3, H, W) into the restored frame (B, 3, H, W)."""

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """Flow, alignment and offsets of the window, and what `stage_diagnostics` adds, the restored picture by default."""
        frames = blurry.unbind(dim=1)
        middle = len(frames) // 2
        feats = [self.features(frame) for frame in frames]
        aligned: list[tuple[Tensor, ...]] = []
        flows: dict[int, Tensor] = {}  # by the place of the neighbour, full resolution
        taps: dict[int, list[Taps]] = {}
        for i, (frame, feat) in enumerate(zip(frames, feats, strict=True)):
            motion = None if i == middle else self.motion(frames[middle], frame)
            with recorded_taps(self) as taps[i]:
                aligned.append(self.align(feats[middle], feat, motion))
            flow = None if i == middle else self.flow_found(motion, aligned[i])
            if flow is not None:
                flows[i] = flow_resize(flow.float(), size=(blurry.shape[-2], blurry.shape[-1]))
        found = [
            Diagnostic(
                name="alignment",
                kind="alignment",
                caption="each neighbour against t, as pictures (yellow: 64 of 255 and more) and as features (one scale); the numbers are means, "
                "for features by their mean length",
                rows=tuple(self._alignment(i, frames, feats, aligned, flow=flows.get(i)) for i in range(len(frames)) if i != middle),
            )
        ]
        if flows:
            flow_row = {f"t to {frame_name(i - middle)}": flow for i, flow in flows.items()}
            caption = "where what is at a pixel of t lies in each neighbour, full resolution"
            found.insert(0, Diagnostic(name="flow", kind="flow", caption=caption, rows=(flow_row,)))
        tap_rows = tuple(_tap_row(frame_name(i - middle), layers) for i, layers in taps.items() if layers and i != middle)
        if tap_rows:
            caption = "where deformable convolutions read, in pixels of their own resolution, beside the regular places"
            found.append(Diagnostic(name="offsets", kind="offsets", caption=caption, rows=tap_rows))
        return [*found, *self.stage_diagnostics(frames, feats, aligned)]

    def flow_found(self, motion: Tensor | None, aligned: tuple[Tensor, ...]) -> Tensor | None:  # noqa: ARG002 (for subclasses)
        """The flow from the reference to a neighbour at any resolution, in its pixels, given what `motion` and `align` put out for it."""
        return motion

    def stage_diagnostics(
        self,
        frames: Sequence[Tensor],
        feats: Sequence[tuple[Tensor, ...]],  # noqa: ARG002 (for subclasses)
        aligned: Sequence[tuple[Tensor, ...]],
    ) -> list[Diagnostic]:
        """Diagnostics of the network's own stages, after those that all video networks have; by default the restored picture.

        Args:
            frames: of the window, (1, 3, H, W) each.
            feats: `features` of each.
            aligned: `align` of each.
        """
        return [restored_diagnostic(self.reconstruct(self.fuse(list(aligned)), frames[len(frames) // 2]))]

    def _alignment(
        self,
        place: int,
        frames: Sequence[Tensor],
        feats: Sequence[tuple[Tensor, ...]],
        aligned: Sequence[tuple[Tensor, ...]],
        *,
        flow: Tensor | None,
    ) -> dict[str, Tensor]:
        """The alignment of one neighbour: of its picture by the flow, of features of that picture, and of its features by the flow and by the network."""
        middle = len(frames) // 2
        neighbour, feat, reference = frames[place], feats[place][0], feats[middle][0]
        row = {frame_name(place - middle): neighbour}
        warped = None if flow is None else flow_warp(neighbour - CENTRE, flow) + CENTRE  # grey where read outside of the frame
        if warped is not None:
            row["picture warped to t"] = warped
        if not self.aligns_features:
            return row
        row["features"] = _relative_error(feat, reference)
        if flow is not None and warped is not None:
            row["features of warped picture"] = _relative_error(self.features(warped)[0], reference)
            small = flow_resize(flow, size=(feat.shape[-2], feat.shape[-1]))
            row["warped features"] = _relative_error(flow_warp(feat, small), reference)
        row["aligned features"] = _relative_error(aligned[place][0], aligned[middle][0])
        return row


def _relative_error(feat: Tensor, reference: Tensor) -> Tensor:
    """Norm of the difference of features, by the mean norm of those of the reference: two of (1, C, H, W) to (1, 1, H, W)."""
    norm = reference.float().norm(dim=1, keepdim=True)
    return (feat.float() - reference.float()).norm(dim=1, keepdim=True) / norm.mean().clamp_min(1e-6)


def _tap_row(time: str, layers: Sequence[Taps]) -> dict[str, Tensor]:
    row = {}
    for number, taps in enumerate(layers, start=1):
        row[f"{time}, layer {number}"] = taps.offset
        if taps.modulation is not None:
            row[f"{time}, layer {number}, modulation"] = taps.modulation
    return row


class WarpingNet(VideoNet):
    """A video network that aligns pictures, not features: each neighbour is warped by its flow to the reference.

    Stages: `features` is the frame itself, centred, so that what a warp reads outside the frame is 0, mid-grey; `motion` the
    flow at full resolution; `align` the warped frame. What comes after is the network's own.

    Args:
        flow: flow network; `ZeroFlow()` leaves the frames where they are.
    """

    aligns_features = False

    def __init__(self, *, flow: FlowNet) -> None:
        super().__init__()
        self.flow = flow

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        return (frame - CENTRE,)

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        return self.flow(reference, neighbour)  # (B, 2, H, W)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:  # noqa: ARG002
        return neighbour if motion is None else (flow_warp(neighbour[0], motion),)
