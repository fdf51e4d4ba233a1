"""Toy networks, each with one property that restoration must keep or cope with, and weights of a tiny real one."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from unblur.models import create
from unblur.models.base import Net
from unblur.models.video import VideoNet
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Setup

CPU = torch.device("cpu")
TINY = {"widths": [8, 12], "blocks": [1, 1], "motion_widths": [8, 12], "motion_blocks": [1, 1]}
"""Arguments of a small `swift`."""
TINY_VIDEO = {
    "widths": [8, 12],
    "blocks": [1, 1],
    "motion_widths": [4, 8],
    "motion_blocks": [1, 1],
    "flow_widths": [4, 8],
    "flow_radii": [0, 2],
}
"""Those of a small `swift_video`."""


class Identity(Net):
    """Gives back what it is given, and notes the shapes."""

    size_multiple = 1
    receptive_radius = 0

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, blurry: Tensor) -> Tensor:
        self.seen.append(tuple(blurry.shape[2:]))
        return self.change(blurry)

    def change(self, blurry: Tensor) -> Tensor:
        return blurry


class Darker(Identity):
    """Takes away a tenth: little enough for the fail-safe."""

    def change(self, blurry: Tensor) -> Tensor:
        return 0.9 * blurry


class Folded(Identity):
    """Two convolutions on folded pixels: local, with a stride, and with all pixels of a square treated differently."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.size_multiple = multiple
        self.receptive_radius = 2 * multiple + multiple - 1
        generator = torch.Generator().manual_seed(multiple)
        channels = 3 * multiple**2
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        for parameter in self.parameters():
            parameter.data = (torch.rand(parameter.shape, generator=generator) - 0.5) / (9 * channels) ** 0.5

    def change(self, blurry: Tensor) -> Tensor:
        feat = pixel_unshuffle(blurry - 0.5, self.size_multiple)
        for convolution in self.convolutions:
            feat = convolution(feat).relu() + 0.5 * feat
        return blurry + 0.1 * pixel_shuffle(feat, self.size_multiple)


class GlobalMean(Identity):
    """Adds a share of the whole tile's mean: sees further than any halo."""

    def change(self, blurry: Tensor) -> Tensor:
        return 0.95 * blurry + 0.05 * blurry.mean()


class NanMaker(Identity):
    """Breaks where the picture is brighter than 0.9."""

    def change(self, blurry: Tensor) -> Tensor:
        return torch.where(blurry > 0.9, torch.nan, blurry)


class Hungry(Identity):
    """Runs out of memory above a number of pixels, as torch says it on a processor."""

    def __init__(self, most: int, text: str = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.") -> None:
        super().__init__()
        self.most, self.text = most, text

    def change(self, blurry: Tensor) -> Tensor:
        if blurry.shape[2] * blurry.shape[3] > self.most:
            raise RuntimeError(self.text)
        return blurry


def deblurrer(net: Net, *, tile: int | None = None) -> Deblurrer:
    return Deblurrer(net.eval(), setup=Setup(CPU, torch.float32), tile=tile)


def tiny_swift(*, seed: int = 0) -> Net:
    """A small `swift` whose last layers, unlike those of an untrained one, do something."""
    net = create("swift", **TINY)
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.data = 0.1 * (torch.rand(parameter.shape, generator=generator) - 0.5)
    return net.eval()


def save_weights(target: Path, net: Net, **changes: object) -> Path:
    """Write weights and a card that fits them, but for `changes`."""
    data = save(net.state_dict())
    target.write_bytes(data)
    card = {
        "name": target.stem,
        "kind": "photo" if net.num_frames == 1 else "video",
        "summary": "tiny",
        "architecture": "swift",
        "arguments": TINY,
        "size_multiple": net.size_multiple,
        "origin": "trained here",
        "training_data": "none",
        "recipe": "none",
        "results": [],
        "licence": "Apache-2.0",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    target.with_suffix(".json").write_text(json.dumps(card | changes))
    return target


class Windowed(VideoNet):
    """The mean of three frames."""

    num_frames = 3
    size_multiple = 1
    receptive_radius = 0

    def features(self, frame):
        return (frame,)

    def motion(self, reference, neighbour):  # noqa: ARG002
        return None

    def align(self, reference, neighbour, motion):  # noqa: ARG002
        return neighbour

    def fuse(self, aligned):
        return (torch.stack([feat for (feat,) in aligned]).mean(dim=0),)

    def reconstruct(self, fused, reference):  # noqa: ARG002
        return fused[0]


class OneNetwork:
    """In place of `unblur.restore.networks.Networks`: the same deblurrer for every file."""

    def __init__(self, deblurrer: Deblurrer) -> None:
        self._deblurrer = deblurrer

    def choose(self, *_: object, **__: object) -> None:
        """Nothing to choose."""

    def for_job(self, _: object) -> Deblurrer:
        return self._deblurrer

    def photo_choice_of(self, _: object) -> None:
        return None
