"""What `inspect` draws is what a network saw and did: each drawing against one made here from known numbers."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from nets import Identity, tiny_swift
from PIL import Image
from torch import nn

from unblur.errors import InputError, OutputError
from unblur.layers.blind_deconvolution import add_border
from unblur.layers.kernel_estimation import estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import kernel_evidence
from unblur.layers.kernel_input import normalise_contrast
from unblur.layers.kernels import centre_kernel, exposure_midpoint
from unblur.layers.light import luma
from unblur.layers.windows import to_windows
from unblur.models import create
from unblur.models.astcn import ASTCN
from unblur.models.cascade import CascadeNet
from unblur.models.cdvdtsp import SharpnessNet
from unblur.models.flow import FlowNet, ZeroFlow
from unblur.models.swift import Swift
from unblur.models.swift_best import swift_best
from unblur.models.swift_video import SwiftVideo
from unblur.models.swift_video_best import SwiftVideoBest
from unblur.models.video import VideoNet, WarpingNet
from unblur.restore.drawing import axis_colours, colour_wheel, flow_colours, heat, kernels, sheet, strokes
from unblur.restore.inspect import Drawing, inspect_frame, inspect_window, read_window
from unblur.restore.precision import Setup

SETUP = Setup(torch.device("cpu"), torch.float32)
SMALL = {"widths": [4, 6, 8], "num_blocks": 1}
FIRST = 20  # grey of the first frame of a clip, 8 more a frame


def grey(value, *, height=16, width=24):
    return np.full((height, width, 3), value, np.uint8)


def moving(count, *, height=16, width=24, step=2):
    """Frames of a texture that goes `step` pixels to the right from each to the next."""
    scene = np.random.default_rng(0).integers(0, 256, (height, width + step * count, 3), np.uint8)
    return [scene[:, step * (count - i) : step * (count - i) + width] for i in range(count)]


def drawn(frames, net, *, setup=SETUP):
    return {drawing.name: drawing for drawing in inspect_window(frames, net=net.eval(), setup=setup)}


def assert_drawn(drawing, expected):
    """The same up to the rounding of a colour."""
    assert drawing.pixels.shape == expected.shape
    assert np.abs(drawing.pixels.astype(int) - expected).max() <= 6


def key(longest, colours=flow_colours):
    wheel = np.pad(colour_wheel(160, colours=colours), ((80, 80), (80, 80), (0, 0)), constant_values=255)
    return f"key: the rim is {longest:.1f} px", wheel


class ConstantFlow(FlowNet):
    """The same flow everywhere, towards later frames by `vector` and towards earlier ones against it."""

    def __init__(self, *vector):
        super().__init__()
        self.vector, self.size_multiple, self.receptive_radius = vector, 1, 0

    def forward(self, reference, neighbour):
        later = 1 if neighbour.mean() > reference.mean() else -1  # brighter frames are later ones
        return torch.tensor(self.vector).view(1, 2, 1, 1).expand(1, 2, *reference.shape[-2:]) * later


class Warped(WarpingNet):
    """Three frames warped and averaged."""

    num_frames = 3
    size_multiple = receptive_radius = 1

    def fuse(self, aligned):
        return (torch.stack([frame for (frame,) in aligned]).mean(dim=0),)

    def reconstruct(self, fused, reference):  # noqa: ARG002
        return fused[0] + 0.5


class Aligned(VideoNet):
    """Features of half the size whose alignment is perfect, or fails."""

    num_frames = 3
    size_multiple = 2
    receptive_radius = 1

    def __init__(self, *, flow, perfect=True):
        super().__init__()
        self.flow, self.perfect = flow, perfect

    def features(self, frame):
        return (frame[:, :2, ::2, ::2] * 10,)

    def motion(self, reference, neighbour):
        return self.flow(reference, neighbour) if self.flow else None

    def align(self, reference, neighbour, motion):  # noqa: ARG002
        return reference if self.perfect or neighbour is reference else (0 * neighbour[0],)

    def fuse(self, aligned):
        return aligned[1]

    def reconstruct(self, fused, reference):  # noqa: ARG002
        return reference


# The window


def test_the_window_is_drawn_in_the_order_of_time():
    frames = [grey(value) for value in (10, 60, 200)]
    net = Warped(flow=ZeroFlow())
    expected = sheet([[("t-1", frames[0]), ("t", frames[1]), ("t+1", frames[2])]])
    assert_drawn(drawn(frames, net)["window"], expected)


def test_sixteen_bit_frames_look_like_those_of_eight():
    eight = moving(3)
    deep = [frame.astype(np.uint16) * 257 for frame in eight]
    one, other = (drawn(frames, Warped(flow=ZeroFlow()))["window"] for frames in (eight, deep))
    np.testing.assert_array_equal(one.pixels, other.pixels)


# Before and after


def test_before_and_after_show_what_was_changed():
    class Brighter(Identity):
        def change(self, blurry):
            return blurry + torch.tensor([0.1, 0, -0.05]).view(1, 3, 1, 1)

    before = np.full((16, 24, 3), (51, 102, 153), np.uint8)
    drawings = drawn([before], Brighter())
    assert list(drawings) == ["before-after"]
    after = np.full_like(before, (76, 102, 140))
    change = np.full_like(before, (230, 128, 76))  # (0.5 + 4 * 0.1) * 255, ...
    cells = [("before", before), ("after", after), ("change x4: mean 12.75 of 255", change)]
    assert_drawn(drawings["before-after"], sheet([cells]))


def test_what_lies_outside_of_the_range_is_cut_off_for_the_eye():
    class TooBright(Identity):
        def change(self, blurry):
            return blurry + 2

    pixels = drawn([grey(100)], TooBright())["before-after"].pixels
    assert pixels[100, 400].tolist() == pixels[100, 800].tolist() == [255, 255, 255]


def test_a_network_that_restores_on_the_way_to_its_diagnostics_runs_once():
    runs = []

    class Frames(Warped):
        def reconstruct(self, fused, reference):
            runs.append("frames")
            return super().reconstruct(fused, reference) + 0.1

    class Photo(Swift):
        def restore(self, blurry, blur_field):  # noqa: ARG002
            runs.append("photo")
            return blurry + 0.1

    tiny = {"widths": (8,), "blocks": (1,), "motion_widths": (8,), "motion_blocks": (1,)}
    for frames, net in ((moving(3), Frames(flow=ZeroFlow())), (moving(1), Photo(**tiny))):
        pixels = drawn(frames, net)["before-after"].pixels
        mean = np.mean([frame.astype(float) for frame in frames], axis=0)
        after = np.minimum(mean + 25.5, 255).round()
        change = np.clip(127.5 + 4 * (mean + 25.5 - frames[len(frames) // 2]), 0, 255).round()
        amount = np.abs(mean + 25.5 - frames[len(frames) // 2]).mean()
        cells = [
            ("before", frames[len(frames) // 2]),
            ("after", after.astype(np.uint8)),
            (f"change x4: mean {amount:.2f} of 255", change.astype(np.uint8)),
        ]
        assert_drawn(Drawing("before-after", "", pixels), sheet([cells]))
    assert runs == ["frames", "photo"]


# Swift's motion


def test_motion_is_what_swift_estimates():
    class Known(Swift):
        def blur_field(self, blurry):
            blur_field = torch.zeros(blurry.shape[0], 3, blurry.shape[2] // 4, blurry.shape[3] // 4)
            blur_field[:, 1], blur_field[:, 2] = 6, 6  # 6 pixels at 45 degrees, falling to the right
            return blur_field

    net = Known(widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,))
    picture = moving(1, height=32, width=64)[0]
    axis = np.full((32, 64, 2), 6 / math.sqrt(2))
    upper = sheet([[("each pixel is blurred along its stroke; a dot: by less than a pixel", strokes(picture, axis, step=16))]], width=960)
    lower = sheet([[("the same as colour", axis_colours(axis, longest=6)), key(6, axis_colours)]], width=477)
    assert_drawn(drawn([picture], net)["motion"], np.concatenate([upper, lower]))


def test_only_swift_has_a_motion():
    assert "motion" not in drawn([grey(100)], Identity())
    assert "motion" in drawn([grey(100)], tiny_swift())


def test_swift_video_draws_the_flow_that_it_finds_and_the_motion_that_it_makes_of_it():
    class Flow(nn.Module):
        """Half a position, two pixels, to the right in the brighter one of two frames, and to the left in the darker one."""

        def features(self, folded):
            return (folded,)

        def forward(self, reference, neighbour):
            later = 1 if neighbour[0].mean() > reference[0].mean() else -1
            return [later * torch.tensor([0.5, 0.0]).view(1, 2, 1, 1).expand(1, 2, *reference[0].shape[-2:])]

    class BlurField(nn.Module):
        def forward(self, window):
            assert window.shape[1] == 3 * 48 + 2 * 2
            return torch.tensor([0.5, 0, 0.5]).view(1, 3, 1, 1).expand(1, 3, *window.shape[-2:])  # of 8 pixels, level

    net = SwiftVideo(widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,), flow_widths=(8,), flow_radii=(1,))
    net.flow, net.blur_field = Flow(), BlurField()
    frames = brightening(moving(3, height=32, width=64))
    drawings = drawn(frames, net)
    assert list(drawings) == ["window", "flow", "alignment", "motion", "before-after"]
    later = np.full((32, 64, 2), (2.0, 0.0))
    row = [("t to t-1", flow_colours(-later, longest=2)), ("t to t+1", flow_colours(later, longest=2)), key(2)]
    assert_drawn(drawings["flow"], sheet([row]))
    assert_drawn(drawings["alignment"], drawn(frames, Warped(flow=ConstantFlow(2.0, 0.0)))["alignment"].pixels.astype(int))
    axis = np.full((32, 64, 2), (4.0, 0.0))
    upper = sheet([[("each pixel is blurred along its stroke; a dot: by less than a pixel", strokes(frames[1], axis, step=16))]], width=960)
    lower = sheet([[("the same as colour", axis_colours(axis, longest=4)), key(4, axis_colours)]], width=477)
    assert_drawn(drawings["motion"], np.concatenate([upper, lower]))


def test_what_is_undone_is_drawn_with_the_share_of_the_exposure():
    torch.manual_seed(0)
    net = SwiftVideoBest(
        widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,), flow_widths=(8,), flow_radii=(1,), iterations=(1, 2)
    )
    torch.nn.init.normal_(net.blur_field.exit.weight)
    frames = moving(3, height=32, width=64)
    drawings = drawn(frames, net)
    assert list(drawings) == ["window", "flow", "alignment", "motion", "deconvolved", "gates", "before-after"]
    pictures = [torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 for frame in frames]
    with torch.no_grad():
        feats = [net.features(picture) for picture in pictures]
        aligned = [net.align(feats[1], feats[i], None if i == 1 else net.motion(pictures[1], pictures[i])) for i in range(3)]
        _, _, velocity, share = net.fuse(aligned)
        views = ((luma(pictures[1]) + net.changes(pictures[1], share * velocity))[0].clamp(0, 1) * 255).round().byte().numpy()
    shown = [
        (f"after {iterations} iterations", np.repeat(view[..., None], 3, axis=2)) for iterations, view in zip((1, 2), views, strict=True)
    ]
    assert_drawn(drawings["deconvolved"], sheet([shown]))
    assert f"{float(share):.2f} of the time" in drawings["deconvolved"].caption


def test_what_is_undone_of_a_photo_is_drawn():
    net = swift_best(widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,), iterations=((1,), (2,)))
    (frame,) = moving(1, height=64, width=64)
    views = net.deconvolution(torch.from_numpy(frame).permute(2, 0, 1)[None] / 255)[0][0]
    pictures = [(view * 255).round().byte().permute(1, 2, 0).numpy() for view in views.split(3)]
    titles = ("after 1 iterations", "after 3 iterations")
    assert_drawn(drawn([frame], net)["deconvolved"], sheet([list(zip(titles, pictures, strict=True))]))


def test_kernels_of_a_photo_are_drawn_where_their_windows_are():
    sizes = {"windows": {"side": 64, "stride": 48}, "kernels": {"size": 7, "refiner_widths": (8,), "refiner_blocks": (1,)}}
    net = swift_best(widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,), **sizes)
    with torch.no_grad():
        net.deconvolution.kernel_estimator.refiner.unet.exit.weight.normal_(std=0.01, generator=torch.Generator().manual_seed(0))
    (frame,) = moving(1, height=64, width=128)
    light, down, across = add_border(torch.from_numpy(frame).permute(2, 0, 1)[None] / 255)
    bright = normalise_contrast(luma(to_windows(light, layout=net.deconvolution.layout))[:, 0, down:-down, across:-across])
    windows = prepare_windows(bright, size=7)
    kernel = estimate_kernel(windows)
    found = centre_kernel(kernel, exposure_midpoint(kernel))
    with torch.no_grad():
        path = net.deconvolution.kernel_estimator.refiner(kernel_evidence(windows, found))
    assert not torch.equal(found, path)
    # three windows of 64 pixels side by side in the width of 160, with the border, two in the height of 96
    grids = [each.view(2, 3, 7, 7).permute(2, 3, 0, 1).numpy() for each in (found, path)]
    titles = ("found", "as a camera trajectory")
    row = [(title, kernels(grid, count=3)) for title, grid in zip(titles, grids, strict=True)]
    assert_drawn(drawn([frame], net)["kernels"], sheet([row], width=480))


def test_what_is_trusted_is_drawn():
    net = swift_best(widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,), iterations=((1,),))
    with torch.no_grad():
        net.gate.unet.exit.bias.copy_(torch.tensor([-0.5, 0.25]))
    (frame,) = moving(1, height=64, width=64)
    values = {"its own": 0.5, "after 1 iterations": 0.25}
    row = [(title, heat(np.full((64, 64), value), least=0.25, most=0.5)) for title, value in values.items()]
    drawing = drawn([frame], net)["gates"]
    assert_drawn(drawing, sheet([row]))
    assert "0.25 violet to 0.50 yellow" in drawing.caption


# Flow and alignment


def test_flow_is_that_of_each_pair():
    frames = [grey(value) for value in (10, 20, 30)]
    net = Warped(flow=ConstantFlow(3.0, -4.0))
    later, earlier = np.full((16, 24, 2), (3.0, -4.0)), np.full((16, 24, 2), (-3.0, 4.0))
    row = [("t to t-1", flow_colours(earlier, longest=5)), ("t to t+1", flow_colours(later, longest=5)), key(5)]
    assert_drawn(drawn(frames, net)["flow"], sheet([row]))


def test_networks_without_flow_draw_none():
    drawings = drawn([grey(value) for value in (10, 20, 30)], Aligned(flow=None))
    assert "flow" not in drawings
    assert list(drawings) == ["window", "alignment", "before-after"]


def brightening(frames):
    """Makes later frames brighter, which tells `ConstantFlow` the direction, by too little to be seen in a difference."""
    return [np.clip(frame // 2 + 40 + i, 0, 255).astype(np.uint8) for i, frame in enumerate(frames)]


def shifted(frame, step):
    """What lies `step` pixels further to the right, mid-grey where that is outside of the frame."""
    moved = np.full(frame.shape, 127.5)
    width = frame.shape[1]
    moved[:, max(-step, 0) : width - max(step, 0)] = frame[:, max(step, 0) : width + min(step, 0)]
    return moved


def test_alignment_of_pictures_is_set_against_none():
    frames = brightening(moving(3))
    rows = []
    for i, step, time in ((0, -2, "t-1"), (2, 2, "t+1")):
        before = np.abs(frames[i].astype(float) - frames[1]).mean(axis=2)
        warped = shifted(frames[i], step)
        after = np.abs(warped - frames[1]).mean(axis=2)
        assert before.mean() > 3 * after.mean() > 0  # the flow is the true one
        rows.append(
            [
                (time, frames[i]),
                (f"difference to t: {before.mean():.2f} of 255", heat(before, most=255 / 4)),
                ("picture warped to t", warped.round().astype(np.uint8)),
                (f"its difference to t: {after.mean():.2f} of 255", heat(after, most=255 / 4)),
            ]
        )
    assert_drawn(drawn(frames, Warped(flow=ConstantFlow(2.0, 0.0)))["alignment"], sheet(rows))


def lengths(difference):
    return np.sqrt((difference**2).sum(axis=2))


@pytest.mark.parametrize("perfect", [True, False])
def test_alignment_of_features_is_set_against_that_of_pictures(perfect):
    """Features of a quarter of the pixels: as they are, of the warped picture, warped themselves, and as the network aligns them."""
    frames = brightening(moving(3, step=4))

    def features(frame):
        return frame[::2, ::2, :2] / 25.5

    reference = features(frames[1])
    mean = lengths(reference).mean()
    rows, most = [], None
    for i, step, time in ((0, -4, "t-1"), (2, 4, "t+1")):
        plain = features(frames[i])
        of_warped = features(shifted(frames[i], step))
        warped = np.zeros_like(plain)
        warped[:, max(-step, 0) // 2 : 12 - max(step, 0) // 2] = plain[:, max(step, 0) // 2 : 12 + min(step, 0) // 2]
        aligned = reference if perfect else 0 * reference
        errors = [lengths(feat - reference) / mean for feat in (plain, of_warped, warped, aligned)]
        most = most or np.percentile(errors[0], 98)
        before, after = (np.abs(frame - frames[1].astype(float)).mean(axis=2) for frame in (frames[i], shifted(frames[i], step)))
        named = zip(("features", "features of warped picture", "warped features", "aligned features"), errors, strict=True)
        rows.append(
            [
                (time, frames[i]),
                (f"difference to t: {before.mean():.2f} of 255", heat(before, most=255 / 4)),
                ("picture warped to t", shifted(frames[i], step).round().astype(np.uint8)),
                (f"its difference to t: {after.mean():.2f} of 255", heat(after, most=255 / 4)),
                *((f"{name}: {share.mean():.3f}", heat(share, most=most)) for name, share in named),
            ]
        )
    assert_drawn(drawn(frames, Aligned(flow=ConstantFlow(4.0, 0.0), perfect=perfect))["alignment"], sheet(rows))


# Offsets


def test_offsets_are_those_of_each_layer():
    """Every tap reads (1, -2) further, half of them by half a pixel more to the left and half to the right."""
    net = create("mdcn", **SMALL)
    for aligner in net.alignment.aligners:
        bias = torch.tensor([-2.0, 1.0]).repeat(9)  # (dy, dx)
        bias[1:16:4] += 0.5  # taps 0, 2, 4, 6
        bias[3::4] -= 0.5  # taps 1, 3, 5, 7
        aligner.offset.bias.data = bias
    mean, scatter = np.full((16, 24, 2), (1.0, -2.0)), np.full((16, 24), 4 / 9)
    longest = math.sqrt(5)
    rows = []
    for time in ("t-2", "t-1", "t+1", "t+2"):
        rows.append([])
        for number, divisor in enumerate((1, 2, 4)):
            size = f"{24 // divisor}x{16 // divisor}"
            cell = slice(None, None, divisor)
            rows[-1] += [
                (
                    f"{time}, layer {number + 1}, {size}: mean, full {longest:.2f}",
                    flow_colours(mean[cell, cell], longest=longest),
                ),
                (f"scatter of the taps, yellow {4 / 9:.2f}", heat(scatter[cell, cell], most=4 / 9)),
            ]
    assert_drawn(drawn(moving(5), net)["offsets"], sheet(rows))


def test_next_to_no_offset_looks_like_none():
    net = create("mdcn", **SMALL)
    for aligner in net.alignment.aligners:
        aligner.offset.bias.data = torch.linspace(-1e-3, 1e-3, 18)
    pixels = drawn(moving(5), net)["offsets"].pixels[30:200].astype(int)
    assert np.abs(pixels[:, 20:300] - 255).max() <= 4  # the mean, white
    assert np.abs(pixels[:, 346:626] - (68, 1, 84)).max() <= 4  # the scatter, violet


def test_modulation_is_drawn_where_there_is_one():
    net = create("edvr", width=8, groups=2, num_blocks=1, num_frames=3, predeblur=False, hr_in=False)
    sampling = [module for module in net.modules() if type(module).__name__ == "ModulatedDeformConv"]
    for module in sampling:
        module.offset.bias.data[36:] = math.log(0.25 / 0.75)  # after the offsets of 2 groups of 9 taps
    plain = drawn(moving(3), net)["offsets"].pixels
    assert plain.shape[1] == len(sampling) * 3 * 326
    height = plain.shape[0] // 2
    assert plain.shape[0] == 2 * height  # one row a neighbour
    quarter = heat(np.full((1, 1), 0.25), most=1)[0, 0]
    for line in range(2):
        for layer in range(len(sampling)):
            cells = plain[line * height + 20 : (line + 1) * height - 6, layer * 978 : layer * 978 + 972]
            np.testing.assert_array_equal(cells[:, :320], 255)  # no offset
            np.testing.assert_array_equal(cells[:, 652:], np.broadcast_to(quarter, (len(cells), 320, 3)))


# What single networks have


def test_masks_are_those_of_astcn_and_follow_the_flow():
    net = create("astcn", **SMALL, flow=None, cost_radius=1)
    assert isinstance(net, ASTCN)
    net.flow = ConstantFlow(8.0, 0.0)  # two positions of the features

    class Ramp(nn.Module):
        """A mask that rises from left to right, whatever the features."""

        def forward(self, feat):
            columns = torch.linspace(-2, 2, feat.shape[-1])
            return columns.view(1, 1, 1, -1).expand(1, 1, *feat.shape[-2:])

    net.sharpness = Ramp()
    frames = brightening(moving(5))
    mask = np.broadcast_to(1 / (1 + np.exp(-np.linspace(-2, 2, 6))), (4, 6))
    times = ("t-2", "t-1", "t", "t+1", "t+2")
    aligned = []
    for i in range(5):
        step = 2 * np.sign(i - 2)
        moved = np.zeros((4, 6))
        moved[:, max(-step, 0) : 6 - max(step, 0)] = mask[:, max(step, 0) : 6 + min(step, 0)]
        aligned.append(moved)
    rows = [
        list(zip(times, frames, strict=True)),
        [(f"mask of {time}: 0.12 to 0.88", heat(mask, most=1)) for time in times],
        [
            (f"warped mask of {time}: {moved.min():.2f} to {moved.max():.2f}", heat(moved, most=1))
            for time, moved in zip(times, aligned, strict=True)
        ],
    ]
    assert_drawn(drawn(frames, net)["masks"], sheet(rows))


def test_the_sharpness_prior_says_where_neighbours_agree():
    """exp(-D / 2) with D the squared differences to t over the channels, and 0 where a neighbour was read outside of its frame."""
    frames = [grey(value) for value in (51, 102, 204)]
    net = SharpnessNet(flow=ZeroFlow(), widths=(4, 6), num_blocks=1, kernel_size=3, prior=True)
    net.flow = ConstantFlow(2.0, 0.0)
    inside = np.exp(-(3 * 0.2**2 + 3 * 0.4**2) / 2)
    cells = drawn(frames, net)["sharpness"].pixels[20 + 60 : 20 + 150]  # away from the border, where patches reach outside
    np.testing.assert_array_equal(cells[:, :320], 102)
    least = heat(np.array([[inside]]), least=0, most=1)[0, 0]
    np.testing.assert_allclose(cells[:, 326 + 160], np.broadcast_to(least, (len(cells), 3)), atol=6)
    for column in (326, 326 + 319):
        np.testing.assert_array_equal(cells[:, column], np.broadcast_to((68, 1, 84), (len(cells), 3)))
    net.prior = False
    net.encoder = SharpnessNet(flow=ZeroFlow(), widths=(4, 6), num_blocks=1, kernel_size=3, prior=False).encoder
    assert "sharpness" not in drawn(frames, net)


def test_a_cascade_is_looked_at_in_its_first_stage():
    net = CascadeNet(net=Warped(flow=ConstantFlow(1.0, 0.0)), num_stages=2)
    frames = [grey(value) for value in (10, 20, 30, 40, 50)]
    drawings = drawn(frames, net)
    expected = drawn(frames[1:4], net.net)
    for name in ("flow", "alignment"):
        np.testing.assert_array_equal(drawings[name].pixels, expected[name].pixels)
    assert drawings["window"].pixels.shape[1] == 5 * 326


def test_blending_is_the_weight_of_the_present():
    net = create("ovd", width=8, num_blocks=1)
    net.blend.compare.weight.data.zero_()
    net.blend.compare.bias.data[:] = torch.atanh(torch.tensor([-0.2, 0.6] * 4))
    net.blend.beta.data[:] = 0.1
    expected = sheet([[("0 to 1", heat(np.full((8, 12), (0.3 + 0.7) / 2), most=1))]])
    assert_drawn(drawn(moving(net.num_frames), net)["blending"], expected)


def test_filters_are_those_of_the_last_step():
    net = create("stfan", **SMALL, filter_size=3)
    patterns = {}
    for name in ("align_net", "deblur_net"):
        last = [module for module in getattr(net, name).modules() if isinstance(module, nn.Conv2d)][-1]
        last.weight.data.zero_()
        pattern = torch.rand(9, generator=torch.Generator().manual_seed(len(name)))
        last.bias.data = pattern.repeat(8)
        patterns[name] = pattern.view(3, 3, 1, 1).expand(3, 3, 4, 6).numpy()
    rows = [[(f"{name}: filters of a grid of places", kernels(pattern, count=20))] for name, pattern in patterns.items()]
    assert_drawn(drawn(moving(net.num_frames), net)["filters"], sheet(rows, width=640))


def test_a_lower_precision_draws_nearly_the_same():
    torch.manual_seed(0)
    net = create("astcn", **SMALL, flow=None, cost_radius=1)
    frames = moving(5)
    exact, fast = (drawn(frames, net, setup=Setup(torch.device("cpu"), dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert list(exact) == list(fast) == ["window", "flow", "alignment", "offsets", "masks", "before-after"]
    maps = slice(239 + 20, 239 + 20 + 213)  # the second row without its text
    assert np.abs(exact["masks"].pixels.astype(int) - fast["masks"].pixels)[maps].max() <= 20


def test_nothing_stays_attached_to_the_network():
    net = create("ovd", width=8, num_blocks=1)
    drawn(moving(net.num_frames), net)
    assert not any(module._forward_hooks for module in net.modules())


# From clips to files


def clip(path, *, levels, height=40, width=72):
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        stream.time_base = Fraction(1, 25)
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(grey(level, height=height, width=width), "rgb24")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("frame", "expected"),
    [(0, [20, 20, 20, 21, 22]), (1, [20, 20, 21, 22, 22]), (2, [20, 21, 22, 22, 22]), (3, [90] * 3 + [91] * 2), (4, [90] * 2 + [91] * 3)],
)
def test_the_window_keeps_to_its_shot_as_a_stream_does(frame, expected, tmp_path):
    source = clip(tmp_path / "clip.mkv", levels=[20, 21, 22, 90, 91])
    window = read_window(source, frame=frame, num_frames=5)
    assert [int(picture.mean()) for picture in window] == expected


def test_a_photo_network_looks_at_the_frame_alone(tmp_path):
    source = clip(tmp_path / "clip.mkv", levels=[20, 21, 22])
    assert [int(picture.mean()) for picture in read_window(source, frame=1, num_frames=1)] == [21]


def test_frames_that_do_not_exist_are_told(tmp_path):
    source = clip(tmp_path / "clip.mkv", levels=[20, 21, 22])
    with pytest.raises(InputError, match="has 3 frames, numbered from 0; there is no frame 3"):
        read_window(source, frame=3, num_frames=5)
    with pytest.raises(InputError, match="counted from 0"):
        read_window(source, frame=-1, num_frames=5)


def test_drawings_become_files_and_replace_none_unless_told(tmp_path):
    source, folder = clip(tmp_path / "clip.mkv", levels=[20, 22, 24]), tmp_path / "made" / "here"
    net = Warped(flow=ConstantFlow(1.0, 0.0))
    drawings = inspect_frame(source, folder, net=net, setup=SETUP, frame=1)
    assert [drawing.name for drawing in drawings] == ["window", "flow", "alignment", "before-after"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{drawing.name}.png" for drawing in drawings)
    for drawing in drawings:
        assert drawing.caption
        with Image.open(folder / f"{drawing.name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), drawing.pixels)
    (folder / "flow.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        inspect_frame(source, folder, net=net, setup=SETUP, frame=1)
    assert (folder / "flow.png").read_bytes() == b"mine"
    inspect_frame(source, folder, net=net, setup=SETUP, frame=1, overwrite=True)
    assert (folder / "flow.png").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("multiple", "longest_side", "expected"), [(1, 30, (30, 30)), (16, 640, (32, 64)), (64, 640, (64, 64)), (16, 8, (16, 16))]
)
def test_the_middle_is_looked_at_in_multiples_of_the_network(multiple, longest_side, expected, tmp_path):
    source = clip(tmp_path / "clip.mkv", levels=[20])
    net = Identity()
    net.size_multiple = multiple
    inspect_frame(source, tmp_path / "out", net=net, setup=SETUP, frame=0, longest_side=longest_side)
    assert net.seen == [expected]
