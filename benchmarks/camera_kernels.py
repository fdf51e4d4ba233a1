"""What the trajectory of a motion blur is worth to deconvolution, beside its length and direction alone; and the place of the middle of the exposure in a kernel.

    python -m benchmarks.camera_kernels --photos DIR [--pairs N] [--smooth]

Pairs are synthesised from sharp pictures, with motion blur of three ranges of length. They are deconvolved by ten iterations of Richardson-Lucy in linear light with the blur of
every pixel: along its exact trajectory (`trajectory`); along the line of the same length and direction, which is what a blur field holds (`line`); or along that
line as `swift` estimates it (`estimated`). Then they are deconvolved as `swift_best` does it, by five accelerated iterations with one kernel for the whole picture: the exact one of the
background in its middle (`known`); the same one, shifted so that the middle of the exposure is where `exposure_midpoint` estimates it (`shifted`); the one of blind
kernel estimation (`unblur.layers.kernel_estimation`, `found`); the one that `swift_best` refines from that (`unblur.layers.kernel_refinement`, `refined`); and the estimated one, shifted to where
it fits the exact one best (`centred`). Printed are the mean gains in PSNR over the blurry picture, in dB. With `--smooth`, camera trajectories are smooth arcs, as in short exposures,
instead of all that a hand can do.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

import unblur
from benchmarks.blur_field import RANGES, SIDE, blur_between
from unblur.layers.blind_deconvolution import BORDER, WHITE_LEVEL, add_border, remove_border
from unblur.layers.deconvolution import edge_taper, fourier_blur, richardson_lucy
from unblur.layers.kernel_estimation import estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import kernel_evidence
from unblur.layers.kernel_input import normalise_contrast
from unblur.layers.kernels import centre_kernel, exposure_midpoint, kernel_spectrum
from unblur.layers.light import GAMMA
from unblur.layers.motion_blur import blur_axis
from unblur.metrics import from_uint8, psnr
from unblur.models.swift import Swift
from unblur.models.swift_best import SwiftBest
from unblur.pixels import rounded_to_8_bit
from unblur.synth.scene import blur_field, motion
from unblur.synth.sources import find_photos, read_photo
from unblur.synth.stills import Scene, StillsBlur, draw_scene, photograph

ITERATIONS = 10  # of Richardson-Lucy, a kernel a pixel
ACCELERATED = 5  # iterations of the accelerated one, a kernel a picture
SIZE = 31  # of kernels, pixels
INSTANTS = 25
COLUMNS = ("trajectory", "line", "estimated", "known", "shifted", "found", "refined", "centred")
SMOOTH = (0.0, 0.4)
"""`wobble` of a smooth camera trajectory."""


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of sharp pictures")
    parser.add_argument("--pairs", type=int, default=32, help="for each length")
    parser.add_argument("--smooth", action="store_true", help="smooth camera trajectories")
    arguments = parser.parse_args()
    swift, best = (unblur.load(model, device="cpu", precision="fp32").net for model in ("swift", "swift_best"))
    assert isinstance(swift, Swift)
    assert isinstance(best, SwiftBest)
    photos = [read_photo(path) for path in find_photos([arguments.photos])]
    print(f"{'length':>8} {'before':>7} " + " ".join(f"{column:>9}" for column in COLUMNS))
    for low, high in RANGES:
        blur = blur_between(low, high)
        blur = replace(blur, wobble=SMOOTH) if arguments.smooth else blur
        before, *gains = np.mean([measured(swift, best, photos, blur, number=number) for number in range(arguments.pairs)], axis=0)
        print(f"{low:3g} - {high:2g} {before:7.2f} " + " ".join(f"{gain:+9.2f}" for gain in gains), flush=True)


@torch.no_grad()
def measured(swift: Swift, best: SwiftBest, photos: list[NDArray[np.uint8]], blur: StillsBlur, *, number: int) -> list[float]:
    """PSNR of one blurry picture, and the gains; the same ones every time."""
    generator = np.random.default_rng([5, number])
    scene = draw_scene(generator, photos, size=SIDE, blur=blur)
    pair = photograph(scene, generator, size=SIDE, blur=blur)
    blurry, sharp = from_uint8(pair.blurry).float(), from_uint8(pair.sharp).float()
    field = motion(scene.layers, np.linspace(-0.5, 0.5, INSTANTS), size=(SIDE, SIDE), stride=4)
    trajectories = interpolate(torch.from_numpy(field).permute(0, 3, 1, 2), size=(SIDE, SIDE))  # (T, 2, H, W)
    lines = [line(given) for given in (torch.from_numpy(blur_field(field)).permute(2, 0, 1)[None], swift.blur_field(blurry))]
    light = blurry**GAMMA
    results = [by_richardson_lucy(light, displacements) ** (1 / GAMMA) for displacements in (-trajectories, *lines)]
    known = kernel_of(scene)
    bright, seen = best.deconvolution.search_input(light).unbind(1)
    windows = prepare_windows(normalise_contrast(bright, mask=seen), size=SIZE, mask=seen)
    found = estimate_kernel(windows)
    shifted, central, centred = (
        centre_kernel(kernel, middle)
        for kernel, middle in ((known, exposure_midpoint(known)), (found, exposure_midpoint(found)), (found, best_place(found, known)))
    )
    refined = best.deconvolution.kernel_estimator.refiner(kernel_evidence(windows, central))
    results += [by_kernel(blurry, kernel) for kernel in (known, shifted, central, refined, centred)]
    before = float(psnr(blurry, sharp))
    return [before, *(float(psnr(rounded_to_8_bit(result), sharp)) - before for result in results)]


def line(given: Tensor) -> Tensor:
    """Displacements (T, 2, H, W) along the line of a blur field (1, 3, H/4, W/4)."""
    axis = interpolate(blur_axis(given), size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return axis * torch.linspace(-0.5, 0.5, INSTANTS)[:, None, None, None]


def kernel_of(scene: Scene) -> Tensor:
    """The kernel by which the background is blurred in the middle of the picture, (1, K, K), its middle that of the exposure."""
    trajectory = motion(scene.layers[:1], np.linspace(-0.5, 0.5, 65), size=(SIDE, SIDE), stride=SIDE)[:, 0, 0]
    half = SIZE // 2
    place = np.clip(trajectory, -half, half - 1e-3) + half
    corner = np.floor(place).astype(int)
    along = place - corner
    kernel = np.zeros((SIZE, SIZE), np.float32)
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = (along[:, 0] if right else 1 - along[:, 0]) * (along[:, 1] if below else 1 - along[:, 1])
        np.add.at(kernel, (corner[:, 1] + below, corner[:, 0] + right), weight / len(trajectory))
    return torch.from_numpy(kernel)[None]


def best_place(kernel: Tensor, known: Tensor, *, finer: int = 4) -> Tensor:
    """Where in `kernel` the middle of `known` is if both are laid over each other, (1, 2) as (x, y) in pixels from its middle."""
    side = 64 * finer
    product = torch.fft.fftshift(torch.fft.fft2(kernel, s=(64, 64)) * torch.fft.fft2(known, s=(64, 64)).conj(), dim=(-2, -1))
    border = (side - 64) // 2
    fits = torch.fft.ifft2(torch.fft.ifftshift(pad(product, (border,) * 4), dim=(-2, -1))).real
    down, across = divmod(int(fits.argmax()), side)
    return torch.tensor([[(place + side // 2) % side - side // 2 for place in (across, down)]]) / finer


def by_kernel(blurry: Tensor, kernel: Tensor) -> Tensor:
    """Deconvolve a blur that is the same everywhere, with the middle of the exposure in the kernel's middle."""
    light, down, across = add_border(blurry)
    blur, adjoint = fourier_blur(kernel_spectrum(kernel, light.shape[-2:]))
    (deconvolved,) = richardson_lucy(
        edge_taper(light, edge=BORDER), blur=blur, adjoint=adjoint, iterations=(ACCELERATED,), white_level=WHITE_LEVEL
    )
    return remove_border(deconvolved, down, across).clamp(0, 1) ** (1 / GAMMA)


def by_richardson_lucy(light: Tensor, displacements: Tensor) -> Tensor:
    """Deconvolve a blur that differs at every pixel, whose light came from `displacements` (T, 2, H, W), pixels."""
    down, across = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    places = torch.stack([across + displacements[:, 0], down + displacements[:, 1]], dim=-1) * 2 / (SIDE - 1) - 1

    def blur(sharp: Tensor) -> Tensor:
        many = sharp.expand(len(places), -1, -1, -1)
        return grid_sample(many, places, padding_mode="border", align_corners=True).mean(0, keepdim=True)

    def adjoint(picture: Tensor) -> Tensor:
        """The adjoint of `blur`: the light of a picture at the places that it came from."""
        with torch.enable_grad():
            sharp = torch.zeros_like(picture, requires_grad=True)
            return torch.autograd.grad(blur(sharp), sharp, picture)[0]

    reached = adjoint(torch.ones_like(light)).clamp_min(0.2)
    sharp = light
    for _ in range(ITERATIONS):
        sharp = (sharp * adjoint(light / (blur(sharp) + 1e-3)) / reached).clamp(0, 1.2)
    return sharp


if __name__ == "__main__":
    main()
