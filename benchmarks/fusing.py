"""What weights of `maxim` would be worth in `swift_fused`: alone, fused with the built-in `swift_best`, and as well as two weights a picture could ever do.

    python -m benchmarks.fusing PAIRS... --cache FOLDER [--weights FILE]... [--every N] [--middle SIDE] [--scale S]

PAIRS are folders with `blurry/` and `sharp/`. FILE is a run's folder, a file of weights or a name, of `maxim` or of `swift_fused`, of which its `maxim` is taken. The restoration of `swift_best` and the share of what is blurred are kept in FOLDER, so that many weights are compared quickly. All is done at the pictures' own size, in fp32, without tiles: on the middle
SIDE pixels if given. With `--scale`, `maxim` restores the picture shrunk by S, and its change is enlarged. Gains are in PSNR over the blurry picture, dB; `strong` are pairs below 28 dB; `shifted` is the gain of the
fused restoration over the blurry picture, each after the best shift of up to 3 pixels (`unblur.metrics.shifted_psnr`): the reference of an even number of averaged frames lies half a frame beside the middle of the exposure, where no network can know it to be. `bound` is the gain with the two weights of the changes that are best for the whole
picture, by least squares with the truth.
"""

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

import unblur
from benchmarks.quality import STRONG
from unblur.io.image import read_rgb
from unblur.layers.resize import resized
from unblur.metrics import psnr, shifted_psnr, to_8_bit
from unblur.models.maxim import MAXIM
from unblur.models.swift_fused import SwiftFused
from unblur.pixels import as_8_bit, to_tensor
from unblur.weights import card_of, load_tensors

Row = tuple[float, float, float, float, float]
"""PSNR of the blurry picture, and gains: alone, fused, fused and shifted, bound."""


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what does not depend on the weights")
    parser.add_argument("--weights", action="append", default=[], metavar="FILE")
    parser.add_argument("--every", type=int, default=1, help="take every Nth pair")
    parser.add_argument("--middle", type=int, help="pixels of the middle of each picture; all of it if left out")
    parser.add_argument("--scale", type=float, default=1.0, help="at which `maxim` restores")
    arguments = parser.parse_args()
    fused = unblur.load("swift_fused", device="cpu", precision="fp32").net
    assert isinstance(fused, SwiftFused)
    names: list[str] = arguments.weights or ["swift_fused"]
    networks: list[nn.Module] = [_maxim(name) for name in names]
    if arguments.scale != 1:
        networks = [_Scaled(net, scale=arguments.scale) for net in networks]
    print(f"{'':40} alone (worst)    fused  strong    weak   worst shifted   bound")
    for folder in arguments.pairs:
        rows: list[list[Row]] = [[] for _ in names]
        for name, blurry, sharp in _pairs(folder, every=arguments.every, middle=arguments.middle):
            kept = arguments.cache / f"{folder.name}-{arguments.middle or 'whole'}" / f"{name}.pt"
            for row, each in zip(rows, _measured(fused, networks, blurry, sharp, kept=kept), strict=True):
                row.append(each)
        for name, each_of in zip(names, rows, strict=True):
            print(_line(f"{folder.name} {name[-24:]}", each_of), flush=True)


class _Scaled(nn.Module):
    """A network that sees the picture at a smaller scale; what it changes is enlarged bicubically."""

    def __init__(self, net: nn.Module, *, scale: float) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, blurry: Tensor) -> Tensor:
        height, width = (round(side * self.scale) for side in blurry.shape[-2:])
        small = resized(blurry, [height, width], mode="bicubic").clamp(0, 1)
        padded = pad(small, (0, -width % MAXIM.size_multiple, 0, -height % MAXIM.size_multiple), mode="reflect")
        change = self.net(padded)[..., :height, :width].float() - small
        return blurry + interpolate(change, size=blurry.shape[-2:], mode="bicubic", align_corners=False)


def _maxim(name: str) -> MAXIM:
    net = MAXIM(num_stages=1)
    net.load_state_dict(_tensors(name))
    return net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _tensors(name: str) -> dict[str, Tensor]:
    tensors = load_tensors(name)
    part = "maxim." if card_of(name).architecture == "swift_fused" else ""
    return {key.removeprefix(part): value.float() for key, value in tensors.items() if key.startswith(part)}


def _pairs(folder: Path, *, every: int, middle: int | None) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    for path in sorted((folder / "blurry").iterdir())[::every]:
        blurry, sharp = (as_8_bit(read_rgb(folder / part / path.name)) for part in ("blurry", "sharp"))
        height, width = blurry.shape[:2]
        top, left = (max(side - (middle or side), 0) // 2 for side in (height, width))
        window = slice(top, top + (middle or height)), slice(left, left + (middle or width))
        yield path.stem, blurry[window], sharp[window]


@torch.inference_mode()
def _measured(
    fused: SwiftFused, networks: list[nn.Module], blurry: NDArray[np.uint8], sharp: NDArray[np.uint8], *, kept: Path
) -> list[Row]:
    """One row for each network; `kept` is where the change of `swift_best` is, or will be."""
    height, width = blurry.shape[:2]
    rows, columns = (-side % fused.size_multiple for side in (height, width))
    picture = pad(to_tensor(blurry), (0, columns, 0, rows), mode="reflect").contiguous(memory_format=torch.channels_last)
    if not kept.exists():
        blur_field = fused.swift_best.blur_field(picture)
        change = fused.swift_best.restore(picture, blur_field).float() - picture
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"change": change, "blurred": fused.blurred(blur_field, size=picture.shape[-2:])}, kept)
    known = torch.load(kept, weights_only=True)
    given, truth = to_tensor(blurry), to_tensor(sharp)
    before, unshifted = psnr_of_8_bit(given, truth), shifted_psnr(given, truth).psnr
    inside = (..., slice(height), slice(width))
    found = []
    for net in networks:
        change = net(picture).float() - picture
        changes = torch.stack([change, known["change"]], dim=1)
        share = known["blurred"] * fused.restored_share(picture, changes)
        gated = fused.fuse(picture, changes, fused.gates(changes) * share)
        residual = (truth - picture[inside]).flatten().double()
        both = changes[0][inside].flatten(1).double()  # (2, 3·H·W)
        weights = torch.linalg.lstsq(both.T, residual[:, None]).solution.float()  # (2, 1)
        best = picture + (weights.view(1, 2, 1, 1, 1) * changes).sum(dim=1)
        alone, together, bound = (psnr_of_8_bit(each[inside], truth) - before for each in (picture + change, gated, best))
        shifted = float(shifted_psnr(gated[inside].clamp(0, 1), truth).psnr - unshifted)
        found.append((before, alone, together, shifted, bound))
    return found


def psnr_of_8_bit(restored: Tensor, sharp: Tensor) -> float:
    """In dB, of what would be written with 8 bit."""
    return float(psnr(to_8_bit(restored), sharp.double()))


def _line(name: str, rows: list[Row]) -> str:
    alone, fused, shifted, bound = ([row[place] for row in rows] for place in (1, 2, 3, 4))
    parts = [[row[2] for row in rows if (row[0] < STRONG) == strong] for strong in (True, False)]
    strong, weak = (f"{statistics.mean(part):+7.2f}" if part else f"{'-':>7}" for part in parts)
    means = [statistics.mean(each) for each in (alone, fused, shifted, bound)]
    return f"{name:40} {means[0]:+5.2f} ({min(alone):+5.2f})  {means[1]:+7.2f} {strong} {weak} {min(fused):+7.2f} {means[2]:+7.2f} {means[3]:+7.2f}"


if __name__ == "__main__":
    main()
