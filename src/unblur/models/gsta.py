"""`gsta`: frames are not aligned, but summed up in descriptors that every position of the reference reads.

Source: Suin, Rajagopalan, "Gated Spatio-Temporal Attention-Guided Video Deblurring", CVPR 2021. The order of the steps is the source's; sizes
and layers are decided here, as its authors published no program and the project's documents do not describe it.

    B_{t+i} ─ encoder ─ F_{t+i} ─ gather over positions ─ D_{t+i} ─┐
                                                                   ├─ attention over frames ─ G ─ distribute to positions ─ · gate ─ + ─ decoder ─ + B_t ─ R_t
    B_t ─ encoder ─ F_t ─ gather over positions ─ D_t ─────────────┘                                   │                             │
                     └─────────────────────────────────────────────────────────────────────────────────┴─────────────────────────────┘

7.01 M parameters; no figure of the source is known to the project. Published as measured by the documents that the project follows: DVD
32.53 dB / 0.9468, GoPro 32.10 / 0.9600.

Differs from the source: all frames of the window are used; its choice of keyframes by reinforcement learning is not here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unblur.layers.blocks import Decoder, Encoder, codec_radius
from unblur.layers.double_attention import distribute, gather
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, frame_name
from unblur.models.video import VideoNet

__all__ = ["GSTA", "TemporalAggregation"]


class GSTA(VideoNet):
    """A window of frames in, the middle one restored, without alignment.

    Stages: `features` puts out the encoder's last features, the frame's descriptors, and the finer features, finest first; there is no `motion`,
    and `align` leaves the features as they are; `fuse` is the attention over frames and its distribution.
    Decided: everything but the order of gathering in a frame, attending to the frames, and distributing to the positions: encoder and decoder
    are those of Tao et al. (CVPR 2018) with sums across; the gate is a sigmoid for each feature and position; a global residual;
    frames are centred to [-0.5, 0.5].

    Args:
        widths: features at full, half, quarter resolution.
        num_blocks: residual blocks of each stage of encoder and decoder.
        kernel_size: of their convolutions.
        num_descriptors: M, into which a frame is summed up.
        num_frames: N, odd.

    Attributes:
        global_context: true, for descriptors are means over the whole picture.

    Raises:
        ValueError: if `num_frames` is even or below 3.
    """

    global_context = True
    aligns_features = False

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (32, 64, 128),
        num_blocks: int = 3,
        kernel_size: int = 5,
        num_descriptors: int = 128,
        num_frames: int = 5,
    ) -> None:
        super().__init__()
        if num_frames < 3 or num_frames % 2 == 0:
            raise ValueError(f"num_frames must be odd and at least 3, got {num_frames}")
        self.num_frames = num_frames
        width = widths[-1]
        self.encoder = Encoder(in_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True)
        self.keys = nn.Conv2d(width, num_descriptors, 1, bias=False)  # the softmax over positions would take it away
        self.values = nn.Conv2d(width, width, 1)
        self.temporal = TemporalAggregation(width=width)
        self.queries = nn.Conv2d(width, num_descriptors, 1)
        self.gate = nn.Conv2d(2 * width, width, 1)
        self.decoder = Decoder(out_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True)
        self.size_multiple = 2 ** (len(widths) - 1)
        self.receptive_radius = codec_radius(stages=len(widths), num_blocks=num_blocks, kernel_size=kernel_size)

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        *finer, feat = self.encoder.levels(frame - CENTRE)  # (B, 32, H, W), (B, 64, H/2, W/2), (B, 128, H/4, W/4)
        descriptors = gather(self.values(feat), self.keys(feat))  # spatial aggregation; (B, 128, M)
        return (feat, descriptors, *finer)

    def motion(self, reference: Tensor, neighbour: Tensor) -> None:  # noqa: ARG002 (the contract of a video network)
        return None

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:  # noqa: ARG002
        return neighbour

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        feat, descriptors, *finer = aligned[len(aligned) // 2]
        aggregated = self.temporal(descriptors, torch.stack([frame[1] for frame in aligned], dim=1))  # temporal aggregation; (B, 128, M)
        distributed = distribute(aggregated, self.queries(feat))  # to each position; (B, 128, H/4, W/4)
        gate = torch.sigmoid(self.gate(torch.cat([feat, distributed], dim=1)))
        return (*finer, feat + gate * distributed)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        *finer, feat = fused
        return reference + self.decoder.with_skips(feat, finer)  # (B, 64, H/2, W/2), (B, 32, H, W), (B, 3, H, W)

    def stage_diagnostics(
        self,
        frames: Sequence[Tensor],
        feats: Sequence[tuple[Tensor, ...]],
        aligned: Sequence[tuple[Tensor, ...]],
    ) -> list[Diagnostic]:
        """How much each frame contributes at each position of the reference, and the restored picture."""
        middle = len(aligned) // 2
        feat, descriptors, *_ = aligned[middle]
        weights = self.temporal.weights(descriptors, torch.stack([frame[1] for frame in aligned], dim=1))  # (1, N, M)
        shares = distribute(weights.float(), self.queries(feat).float()).clamp(0, 1)  # (1, N, H/4, W/4)
        row = {frame_name(i - middle): shares[:, i : i + 1] for i in range(len(aligned))}
        caption = "share of each frame in what is added at each position: 0 violet to 1 yellow"
        return [
            Diagnostic(name="frame-weights", kind="map", caption=caption, rows=(row,)),
            *super().stage_diagnostics(frames, feats, aligned),
        ]


class TemporalAggregation(nn.Module):
    """Each descriptor of the reference becomes a mean of the same descriptor of all frames, by how they agree with it.

    Source: the temporal step of Suin and Rajagopalan (CVPR 2021).
    Decided: attention by scaled products (Vaswani et al., 2017), with one head; the m-th descriptor of one frame is compared with the m-th
    of another, since the same weights made both.

    Args:
        width: features of a descriptor, C.

    Shape:
        reference (B, C, M); frames (B, N, C, M) -> (B, C, M)
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)  # the softmax over frames would take it away
        self.value = nn.Linear(width, width)

    def forward(self, reference: Tensor, frames: Tensor) -> Tensor:
        values = self.value(frames.transpose(-1, -2))  # (B, N, M, C)
        return (self.weights(reference, frames)[..., None].to(values.dtype) * values).sum(dim=1).transpose(1, 2)

    def weights(self, reference: Tensor, frames: Tensor) -> Tensor:
        """How much each frame counts for each descriptor, (B, N, M); they add up to 1 over the frames."""
        queries = self.query(reference.transpose(-1, -2))[:, None]  # (B, 1, M, C)
        keys = self.key(frames.transpose(-1, -2))  # (B, N, M, C)
        return torch.softmax((queries * keys).sum(dim=-1) / reference.shape[1] ** 0.5, dim=1)
