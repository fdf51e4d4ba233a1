import pytest
import torch

from unblur.layers.warp import flow_warp
from unblur.models.flow import FlowNet, ZeroFlow
from unblur.models.video import WarpingNet


class OneRight(FlowNet):
    size_multiple, receptive_radius = 1, 0

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, reference, neighbour):
        self.asked.append((reference[0, 0, 0, 0].item(), neighbour[0, 0, 0, 0].item()))
        return torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(reference.shape[0], 2, *reference.shape[-2:])


class Stack(WarpingNet):
    """Puts out the sum of the aligned frames."""

    num_frames = 5
    size_multiple = 1
    receptive_radius = 0

    def fuse(self, aligned):
        return (sum(frame for (frame,) in aligned),)

    def reconstruct(self, fused, reference):  # noqa: ARG002
        return fused[0]


def frame(level):
    picture = torch.full((1, 3, 2, 4), float(level))
    picture[..., 1:] += torch.rand(1, 3, 2, 3, generator=torch.Generator().manual_seed(level))
    return picture


def test_neighbours_are_warped_and_the_reference_is_not():
    frames = [frame(i) for i in range(5)]
    flow = OneRight()
    motion = flow(frames[0], frames[0])
    expected = sum(image - 0.5 if i == 2 else flow_warp(image - 0.5, motion) for i, image in enumerate(frames))
    torch.testing.assert_close(Stack(flow=flow)(torch.stack(frames, dim=1)), expected)
    torch.testing.assert_close(Stack(flow=ZeroFlow())(torch.stack(frames, dim=1)), sum(frames) - 2.5)


@pytest.mark.parametrize(
    ("window", "asked"),
    [
        ((0, 1, 2, 3, 4), [(2, 0), (2, 1), (2, 3), (2, 4)]),
        ((0, 0, 0, 1, 2), [(0, 0), (0, 1), (0, 2)]),
        ((2, 3, 4, 4, 4), [(4, 2), (4, 3), (4, 4)]),
        ((0, 0, 1, 1, 1), [(1, 0), (1, 1)]),
    ],
)
def test_a_repeated_frame_is_aligned_once_with_the_same_result(window, asked):
    frames = {i: frame(i) for i in range(5)}
    net = Stack(flow=OneRight())
    feats = {i: net.features(frames[i]) for i in frames}
    restored = net.restore_window([frames[i] for i in window], [feats[i] for i in window])
    assert net.flow.asked == asked
    assert torch.equal(restored, net(torch.stack([frames[i] for i in window], dim=1)))
