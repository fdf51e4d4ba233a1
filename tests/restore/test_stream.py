import dataclasses

import pytest
import torch

from unblur.errors import InputError
from unblur.models import create, names
from unblur.models.video import VideoNet
from unblur.restore.precision import Setup
from unblur.restore.self_ensemble import from_view, to_view
from unblur.restore.stream import Stream
from unblur.restore.tiles import BAND, restore_tiled

CPU = Setup(torch.device("cpu"), torch.float32)
FLOW = {"flow": {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}}
SMALL = {
    "astcn": {"widths": (4, 6, 8), "num_blocks": 1, "cost_radius": 1, **FLOW},
    "cdvdtsp": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, **FLOW},
    "dbn": {"width": 4, **FLOW},
    "edvr": {"width": 8, "groups": 2, "num_extract_blocks": 1, "num_blocks": 1, "head_width": 4},
    "gsta": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, "num_descriptors": 5},
    "mdcn": {"widths": (4, 6, 8), "num_blocks": 1},
    "ppnet": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, "reduction": 4, **FLOW},
    "swift_video": {
        "widths": (8, 12),
        "blocks": (1, 1),
        "motion_widths": (4, 8),
        "motion_blocks": (1, 1),
        "flow_widths": (4, 8),
        "flow_radii": (0, 2),
    },
    "swift_video_best": {
        "widths": (8, 12),
        "blocks": (1, 1),
        "motion_widths": (4, 8),
        "motion_blocks": (1, 1),
        "flow_widths": (4, 8),
        "flow_radii": (0, 2),
        "iterations": (1, 2),
        "samples": 3,
    },
    "xiang": {"width": 4, "num_blocks": 1, "kernel_size": 3, **FLOW},
}
RECURRENT = {
    "ifirnn": {"width": 12, "hidden": 4, "num_blocks": 1, "iterations": 2},
    "ovd": {"width": 8, "num_blocks": 1},
    "pvdnet": {"width": 4, "num_blocks": 1, **FLOW},
    "stfan": {"widths": (4, 6, 8), "num_blocks": 1, "filter_size": 3},
}


def build(name):
    torch.manual_seed(0)
    net = create(name, **{**SMALL, **RECURRENT}[name]).eval()
    for parameter in net.parameters():
        if parameter.ndim > 1 and not parameter.any():  # offsets start at zero, where they show nothing
            torch.nn.init.normal_(parameter, std=0.3)
    return net


def clip(frames, height=16, width=32, seed=0):
    return list(torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(seed)))


def never(frame):  # noqa: ARG001
    return False


def at(*places):
    """Cuts before the frames with these numbers."""
    count = -1

    def is_cut(frame):  # noqa: ARG001
        nonlocal count
        count += 1
        return count in places

    return is_cut


def windowed(net, shot, *, tile=None, halo=0):
    """`forward` on the window around each frame; by tiles, with the window's frames cut together."""
    radius = net.num_frames // 2
    for t in range(len(shot)):
        window = torch.stack([shot[min(max(t + i, 0), len(shot) - 1)] for i in range(-radius, radius + 1)])  # (N, 3, H, W)
        pixels = window.permute(2, 3, 0, 1).flatten(2).contiguous().numpy()  # (H, W, 3 N)

        def restore(cut):
            with torch.inference_mode():
                frames = torch.from_numpy(cut.copy()).unflatten(2, (net.num_frames, 3)).permute(2, 3, 0, 1)
                return net(frames[None])[0]

        core = pixels.shape[:2] if tile is None else (tile, tile)
        rows = restore_tiled(pixels, restore, core=core, halo=halo + BAND, multiple=net.size_multiple)
        yield torch.cat([part for _, part in rows], dim=1)


def assert_same(restored, expected):
    assert len(restored) == len(expected)
    for one, other in zip(restored, expected, strict=True):
        assert torch.equal(one, other)


def test_every_network_over_windows_is_streamed_here():
    with torch.device("meta"):
        over_windows = {name for name in names() if create(name).num_frames > 1}
    assert over_windows == {*SMALL, *RECURRENT}


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("name", SMALL)
def test_a_stream_is_the_network_on_every_window(name, frames):
    net, shot = build(name), clip(frames)
    assert_same(list(Stream(net, setup=CPU, is_cut=never).restore(shot)), list(windowed(net, shot)))


@pytest.mark.parametrize("name", ["astcn", "cdvdtsp", "mdcn"])
def test_so_it_is_by_tiles_and_at_sizes_that_are_no_multiple(name):
    net, shot = build(name), clip(4, height=77, width=90)
    stream = Stream(net, setup=CPU, tile=64, halo=8, is_cut=never)
    restored = list(stream.restore(shot))
    assert restored[0].shape == (3, 77, 90)
    assert_same(restored, list(windowed(net, shot, tile=64, halo=8)))
    assert not torch.equal(restored[0], next(windowed(net, shot)))


@pytest.mark.parametrize("name", ["ifirnn", "mdcn", "swift_video"])
def test_with_views_a_stream_is_the_mean_of_a_stream_a_view(name):
    net, shot = build(name), clip(4, height=32, width=64)
    restored = list(Stream(net, setup=dataclasses.replace(CPU, self_ensemble=4), is_cut=never).restore(shot))
    views = [list(Stream(net, setup=CPU, is_cut=never).restore([to_view(frame, view) for frame in shot])) for view in range(4)]
    for number, image in enumerate(restored):
        torch.testing.assert_close(image, torch.stack([from_view(seen[number], view) for view, seen in enumerate(views)]).mean(dim=0))
    assert not torch.equal(restored[0], views[0][0])


@pytest.mark.parametrize("name", ["mdcn", "cdvdtsp"])
def test_no_window_crosses_a_cut(name):
    net, frames = build(name), clip(9)
    shots = [frames[:4], frames[4:5], frames[5:]]
    restored = list(Stream(net, setup=CPU, is_cut=at(4, 5)).restore(frames))
    assert_same(restored, [image for shot in shots for image in windowed(net, shot)])


def test_cuts_are_found_by_default():
    net = build("mdcn")
    dark, bright = [0.1 + 0.1 * frame for frame in clip(3)], [0.8 + 0.1 * frame for frame in clip(3, seed=1)]
    restored = list(Stream(net, setup=CPU).restore(dark + bright))
    assert_same(restored, [*windowed(net, dark), *windowed(net, bright)])


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_network_carries_its_state_through_a_shot(name):
    net, frames = build(name), clip(9)
    restored = list(Stream(net, setup=CPU, is_cut=at(6)).restore(frames))
    expected = []
    for shot in (frames[:6], frames[6:]):
        framed = [shot[0]] * net.context + shot + [shot[-1]] * net.context
        with torch.inference_mode():
            expected += net.unroll(torch.stack(framed)[None])[0]
    assert_same(restored, expected)
    anew = list(Stream(net, setup=CPU, is_cut=at(6), reuse=False).restore(frames))
    assert_same(anew, [image for shot in (frames[:6], frames[6:]) for image in windowed(net, shot)])
    assert not torch.equal(anew[5], restored[5])


def test_a_photo_network_goes_through_as_well():
    torch.manual_seed(0)
    net, frames = create("deepdeblur", width=4, num_blocks=1, num_scales=1).eval(), clip(3, height=9, width=7)
    stream = Stream(net, setup=CPU)
    assert stream.delay == 0
    with torch.inference_mode():
        assert_same(list(stream.restore(frames)), [net(frame[None])[0] for frame in frames])


class Counting(VideoNet):
    """Passes the middle frame on and writes down what it is asked."""

    num_frames = 5
    size_multiple = 1
    receptive_radius = 0

    def __init__(self):
        super().__init__()
        self.seen, self.pairs = [], []

    def features(self, frame):
        self.seen.append(level(frame))
        return (frame,)

    def motion(self, reference, neighbour):
        self.pairs.append((level(reference), level(neighbour)))

    def align(self, reference, neighbour, motion):  # noqa: ARG002
        return neighbour

    def fuse(self, aligned):
        return aligned[2]

    def reconstruct(self, fused, reference):
        assert fused[0] is reference
        return reference


def level(frame):
    return round(frame.mean().item())


def flat(count, first=0):
    return [torch.full((3, 4, 4), float(i)) for i in range(first, first + count)]


def test_features_are_computed_once_a_frame_and_motion_once_a_pair():
    net = Counting()
    restored = list(Stream(net, setup=CPU, is_cut=at(4)).restore(flat(6)))
    assert [level(frame) for frame in restored] == list(range(6))
    assert net.seen == list(range(6))
    assert len(net.pairs) == len(set(net.pairs))
    assert all((one < 4) == (other < 4) for one, other in net.pairs)


def test_without_reuse_every_window_is_computed_anew():
    net = Counting()
    list(Stream(net, setup=CPU, is_cut=never, reuse=False).restore(flat(6)))
    assert len(net.seen) == 6 * 5


def test_frames_come_out_as_soon_as_they_can_and_the_rest_at_the_end():
    stream = Stream(Counting(), setup=CPU, is_cut=at(5))
    assert stream.delay == 2
    given = [[level(frame) for frame in stream.push(frame)] for frame in flat(6)]
    assert given == [[], [], [0], [1], [2], [3, 4]]
    assert [level(frame) for frame in stream.finish()] == [5]
    assert stream.finish() == []
    assert stream.push(flat(1)[0]) == []
    assert len(stream.finish()) == 1


def test_the_source_is_read_no_further_than_needed():
    read = []

    def source():
        for i, frame in enumerate(flat(8)):
            read.append(i)
            yield frame

    next(Stream(Counting(), setup=CPU, is_cut=never).restore(source()))
    assert read == [0, 1, 2]


def test_memory_does_not_grow_with_the_clip():
    stream = Stream(build("mdcn"), setup=CPU, tile=64, is_cut=never)
    held = []
    for frame in clip(12, height=70, width=70):
        stream.push(frame)
        held.append(sum(len(stage.frames) + len(stage._feats) for shots in stream._shots for shot in shots for stage in shot._stages))
    assert held[2:] == [4 * 2 * 5] * 10  # four tiles; frames and features of a window


def test_a_change_of_size_begins_a_new_shot():
    frames = clip(3) + clip(2, height=8)
    net = build("mdcn")
    restored = list(Stream(net, setup=CPU, is_cut=never).restore(frames))
    assert_same(restored, [*windowed(net, frames[:3]), *windowed(net, frames[3:])])


def test_bf16_agrees_with_single_precision():
    net, frames = build("mdcn"), clip(3)
    half = Setup(torch.device("cpu"), torch.bfloat16)
    exact, fast = (list(Stream(net, setup=setup, is_cut=never).restore(frames)) for setup in (CPU, half))
    assert all(frame.dtype == torch.float32 for frame in fast)
    assert not torch.equal(fast[1], exact[1])
    assert_same(fast, list(Stream(net, setup=half, is_cut=never, reuse=False).restore(frames)))
    torch.testing.assert_close(fast, exact, rtol=0, atol=0.05)


def test_other_tensors_are_refused():
    stream = Stream(Counting(), setup=CPU)
    for wrong in (torch.zeros(4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(3, 0, 4)):
        with pytest.raises(InputError, match=r"\(3, H, W\)"):
            stream.push(wrong)
