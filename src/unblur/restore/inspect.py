"""What a network saw and did with a photo or at one frame of a clip, as pictures.

The network restores the window around the frame and gives its diagnostics of it (`Net.diagnostics`), which are drawn by their kind. A
recurrent network begins without a state at the window's first frame, where a stream hands on what the shot has left.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor

from unblur.errors import InputError
from unblur.io.image import read_rgb
from unblur.io.kind import kind_of
from unblur.io.numbered import frames_in
from unblur.io.video import VideoReader
from unblur.io.whole import written_whole
from unblur.models.base import Net
from unblur.models.diagnostic import Diagnostic, Kind, Rows, frame_name
from unblur.pixels import to_pixels, to_tensor
from unblur.restore.cuts import CutDetector
from unblur.restore.drawing import Bytes, Cell, axis_colours, colour_wheel, flow_colours, heat, kernels, sheet, strokes
from unblur.restore.multi_scale import shape_at, shrunk
from unblur.restore.precision import Setup
from unblur.restore.tiles import cut

__all__ = ["Drawing", "inspect_frame", "inspect_photo", "inspect_window", "read_window"]

_AMPLIFY = 4  # times that differences are shown
_STEP = 16  # pixels between two strokes
_FILTERS = 20  # filters that are shown in a row, at most
_MODULATION_DIM = 4  # dimensions of the modulation of offsets, which have five
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


def inspect_frame(
    source: Path,
    folder: Path,
    *,
    net: Net,
    setup: Setup,
    frame: int = 0,
    scale: float = 1.0,
    longest_side: int = 640,
    overwrite: bool = False,
) -> list[Drawing]:
    """Draw what `net` sees and does at a frame, into a folder of PNG files; gives what was drawn, in order.

    Args:
        source: the clip, a folder of its frames, or a photo, which is a clip of one frame.
        folder: where the pictures go; made if it is not there.
        net: a photo or video network, on its device.
        setup: device and precision.
        frame: number of the frame, from 0.
        scale: at which the frame is looked at.
        longest_side: of the middle of the frame that is looked at, pixels, at that scale.
        overwrite: replace pictures that exist.

    Raises:
        InputError: if the clip cannot be read or has no such frame.
        OutputError: if a picture cannot be written.
    """
    window = [shrunk(each, shape_at(each, scale)) for each in read_window(source, frame=frame, num_frames=net.num_frames)]
    drawings = inspect_window(_middle_part(window, longest_side, net), net=net, setup=setup)
    for drawing in drawings:
        with written_whole(folder / f"{drawing.name}.png", overwrite=overwrite, inputs=(source,)) as partial:
            PillowImage.fromarray(drawing.pixels).save(partial)
    return drawings


def inspect_photo(pixels: NDArray[Any], *, net: Net, setup: Setup, longest_side: int = 640) -> list[Drawing]:
    """Draw what a photo network sees and does with the middle of a photo.

    Args:
        pixels: (H, W, 3), 8 or 16 bit.
        net: on its device.
        setup: device and precision.
        longest_side: of the part that is looked at, pixels.
    """
    return inspect_window(_middle_part([pixels], longest_side, net), net=net, setup=setup)


def read_window(source: Path, *, frame: int, num_frames: int) -> list[NDArray[Any]]:
    """The frames around number `frame`, as a stream would see them: the clip's ends and cuts are filled with copies."""
    if frame < 0:
        raise InputError(f"frames are counted from 0, got {frame}")
    radius = num_frames // 2
    before: deque[NDArray[Any]] = deque(maxlen=radius + 1)  # of this shot, up to the frame
    after: list[NDArray[Any]] = []
    detector = CutDetector()
    count = 0
    with _frames_of(source) as frames:
        for number, pixels in enumerate(frames):
            count += 1
            begins = detector.cuts(to_tensor(pixels)[0])
            if number <= frame:
                if begins:
                    before.clear()
                before.append(pixels)
            elif begins:
                break
            else:
                after.append(pixels)
            if number >= frame + radius:
                break
    if count <= frame:
        raise InputError(f"`{source}` has {count} {'frame' if count == 1 else 'frames'}, numbered from 0; there is no frame {frame}")
    shown = list(before)
    return [shown[0]] * (radius + 1 - len(shown)) + shown + after + [([*shown, *after])[-1]] * (radius - len(after))


@contextmanager
def _frames_of(source: Path) -> Iterator[Iterator[NDArray[Any]]]:
    """The frames of a clip, those that are pictures in a folder, or a photo."""
    kind = kind_of(source)
    if kind == "folder":
        yield (read_rgb(path) for path in frames_in(source, gaps=True).files)
    elif kind == "photo":
        yield iter([read_rgb(source)])
    else:
        with VideoReader(source) as reader:
            yield (read.pixels for read in reader)


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
        row = [(frame_name(i - middle), _picture(image)) for i, image in enumerate(window)]
        drawn.append(Drawing("window", "the frames that the network looks at; t is restored", sheet([row])))
    with setup.computing(prod(window.shape[-2:])):
        blurry = window if len(frames) == 1 else window[None]
        diagnostics = net.diagnostics(blurry)
        drawn += [_drawn(diagnostic, window[middle]) for diagnostic in diagnostics if diagnostic.kind != "restored"]
        given = [tensor for diagnostic in diagnostics if diagnostic.kind == "restored" for tensor in diagnostic.rows[0].values()]
        restored = given[0] if given else net(blurry)
    return [*drawn, _before_and_after(window[middle], restored[0].float())]


def _drawn(diagnostic: Diagnostic, reference: Tensor) -> Drawing:
    """The drawing of a diagnostic; `reference` is the frame that is restored, (3, H, W)."""
    painters: dict[Kind, Callable[[], Bytes]] = {
        "picture": lambda: _draw_maps(diagnostic),
        "map": lambda: _draw_maps(diagnostic),
        "flow": lambda: _draw_flow(diagnostic.rows),
        "axis": lambda: _draw_axis(diagnostic.rows),
        "kernel": lambda: _draw_filters(diagnostic.rows, count=None, width=480),
        "filters": lambda: _draw_filters(diagnostic.rows, count=_FILTERS, width=640),
        "offsets": lambda: _draw_offsets(diagnostic.rows),
        "alignment": lambda: _draw_alignment(diagnostic.rows, reference),
    }
    return Drawing(diagnostic.name, diagnostic.caption, painters[diagnostic.kind]())


def _draw_maps(diagnostic: Diagnostic) -> Bytes:
    least, most = diagnostic.value_range

    def draw(tensor: Tensor) -> Bytes:
        return _picture(tensor[0]) if _is_picture(tensor) else _map(tensor[0, 0].float(), least=least, most=most)

    return sheet([[(title, draw(tensor)) for title, tensor in row.items()] for row in diagnostic.rows])


def _draw_flow(rows: Rows) -> Bytes:
    fields = [{title: _vectors(flow[0]) for title, flow in row.items()} for row in rows]
    longest = _longest([vectors for row in fields for vectors in row.values()])
    key = _key(longest, flow_colours)
    return sheet([[*((title, flow_colours(vectors, longest=longest)) for title, vectors in row.items()), key] for row in fields])


def _draw_axis(rows: Rows) -> Bytes:
    drawn = []
    for picture, blurred in (row.values() for row in rows):
        axis = _vectors(blurred[0])  # (H, W, 2)
        longest = _longest([axis])
        title = "each pixel is blurred along its stroke; a dot: by less than a pixel"
        upper = sheet([[(title, strokes(_picture(picture[0]), axis, step=_STEP))]], width=960)
        colours = [("the same as colour", axis_colours(axis, longest=longest)), _key(longest, axis_colours)]
        drawn += [upper, sheet([colours], width=(upper.shape[1] - 12) // 2)]
    return np.concatenate(drawn)


def _draw_filters(rows: Rows, *, count: int | None, width: int) -> Bytes:
    """Filters of a grid of `count` places a row, or of all places."""
    cells: list[list[Cell]] = []
    for row in rows:
        cells.append([])
        for title, weights in row.items():
            side = isqrt(weights.shape[1])
            filters = weights[0].float().reshape(side, side, *weights.shape[-2:]).cpu().numpy()  # (k, k, h, w)
            cells[-1].append((title, kernels(filters, count=count or filters.shape[-1])))
    return sheet(cells, width=width)


def _draw_alignment(rows: Rows, reference: Tensor) -> Bytes:
    cells: list[list[Cell]] = []
    most = 0.0
    for row in rows:
        cells.append([])
        for title, tensor in row.items():
            if _is_picture(tensor):
                difference = (tensor[0] - reference).abs().mean(dim=0)
                name = "its difference to t" if cells[-1] else "difference to t"
                cells[-1].append((title, _picture(tensor[0])))
                cells[-1].append((f"{name}: {255 * float(difference.mean()):.2f} of 255", _map(difference, most=1 / _AMPLIFY)))
                continue
            error = tensor[0, 0]
            most = most or max(float(np.percentile(error.cpu().numpy(), 98)), 1e-6)  # one scale for all
            cells[-1].append((f"{title}: {float(error.mean()):.3f}", _map(error, most=most)))
    return sheet(cells)


def _draw_offsets(rows: Rows) -> Bytes:
    cells: list[list[Cell]] = []
    for row in rows:
        cells.append([])
        for title, tensor in row.items():
            if tensor.ndim == _MODULATION_DIM:
                cells[-1].append(("mean modulation, 0 to 1", _map(tensor[0].mean(dim=0), most=1)))
                continue
            taps = tensor[0]  # (T, 2, h, w), (dx, dy)
            mean = _vectors(taps.mean(dim=0))
            scatter = (taps - taps.mean(dim=0)).norm(dim=1).mean(dim=0)
            longest, widest = _longest([mean]), max(float(scatter.max()), _LEAST)
            size = f"{taps.shape[-1]}x{taps.shape[-2]}"
            cells[-1] += [
                (f"{title}, {size}: mean, full {longest:.2f}", flow_colours(mean, longest=longest)),
                (f"scatter of the taps, yellow {widest:.2f}", _map(scatter, most=widest)),
            ]
    return sheet(cells)


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


def _middle_part(window: list[NDArray[Any]], longest_side: int, net: Net) -> list[NDArray[Any]]:
    """The middle of each frame, brought to sides that the network takes by mirroring where the frame is smaller."""
    height, width = window[0].shape[:2]
    multiple = net.size_multiple
    high, wide = net.fit_size(*(max(min(size, longest_side) // multiple, 1) * multiple for size in (height, width)))
    return [cut(frame, top=(height - high) // 2, left=(width - wide) // 2, height=high, width=wide) for frame in window]


def _key(longest: float, colours: Callable[..., Bytes]) -> Cell:
    wheel = colour_wheel(160, colours=colours)
    return f"key: the rim is {longest:.1f} px", np.pad(wheel, ((80, 80), (80, 80), (0, 0)), constant_values=255)


def _longest(fields: list[NDArray[Any]]) -> float:
    """Length that nearly all vectors keep below, so that a few wild ones do not make the rest pale."""
    return max(_LEAST, *(float(np.percentile(np.hypot(field[..., 0], field[..., 1]), 99)) for field in fields))


def _map(values: Tensor, *, least: float = 0.0, most: float) -> Bytes:
    return heat(values.cpu().numpy(), least=least, most=most)


def _picture(image: Tensor) -> Bytes:
    return to_pixels(image.float(), np.uint8)


def _vectors(field: Tensor) -> NDArray[Any]:
    """(2, H, W) to (H, W, 2)."""
    return field.float().permute(1, 2, 0).cpu().numpy()


def _is_picture(tensor: Tensor) -> bool:
    return tensor.shape[1] == 3
