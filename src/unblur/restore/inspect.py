"""What a network saw and did at one frame of a clip, as pictures.

The window around the frame goes through the network's own stages; what they hand on is drawn, and what is inside of them is
caught on its way (offsets, modulations, filters). Two ways of alignment are set against each other where there is a flow: the
neighbour's *picture* warped to the reference, and its *features*. A recurrent network begins without a state at the window's
first frame, where a stream hands on what the shot has left.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unblur.errors import InputError
from unblur.io.video import VideoReader
from unblur.io.whole import written_whole
from unblur.layers.deform import DeformConv, ModulatedDeformConv
from unblur.layers.gate import GatingNet
from unblur.layers.kernel_refinement import KernelRefiner
from unblur.layers.motion_blur import blur_axis
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.astcn import ASTCN
from unblur.models.base import CENTRE, Net
from unblur.models.cascade import CascadeNet
from unblur.models.cdvdtsp import SharpnessNet, temporal_sharpness
from unblur.models.ovd import TemporalBlending
from unblur.models.stfan import STFAN
from unblur.models.swift import LENGTH_UNIT, UNSHUFFLE, BlurFieldNet
from unblur.models.swift_best import BORDER, SwiftBest, luma
from unblur.models.swift_video import SwiftVideo
from unblur.models.swift_video_best import SwiftVideoBest
from unblur.models.video import VideoNet, WarpingNet
from unblur.restore.cuts import CutDetector
from unblur.restore.drawing import Bytes, Cell, axis_colours, colour_wheel, flow_colours, heat, kernels, sheet, strokes
from unblur.restore.precision import Setup
from unblur.restore.tiles import cut, to_pixels, to_tensor

__all__ = ["Drawing", "inspect_clip", "inspect_window", "read_window"]

_AMPLIFY = 4  # times that differences are shown
_STEP = 16  # pixels between two strokes
_LEAST = 0.1  # pixels that are shown in full colour, so that next to nothing does not look like much


@dataclass(frozen=True)
class Drawing:
    """A picture and what it shows.

    Attributes:
        name: of its file, without suffix.
        caption: what is to be seen.
        pixels: (H, W, 3) RGB.
    """

    name: str
    caption: str
    pixels: Bytes


def inspect_clip(
    source: Path, folder: Path, *, net: Net, setup: Setup, frame: int, longest_side: int = 640, overwrite: bool = False
) -> list[Drawing]:
    """Draw what `net` sees and does at a frame, into a folder of PNG files; gives what was drawn, in order.

    Args:
        source: the clip.
        folder: where the pictures go; made if it is not there.
        net: a photo or video network, on its device.
        setup: device and precision.
        frame: number of the frame, from 0.
        longest_side: of the middle of the frame that is looked at, pixels.
        overwrite: replace pictures that exist.

    Raises:
        InputError: if the clip cannot be read or has no such frame.
        OutputError: if a picture cannot be written.
    """
    window = read_window(source, frame=frame, num_frames=net.num_frames)
    drawings = inspect_window(_middle_part(window, longest_side, net), net=net, setup=setup)
    for drawing in drawings:
        with written_whole(folder / f"{drawing.name}.png", overwrite=overwrite, inputs=(source,)) as partial:
            PillowImage.fromarray(drawing.pixels).save(partial)
    return drawings


def read_window(source: Path, *, frame: int, num_frames: int) -> list[NDArray[Any]]:
    """The frames around number `frame`, as a stream would see them: the clip's ends and cuts are filled with copies."""
    if frame < 0:
        raise InputError(f"frames are counted from 0, got {frame}")
    radius = num_frames // 2
    before: deque[NDArray[Any]] = deque(maxlen=radius + 1)  # of this shot, up to the frame
    after: list[NDArray[Any]] = []
    detector = CutDetector()
    count = 0
    with VideoReader(source) as reader:
        for number, read in enumerate(reader):
            count += 1
            begins = detector.cuts(to_tensor(read.pixels, torch.device("cpu"))[0])
            if number <= frame:
                if begins:
                    before.clear()
                before.append(read.pixels)
            elif begins:
                break
            else:
                after.append(read.pixels)
            if number >= frame + radius:
                break
    if count <= frame:
        raise InputError(f"`{source}` has {count} frames, numbered from 0; there is no frame {frame}")
    shown = list(before)
    return [shown[0]] * (radius + 1 - len(shown)) + shown + after + [([*shown, *after])[-1]] * (radius - len(after))


def inspect_window(frames: Sequence[NDArray[Any]], *, net: Net, setup: Setup) -> list[Drawing]:
    """Draw what `net` sees and does with a window.

    Args:
        frames: `net.num_frames` frames (H, W, 3), 8 or 16 bit, with sides that `net` takes.
        net: on its device.
        setup: device and precision.
    """
    window = torch.cat([to_tensor(frame, setup.device) for frame in frames])  # (N, 3, H, W)
    middle = len(frames) // 2
    drawn: list[Drawing] = []
    if len(frames) > 1:
        row = [(_time(i - middle), _picture(image)) for i, image in enumerate(window)]
        drawn.append(Drawing("window", "the frames that the network looks at; t is restored", sheet([row])))
    with setup.computing(prod(window.shape[-2:])):
        with _caught(net) as caught:
            restored = net(window if len(frames) == 1 else window[None])[0].float()
        seen = net.downscaled(window) if isinstance(net, BlurFieldNet) else window
        if isinstance(net, BlurFieldNet):
            drawn += _draw_blur_field(net.blur_field(seen), seen[0])
        if isinstance(net, SwiftBest):
            drawn.append(_paths(net, caught, size=_size(seen)))
            drawn.append(_deconvolve_windows(net.deconvolve(seen)[0].chunk(net.num_deconvolved, dim=1), iterations=_turns(net), note=""))
        if isinstance(net, VideoNet):
            drawn += _video(net, window)
        if isinstance(net, CascadeNet):
            radius = net.net.num_frames // 2
            drawn += _video(net.net, window[middle - radius : middle + radius + 1])
        if isinstance(net, SwiftBest | SwiftVideoBest):
            drawn.append(_draw_gates(caught.shares[0][0], iterations=_turns(net)))
        if isinstance(net, STFAN):
            drawn += _filters(net, caught)
        if caught.blends:
            weight = caught.blends[-1][0].float().mean(dim=0)
            drawn.append(
                Drawing("blending", "weight of the present features against the past ones", sheet([[("0 to 1", _map(weight, most=1))]]))
            )
    return [*drawn, _before_and_after(window[middle], restored)]


@dataclass
class _Caught:
    """What passed through the inner layers of a network, in the order in which they ran."""

    filters: dict[str, Tensor] = field(default_factory=dict)
    blends: list[Tensor] = field(default_factory=list)
    offsets: list[tuple[Tensor, Tensor | None]] = field(default_factory=list)  # (B, 2K, h, w), and modulation (B, K, h, w)
    shares: list[Tensor] = field(default_factory=list)  # (B, changes, H, W)
    kernels: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # as found and as paths, (n, K, K) each


@contextmanager
def _caught(net: nn.Module) -> Iterator[_Caught]:
    caught = _Caught()

    def deform(_: nn.Module, passed: tuple[Any, ...], __: object) -> None:
        caught.offsets.append((passed[1].float(), None))

    def modulated(module: nn.Module, passed: tuple[Any, ...], __: object) -> None:
        y, x, modulation = module.get_submodule("offset")(passed[1]).float().chunk(3, dim=1)
        caught.offsets.append((torch.stack((y, x), dim=2).flatten(1, 2), torch.sigmoid(modulation)))

    def blend(module: nn.Module, passed: tuple[Any, ...], __: object) -> None:
        compared = module.get_submodule("compare")(torch.cat([passed[0], passed[1]], dim=1))
        caught.blends.append((torch.tanh(compared).abs() + module.get_parameter("beta")).clamp(0, 1))

    def filters(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def keep(_: nn.Module, __: tuple[Any, ...], put_out: Tensor) -> None:
            caught.filters[name] = put_out.float()

        return keep

    def gates(_: nn.Module, __: tuple[Any, ...], put_out: Tensor) -> None:
        caught.shares.append(put_out.float())

    def path(_: nn.Module, passed: tuple[Any, ...], put_out: Tensor) -> None:
        caught.kernels.append((passed[0][:, 0], put_out))

    hooks = {KernelRefiner: path, DeformConv: deform, ModulatedDeformConv: modulated, TemporalBlending: blend, GatingNet: gates}
    handles = [module.register_forward_hook(hook) for module in net.modules() for kind, hook in hooks.items() if isinstance(module, kind)]
    if isinstance(net, STFAN):
        handles += [net.get_submodule(name).register_forward_hook(filters(name)) for name in ("align_net", "deblur_net")]
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


def _draw_blur_field(blur_field: Tensor, image: Tensor) -> list[Drawing]:
    blur_field = interpolate(blur_field.float(), size=image.shape[-2:], mode="bilinear", align_corners=False)
    axis = blur_axis(blur_field)[0].permute(1, 2, 0).cpu().numpy()  # (H, W, 2)
    longest = _longest([axis])
    drawn = sheet(
        [[("each pixel is blurred along its stroke; a dot: by less than a pixel", strokes(_picture(image), axis, step=_STEP))]],
        width=960,
    )
    colours = [("the same as colour", axis_colours(axis, longest=longest)), _key(longest, axis_colours)]
    drawn = np.concatenate([drawn, sheet([colours], width=(drawn.shape[1] - 12) // 2)])
    return [Drawing("motion", "the motion within the exposure that the network estimates, without its sign", drawn)]


def _paths(net: SwiftBest, caught: _Caught, *, size: tuple[int, int]) -> Drawing:
    rows, columns = (len(net.layout.along(length + 2 * BORDER)[0]) for length in size)
    row = []
    for title, windows in zip(("found", "as the path of a hand"), zip(*caught.kernels, strict=True), strict=True):
        found = torch.cat(windows)
        grid = found.view(rows, columns, *found.shape[1:]).permute(2, 3, 0, 1)  # (K, K, rows, columns)
        row.append((title, kernels(grid.cpu().numpy(), count=columns)))
    caption = (
        "the kernels of the picture's windows: bright where the camera rested, in the middle where it was in the middle of the exposure"
    )
    return Drawing("kernels", caption, sheet([row], width=480))


def _turns(net: SwiftBest | SwiftVideoBest) -> list[int]:
    """Of Richardson-Lucy, for which each view of the picture stands."""
    return list(accumulate(sum(way) for way in net.iterations)) if isinstance(net, SwiftBest) else list(net.iterations)


def _deconvolve_windows(views: Sequence[Tensor], *, iterations: Sequence[int], note: str) -> Drawing:
    row = [(f"after {turn} iterations", _picture(view[0].expand(3, -1, -1))) for turn, view in zip(iterations, views, strict=True)]
    return Drawing("deconvolved", f"t deconvolved by Richardson-Lucy, an input of the network{note}", sheet([row]))


def _draw_gates(shares: Tensor, *, iterations: Sequence[int]) -> Drawing:
    least, most = float(shares.min()), float(shares.max())
    titles = ["its own", *(f"after {turn} iterations" for turn in iterations)]
    row = [(title, _map(share, least=least, most=most)) for title, share in zip(titles, shares, strict=True)]
    return Drawing("gates", f"how much of each change the network applies: {least:.2f} violet to {most:.2f} yellow", sheet([row]))


def _video(net: VideoNet, window: Tensor) -> list[Drawing]:
    frames = window[:, None].unbind(dim=0)  # (1, 3, H, W) each
    middle = len(frames) // 2
    feats = [net.features(frame) for frame in frames]
    motions = [None if i == middle else net.motion(frames[middle], frame) for i, frame in enumerate(frames)]
    aligned, offsets = [], []
    for feat, motion in zip(feats, motions, strict=True):
        with _caught(net) as caught:
            aligned.append(net.align(feats[middle], feat, motion))
        offsets.append(caught.offsets)
    if isinstance(net, SwiftVideo):  # which finds the flow while it aligns
        motions = [None if i == middle else aligned[i][2] * (LENGTH_UNIT / UNSHUFFLE) for i in range(len(frames))]
    times = [_time(i - middle) for i in range(len(frames))]
    flows = [None if motion is None else flow_resize(motion.float(), size=_size(window)) for motion in motions]
    drawn = [*_flow(times, flows), *_alignment(net, times, frames, flows, feats, aligned), *_offsets(times, offsets, middle)]
    if isinstance(net, SwiftVideo):
        _, blur_field, *known = net.fuse(aligned)
        drawn += _draw_blur_field(blur_field, window[middle])
        if isinstance(net, SwiftVideoBest):
            velocity, share = known
            deconvolved = (luma(frames[middle]) + net.changes(frames[middle], share * velocity)).chunk(len(net.iterations), dim=1)
            drawn.append(
                _deconvolve_windows(
                    deconvolved,
                    iterations=net.iterations,
                    note=f", luma, by a shutter that is open for {float(share):.2f} of the time between frames",
                )
            )
    if isinstance(net, ASTCN):
        rows = [
            list(zip(times, _pictures(frames), strict=True)),
            [_mask(f"mask of {time}", mask) for time, (_, mask) in zip(times, feats, strict=True)],
            [_mask(f"warped mask of {time}", mask) for time, (_, mask) in zip(times, aligned, strict=True)],
        ]
        drawn.append(Drawing("masks", "sharpness mask of each position: yellow (1) counts fully, violet (0) not at all", sheet(rows)))
    if isinstance(net, SharpnessNet) and net.prior:
        pictures, inside = (list(parts) for parts in zip(*aligned, strict=True))
        prior = temporal_sharpness(pictures, inside)[0, 0].float()
        cells = [
            ("t", _picture(frames[middle][0])),
            (f"{float(prior.min()):.2f} violet to 1 yellow", _map(prior, least=float(prior.min()), most=1)),
        ]
        drawn.append(Drawing("sharpness", "sharpness prior: how well the warped neighbours agree with t", sheet([cells])))
    return drawn


def _flow(times: list[str], flows: list[Tensor | None]) -> list[Drawing]:
    fields = {time: flow[0].permute(1, 2, 0).cpu().numpy() for time, flow in zip(times, flows, strict=True) if flow is not None}
    if not fields:
        return []
    longest = _longest(list(fields.values()))
    row = [(f"t to {time}", flow_colours(flow, longest=longest)) for time, flow in fields.items()]
    row.append(_key(longest, flow_colours))
    return [Drawing("flow", "where what is at a pixel of t lies in each neighbour, full resolution", sheet([row]))]


def _alignment(
    net: VideoNet,
    times: list[str],
    frames: Sequence[Tensor],
    flows: list[Tensor | None],
    feats: Sequence[tuple[Tensor, ...]],
    aligned: Sequence[tuple[Tensor, ...]],
) -> list[Drawing]:
    middle = len(frames) // 2
    rows: list[list[Cell]] = []
    most = 0.0
    for i, time in enumerate(times):
        if i == middle:
            continue
        row: list[Cell] = [(time, _picture(frames[i][0]))]
        flow = flows[i]
        before = (frames[i] - frames[middle])[0].abs().mean(dim=0)
        row.append((f"difference to t: {255 * float(before.mean()):.2f} of 255", _map(before, most=1 / _AMPLIFY)))
        if flow is not None:
            warped = _warped(frames[i], flow)
            after = (warped - frames[middle])[0].abs().mean(dim=0)
            row.append(("picture warped to t", _picture(warped[0])))
            row.append((f"its difference to t: {255 * float(after.mean()):.2f} of 255", _map(after, most=1 / _AMPLIFY)))
        if not isinstance(net, WarpingNet | SwiftVideo):  # which align pictures
            pairs = [("features", feats[i][0], feats[middle][0])]
            if flow is not None:
                feat = feats[i][0]
                small = flow_resize(flow, size=(feat.shape[-2], feat.shape[-1]))
                pairs.append(("features of warped picture", net.features(_warped(frames[i], flow))[0], feats[middle][0]))
                pairs.append(("warped features", flow_warp(feat, small), feats[middle][0]))
            pairs.append(("aligned features", aligned[i][0], aligned[middle][0]))
            shares = [(name, _feature_difference(feat, reference)) for name, feat, reference in pairs]
            most = most or max(float(np.percentile(shares[0][1].cpu().numpy(), 98)), 1e-6)  # one scale for all
            row += [(f"{name}: {float(share.mean()):.3f}", _map(share, most=most)) for name, share in shares]
        rows.append(row)
    caption = (
        "each neighbour against t, as pictures (yellow: 64 of 255 and more) and as features (one scale); the numbers are means, "
        "for features by their mean length"
    )
    return [Drawing("alignment", caption, sheet(rows))] if rows else []


def _offsets(times: list[str], offsets: list[list[tuple[Tensor, Tensor | None]]], middle: int) -> list[Drawing]:
    rows: list[list[Cell]] = []
    for i, time in enumerate(times):
        if i == middle or not offsets[i]:
            continue
        row: list[Cell] = []
        for number, (offset, modulation) in enumerate(offsets[i]):
            taps = offset[0].view(-1, 2, *offset.shape[-2:]).flip(1)  # (K, 2, h, w), (dx, dy)
            mean = taps.mean(dim=0).permute(1, 2, 0).cpu().numpy()
            scatter = (taps - taps.mean(dim=0)).norm(dim=1).mean(dim=0)
            longest, max_window = _longest([mean]), max(float(scatter.max()), _LEAST)
            size = f"{offset.shape[-1]}x{offset.shape[-2]}"
            row += [
                (f"{time}, layer {number + 1}, {size}: mean, full {longest:.2f}", flow_colours(mean, longest=longest)),
                (f"scatter of the taps, yellow {max_window:.2f}", _map(scatter, most=max_window)),
            ]
            if modulation is not None:
                row.append(("mean modulation, 0 to 1", _map(modulation[0].mean(dim=0), most=1)))
        rows.append(row)
    caption = "where deformable convolutions read, in pixels of their own resolution, beside the regular places"
    return [Drawing("offsets", caption, sheet(rows))] if rows else []


def _filters(net: STFAN, caught: _Caught) -> list[Drawing]:
    rows = []
    for name, weights in caught.filters.items():
        size = net.filter_size
        mean = weights[0].reshape(-1, size, size, *weights.shape[-2:]).mean(dim=0).cpu().numpy()  # over the channels: (k, k, h, w)
        rows.append([(f"{name}: filters of a grid of places", kernels(mean, count=20))])
    caption = "filters that differ from place to place, mean over the channels, each from its lowest (violet) to its highest weight"
    return [Drawing("filters", caption, sheet(rows, width=640))]


def _before_and_after(blurry: Tensor, restored: Tensor) -> Drawing:
    change = ((restored - blurry) * _AMPLIFY + 0.5).clamp(0, 1)
    amount = 255 * float((restored - blurry).abs().mean())
    cells = [
        ("before", _picture(blurry)),
        ("after", _picture(restored)),
        (f"change x{_AMPLIFY}: mean {amount:.2f} of 255", _picture(change)),
    ]
    drawn = sheet([cells], width=max(320, min(640, blurry.shape[-1])))
    return Drawing("before-after", "the frame, what the network made of it, and what it changed (grey is nothing)", drawn)


def _warped(frame: Tensor, flow: Tensor) -> Tensor:
    """A picture warped; what is read outside the frame is grey."""
    return flow_warp(frame - CENTRE, flow) + CENTRE


def _feature_difference(feat: Tensor, reference: Tensor) -> Tensor:
    """(1, C, h, w) against another: length of the difference by the mean length of the reference, (h, w)."""
    lengths = reference[0].float().norm(dim=0)
    return (feat[0].float() - reference[0].float()).norm(dim=0) / lengths.mean().clamp_min(1e-6)


def _middle_part(window: list[NDArray[Any]], longest_side: int, net: Net) -> list[NDArray[Any]]:
    """The middle of each frame, brought to sides that the network takes by mirroring where the frame is smaller."""
    height, width = window[0].shape[:2]
    multiple = net.size_multiple
    high, wide = net.fit_size(*(max(min(size, longest_side) // multiple, 1) * multiple for size in (height, width)))
    return [cut(frame, top=(height - high) // 2, left=(width - wide) // 2, height=high, width=wide) for frame in window]


def _mask(name: str, mask: Tensor) -> Cell:
    values = mask[0, 0].float()
    return f"{name}: {float(values.min()):.2f} to {float(values.max()):.2f}", _map(values, most=1)


def _key(longest: float, colours: Callable[..., Bytes]) -> Cell:
    wheel = colour_wheel(160, colours=colours)
    return f"key: the rim is {longest:.1f} px", np.pad(wheel, ((80, 80), (80, 80), (0, 0)), constant_values=255)


def _longest(fields: list[NDArray[Any]]) -> float:
    """Length that nearly all vectors keep below, so that a few wild ones do not make the rest pale."""
    return max(_LEAST, *(float(np.percentile(np.hypot(field[..., 0], field[..., 1]), 99)) for field in fields))


def _map(values: Tensor, *, least: float = 0.0, most: float) -> Bytes:
    return heat(values.cpu().numpy(), least=least, most=most)


def _picture(image: Tensor) -> Bytes:
    return to_pixels(image.float(), np.dtype(np.uint8)).astype(np.uint8, copy=False)


def _pictures(frames: Sequence[Tensor]) -> list[Bytes]:
    return [_picture(frame[0]) for frame in frames]


def _size(window: Tensor) -> tuple[int, int]:
    return window.shape[-2], window.shape[-1]


def _time(shift: int) -> str:
    return f"t{shift:+d}" if shift else "t"
