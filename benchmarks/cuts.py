"""Whether cuts are found, and whether anything else is taken for one.

    python -m benchmarks.cuts CLIP... [--joins N] [--frames N]

Each CLIP, a video file or a folder of frames, is one shot: `unblur.restore.cuts.CutDetector` should find none in it. Then parts of two of them are joined, as often as asked
for, and it should find that one. Clips are looked at in half size, which is more than the detector needs.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

from unblur.pixels import to_tensor
from unblur.restore.cuts import CutDetector
from unblur.synth.sources import open_clip

_BEFORE = 6  # frames of a shot before the cut, and after it


def main() -> None:
    """Parse the command line, look and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--joins", type=int, default=300)
    parser.add_argument("--frames", type=int, default=90, help="of each clip that are looked at")
    arguments = parser.parse_args()
    shots = [shot(path, frames=arguments.frames) for path in arguments.clips]
    for path, frames in zip(arguments.clips, shots, strict=True):
        print(f"{Path(*path.parts[-2:])!s:40} {len(frames):4} frames  cuts found at: {', '.join(map(str, found(frames))) or 'none'}")
    if len(shots) > 1:
        generator = np.random.default_rng(0)
        exact = sum(joined(shots, generator) for _ in range(arguments.joins))
        print(f"{exact} of {arguments.joins} joins found, each as the only cut")


def shot(path: Path, *, frames: int) -> list[Tensor]:
    """The first frames of a clip, (3, H, W) in [0, 1], in half precision, so that all shots fit in memory."""
    clip = open_clip(path, rate=30.0 if path.is_dir() else None, scale=0.5)
    return [to_tensor(moment.pixels)[0].half() for moment in itertools.islice(clip, frames)]


def found(frames: list[Tensor]) -> list[int]:
    """Numbers of the frames with which a new scene is taken to begin."""
    detector = CutDetector()
    return [number for number, frame in enumerate(frames) if detector.cuts(frame.float())]


def joined(shots: list[list[Tensor]], generator: np.random.Generator) -> bool:
    """Whether the cut between parts of two shots is found, and nothing else."""
    parts = []
    for chosen in generator.choice(len(shots), 2, replace=False):
        start = int(generator.integers(max(1, len(shots[chosen]) - _BEFORE)))
        parts.append(shots[chosen][start : start + _BEFORE])
    height, width = (min(part[0].shape[side] for part in parts) for side in (1, 2))
    alike = [[interpolate(frame[None].float(), size=(height, width), mode="area")[0] for frame in part] for part in parts]
    return found([*alike[0], *alike[1]]) == [len(alike[0])]


if __name__ == "__main__":
    main()
