"""What each residual block of a network is worth: the gain without it.

    python -m benchmarks.blocks PAIRS|CLIPS --model NAME|FILE|RUN [--clips] [--count N]

PAIRS as for `benchmarks.quality`, CLIPS as for `benchmarks.quality_of_clips`, with `--clips`. Each block in turn says nothing (its residual is dropped), nothing is trained
anew, and pictures are restored at their own size alone. Gains are those of the protocol `gopro-skimage` over the blurry picture, dB; `strong` are
pairs below 28 dB, `weak` the others. A block whose absence costs nothing can be left out of the network; several that cost little each may cost more together.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import unblur
from benchmarks.quality import STRONG, Row, compare, mean, read
from benchmarks.quality_of_clips import frames
from unblur.layers.blocks import ResBlock
from unblur.restore.deblurrer import Deblurrer

Known = tuple[list[np.ndarray], list[np.ndarray]]
"""A clip, blurry and sharp; a picture is one of one frame."""


def main() -> None:
    """Measure without each block and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True, help="built-in weights, a file or a run")
    parser.add_argument("--clips", action="store_true", help="the folder holds clips, not pairs")
    parser.add_argument("--count", type=int, help="use so many pairs, or frames of each clip, at most")
    arguments = parser.parse_args()
    if arguments.clips:
        clips = sorted(arguments.folder.iterdir())
        pairs = [(frames(clip / "blurry")[: arguments.count], frames(clip / "sharp")[: arguments.count]) for clip in clips]
    else:
        pairs = [([blurry], [sharp]) for blurry, sharp, _ in read(arguments.folder)][: arguments.count]
    deblurrer = unblur.load(arguments.model, one_size=True)
    blocks = {name: block for name, block in deblurrer.net.named_modules() if isinstance(block, ResBlock)}
    print(f"{'without':40} {'mean':>7} {'strong':>7} {'weak':>7}")
    print(f"{'(all there)':40} {gains(deblurrer, pairs)}", flush=True)
    for name, block in blocks.items():
        silent = block.conv2.register_forward_hook(lambda _conv, _given, said: torch.zeros_like(said))
        print(f"{name:40} {gains(deblurrer, pairs)}", flush=True)
        silent.remove()


def gains(deblurrer: Deblurrer, pairs: Sequence[Known]) -> str:
    """On average, where blur is strong, and where it is weak."""
    rows: list[Row] = []
    for blurry, sharp in pairs:
        restored = deblurrer.frames(blurry) if len(blurry) > 1 else map(deblurrer.photo, blurry)
        rows += [compare(*each) for each in zip(blurry, restored, sharp, strict=True)]
    strong = [row.psnr_before < STRONG for row in rows]
    parts = (
        [row.gain for row, is_one in zip(rows, strong, strict=True) if is_one in which] for which in ((True, False), (True,), (False,))
    )
    return " ".join(f"{mean(part):+7.3f}" if part else f"{'–':>7}" for part in parts)


if __name__ == "__main__":
    main()
