"""What it is worth to know the path of a smear, and not only its line.

    python -m benchmarks.paths --photos DIR [--pairs N]

Pairs are synthesised from sharp pictures, with blur of three lengths, and undone by a textbook method, ten turns of Richardson-Lucy in linear
light, which knows of every pixel: the exact path of its smear; the line of the same length and direction, which is all that `swift` says of
it; that line as `swift` estimates it; or, of a window, the kernel that blind deconvolution finds (`unblur.layers.kernel`). Printed are the mean gains in
PSNR over the blurry picture, in dB, of which the last are as `swift_best` sees them, after as many turns as it is shown.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

import unblur
from benchmarks.told import RANGES, SIDE, blur_between, rounded
from unblur.layers.smear import spread_axis
from unblur.metrics import from_uint8, psnr
from unblur.models.swift import Swift
from unblur.models.swift_best import GAMMA, SwiftBest
from unblur.synth.scene import motion, spread
from unblur.synth.sources import find_photos, read_photo
from unblur.synth.stills import StillsBlur, draw_scene, photograph

TURNS = 10
INSTANTS = 25


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of sharp pictures")
    parser.add_argument("--pairs", type=int, default=32, help="for each length")
    arguments = parser.parse_args()
    net = unblur.load("swift", device="cpu", precision="fp32").net
    assert isinstance(net, Swift)
    photos = [read_photo(path) for path in find_photos([arguments.photos])]
    finds = SwiftBest()
    found = " ".join(f"{f'found, {turns} turns':>14}" for turns in finds.turns)
    print(f"{'length':>8} {'before':>7} {'path':>6} {'line':>6} {'estimated':>10} {found}")
    for low, high in RANGES:
        blur = blur_between(low, high)
        before, path, line, estimated, *kernels = np.mean(
            [measured(net, finds, photos, blur, number=number) for number in range(arguments.pairs)], axis=0
        )
        found = " ".join(f"{gain:+14.2f}" for gain in kernels)
        print(f"{low:3g} - {high:2g} {before:7.2f} {path:+6.2f} {line:+6.2f} {estimated:+10.2f} {found}", flush=True)


@torch.no_grad()
def measured(net: Swift, finds: SwiftBest, photos: list[NDArray[np.uint8]], blur: StillsBlur, *, number: int) -> list[float]:
    """PSNR of one blurry picture, and the gains; the same ones every time."""
    generator = np.random.default_rng([5, number])
    scene = draw_scene(generator, photos, size=SIDE, blur=blur)
    pair = photograph(scene, generator, size=SIDE, blur=blur)
    blurry, sharp = from_uint8(pair.blurry).float(), from_uint8(pair.sharp).float()
    field = motion(scene.layers, np.linspace(-0.5, 0.5, INSTANTS), size=(SIDE, SIDE), stride=4)
    path = interpolate(torch.from_numpy(field).permute(0, 3, 1, 2), size=(SIDE, SIDE))  # (T, 2, H, W)
    lines = [line(given) for given in (torch.from_numpy(spread(field)).permute(2, 0, 1)[None], net.spread(blurry))]
    light = blurry**GAMMA
    results = [by_richardson_lucy(light, displacements) ** (1 / GAMMA) for displacements in (-path, *lines)]
    results += finds.deconvolved(blurry).tensor_split(len(finds.turns), dim=1)
    before = float(psnr(blurry, sharp))
    return [before, *(float(psnr(rounded(result), sharp)) - before for result in results)]


def line(given: Tensor) -> Tensor:
    """Displacements (T, 2, H, W) along the line of a spread (1, 3, H/4, W/4)."""
    axis = interpolate(spread_axis(given), size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return axis * torch.linspace(-0.5, 0.5, INSTANTS)[:, None, None, None]


def by_richardson_lucy(light: Tensor, displacements: Tensor) -> Tensor:
    """Undo a blur that is another at every pixel: where its light came from, at `displacements` (T, 2, H, W)."""
    down, across = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    places = torch.stack([across + displacements[:, 0], down + displacements[:, 1]], dim=-1) * 2 / (SIDE - 1) - 1

    def blur(sharp: Tensor) -> Tensor:
        many = sharp.expand(len(places), -1, -1, -1)
        return grid_sample(many, places, padding_mode="border", align_corners=True).mean(0, keepdim=True)

    def spread_out(picture: Tensor) -> Tensor:
        """The adjoint of `blur`."""
        with torch.enable_grad():
            sharp = torch.zeros_like(picture, requires_grad=True)
            return torch.autograd.grad(blur(sharp), sharp, picture)[0]

    reached = spread_out(torch.ones_like(light)).clamp_min(0.2)
    sharp = light
    for _ in range(TURNS):
        sharp = (sharp * spread_out(light / (blur(sharp) + 1e-3)) / reached).clamp(0, 1.2)
    return sharp


if __name__ == "__main__":
    main()
