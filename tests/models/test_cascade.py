import pytest
import torch

from unblur.models.cascade import CascadeNet
from unblur.models.video import VideoNet


class Weighted(VideoNet):
    """Restores the sum of three frames, weighted 1, 2, 4 in the order of time; counts how often it sees a frame."""

    num_frames = 3
    size_multiple = 2
    receptive_radius = 5

    def __init__(self):
        super().__init__()
        self.seen = 0

    def features(self, frame):
        self.seen += 1
        return (frame,)

    def motion(self, reference, neighbour):  # noqa: ARG002
        return None

    def align(self, reference, neighbour, motion):  # noqa: ARG002
        return neighbour

    def fuse(self, aligned):
        return (sum(2**i * frame for i, (frame,) in enumerate(aligned)),)

    def reconstruct(self, fused, reference):  # noqa: ARG002
        return fused[0]


def test_stages_by_hand():
    net = CascadeNet(net=Weighted(), num_stages=2)
    assert (net.num_frames, net.size_multiple, net.receptive_radius, net.global_context) == (5, 2, 10, False)
    blurry = torch.tensor([1.0, 0.0, 0.0, 10.0, 100.0]).view(1, 5, 1, 1, 1).expand(1, 5, 3, 2, 2)
    first = [1 * 1.0, 4 * 10.0, 2 * 10.0 + 4 * 100.0]
    second = first[0] + 2 * first[1] + 4 * first[2]
    restored = net.forward_scales(blurry)
    assert [scale[0, 0, 0, 0].item() for scale in restored] == [second, first[1]]
    assert torch.equal(net(blurry), restored[0])


def test_every_frame_of_every_stage_is_seen_once():
    net = CascadeNet(net=Weighted(), num_stages=2)
    net(torch.rand(1, 5, 3, 2, 2))
    assert net.net.seen == 5 + 3


def test_one_stage_is_the_network():
    blurry = torch.rand(1, 3, 3, 4, 2)
    assert torch.equal(CascadeNet(net=Weighted(), num_stages=1)(blurry), Weighted()(blurry))
    with pytest.raises(ValueError, match="num_stages"):
        CascadeNet(net=Weighted(), num_stages=0)
