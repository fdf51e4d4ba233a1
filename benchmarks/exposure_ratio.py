"""What the exposure ratio is worth to deconvolution: clips deconvolved with the estimated ratio and with several fixed ones.

    python -m benchmarks.exposure_ratio CLIPS [--model NAME|FILE|RUN]

CLIPS is as for `benchmarks.quality_of_clips`. `swift_video_best` deconvolves the motion blur of each frame along the flow to its neighbours, times the exposure ratio (the
fraction of the frame interval during which the shutter is open), and restores with the deconvolved frame as a further input. Printed are the mean gains in PSNR over the blurry frames, in dB, of the
deconvolved frame after the last iteration (`shown`), and of the network's result (`restored`): with the exposure ratio that it estimates, whose mean is printed, and with one fixed ratio in all frames.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import unblur
from benchmarks.quality_of_clips import frames, tensors
from unblur.metrics import psnr
from unblur.models.swift_video_best import SwiftVideoBest

RATIOS = (0.5, 0.6, 0.7, 0.8, 0.9)


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--model", default="swift_video_best")
    arguments = parser.parse_args()
    net = unblur.load(arguments.model, device="cpu", precision="fp32").net
    assert isinstance(net, SwiftVideoBest)
    print(f"{'clip':10} {'':14} {'estimated':>16} " + " ".join(f"{exposure_ratio:>8g}" for exposure_ratio in RATIOS))
    for folder in sorted(arguments.clips.iterdir()):
        blurry, sharp = ([picture.float() for picture in tensors(frames(folder / part))] for part in ("blurry", "sharp"))
        measured = np.array([gains(net, window(blurry, place), truth) for place, truth in enumerate(sharp)])  # (T, 1 + ratios, 3)
        exposure_ratio, shown, restored = measured.mean(axis=0).T
        for label, row in (("shown", shown), ("restored", restored)):
            print(
                f"{folder.name:10} {label:14} {f'({exposure_ratio[0]:.2f}) {row[0]:+.2f}':>16} "
                + " ".join(f"{gain:+8.2f}" for gain in row[1:]),
                flush=True,
            )


def window(clip: list[Tensor], place: int) -> list[Tensor]:
    """A frame and its neighbours; at the ends a copy."""
    return [clip[min(max(at, 0), len(clip) - 1)] for at in (place - 1, place, place + 1)]


@torch.inference_mode()
def gains(net: SwiftVideoBest, seen: list[Tensor], truth: Tensor) -> list[tuple[float, float, float]]:
    """Exposure ratio, gain of the deconvolved picture and gain of the result, by the estimated ratio and by each of `RATIOS`."""
    reference = seen[1]
    feats = [net.features(frame) for frame in seen]
    aligned = [net.align(feats[1], feats[i], None if i == 1 else net.motion(reference, seen[i])) for i in range(3)]
    window, blur_field, velocity, estimated = net.fuse(aligned)
    before = float(psnr(reference, truth))
    found = []
    for exposure_ratio in (estimated, *(torch.full_like(estimated, exposure_ratio) for exposure_ratio in RATIOS)):
        shown = reference + net.changes(reference, exposure_ratio * velocity)[:, -1:]
        restored = net.reconstruct((window, blur_field, velocity, exposure_ratio), reference)
        gain_shown, gain_restored = (float(psnr(picture.clamp(0, 1), truth)) - before for picture in (shown, restored))
        found.append((float(exposure_ratio), gain_shown, gain_restored))
    return found


if __name__ == "__main__":
    main()
