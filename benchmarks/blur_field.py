"""What limits `swift`: its estimate of the blur field, its restoration given a blur field, or the pictures that it was trained on.

    python -m benchmarks.blur_field --photos DIR [--photos DIR]... [--model NAME|FILE] [--pairs N]

Pairs are synthesised from the sharp pictures of each folder, with motion blur of three ranges of length, whose blur field is known exactly. Printed are gains in
PSNR over the blurry picture, in dB: with the network's own estimate of the blur field (`estimate`); given the true one (`true`); with its estimate smoothed over the
picture, as if all of it moved alike (`smoothed`); and run a second time on its own result (`twice`). Then the mean error of the estimate beside the mean length of the
true blur field, pixels. A folder of pictures that were trained on beside one of others shows overfitting.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import unblur
from unblur.metrics import from_uint8, psnr
from unblur.models.swift import BlurFieldNet
from unblur.pixels import rounded_to_8_bit
from unblur.synth.sources import find_photos, read_photo
from unblur.synth.stills import StillsBlur, draw_pair

SIDE = 256  # pixels
RANGES = ((2.0, 6.0), (6.0, 12.0), (12.0, 20.0))  # pixels of arc
SMOOTHED = 8.0  # standard deviation, positions of 4x4 pixels


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, help="folder of sharp pictures")
    parser.add_argument("--model", default="swift")
    parser.add_argument("--pairs", type=int, default=32, help="for each length")
    arguments = parser.parse_args()
    net = unblur.load(arguments.model, device="cpu", precision="fp32").net
    if not isinstance(net, BlurFieldNet):
        parser.error(f"`{arguments.model}` does not estimate a blur field; name weights of a `swift`")
    print(f"{'pictures':16} {'length':>8} {'before':>7} {'estimate':>9} {'true':>6} {'smoothed':>9} {'twice':>6} {'error':>6} {'of':>6}")
    for folder in arguments.photos:
        photos = [read_photo(path) for path in find_photos([folder])]
        for low, high in RANGES:
            blur = blur_between(low, high)
            rows = np.mean([measured(net, photos, blur, number=number) for number in range(arguments.pairs)], axis=0)
            before, estimate, given_truth, smoothed, twice, error, length = rows
            print(
                f"{folder.name:16} {low:3g} - {high:2g} {before:7.2f} {estimate:+9.2f} {given_truth:+6.2f} {smoothed:+9.2f} {twice:+6.2f} "
                f"{error:6.2f} {length:6.2f}",
                flush=True,
            )


@torch.no_grad()
def measured(net: BlurFieldNet, photos: list[NDArray[np.uint8]], blur: StillsBlur, *, number: int) -> list[float]:
    """The figures of one pair; the same one every time."""
    pair = draw_pair(np.random.default_rng([5, number]), photos, size=SIDE, blur=blur)
    blurry, sharp = from_uint8(pair.blurry).float(), from_uint8(pair.sharp).float()
    truth = torch.from_numpy(np.ascontiguousarray(pair.blur_field)).permute(2, 0, 1)[None].float()
    seen = net.blur_field(blurry)
    before = psnr(blurry, sharp)
    once = net.restore(blurry, seen)
    results = (once, net.restore(blurry, truth), net.restore(blurry, smoothed(seen)), net(once.clamp(0, 1)))
    gains = [float(psnr(rounded_to_8_bit(result), sharp) - before) for result in results]
    return [float(before), *gains, float((seen - truth).norm(dim=1).mean()), float(truth.norm(dim=1).mean())]


def blur_between(low: float, high: float) -> StillsBlur:
    """Blur of `low` to `high` pixels of arc, by a hand and of things."""
    return StillsBlur(sharp_probability=0, length=(low, high), wobble=(0, 0.8), noise_probability=0.7, shot=(2e-5, 8e-4))


def smoothed(blur_field: Tensor) -> Tensor:
    """(1, 3, H, W), blurred by a wide Gaussian."""
    blurred = cv2.GaussianBlur(blur_field[0].permute(1, 2, 0).numpy(), (0, 0), SMOOTHED)
    return torch.from_numpy(blurred).permute(2, 0, 1)[None]


if __name__ == "__main__":
    main()
