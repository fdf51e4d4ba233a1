"""What each residual block of a network is worth: the gain without what it tells apart, and how many of its rectifiers are alive.

    python -m benchmarks.blocks PAIRS|CLIPS --model NAME|FILE|RUN [--clips] [--count N]

PAIRS as for `benchmarks.quality`, CLIPS as for `benchmarks.quality_of_clips`, with `--clips`. Of each block in turn, the residual is replaced by its mean over all places and
pictures, one number a feature, which a bias before it could add; nothing is trained anew, and pictures are restored at their own size alone. Gains are those of the protocol
`gopro-skimage` over the blurry picture, dB; `strong` are pairs below 28 dB, `weak` the others. `alive` is the share of a block's rectifiers that let anything through anywhere,
`open` the share of places at which they do, over all of them.
A block without which nothing is lost can be left out of the network.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import unblur
from benchmarks.quality import STRONG, mean, read
from benchmarks.quality_of_clips import frames
from unblur.layers.blocks import ResBlock
from unblur.metrics import from_uint8, psnr
from unblur.restore.deblurrer import Deblurrer

Clip = tuple[list[np.ndarray], list[np.ndarray]]
"""Frames, blurry and sharp; a picture is a clip of one frame."""


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
    deblurrer = unblur.load(arguments.model, single_scale=True)
    blocks = {name: block for name, block in deblurrer.net.named_modules() if isinstance(block, ResBlock)}
    print(f"{'without':40} {'mean':>7} {'strong':>7} {'weak':>7} {'alive':>6} {'open':>6}")
    watches = {name: Watch(block) for name, block in blocks.items()}
    print(f"{'(all there)':40} {gains(deblurrer, pairs)}", flush=True)
    for watch in watches.values():
        watch.stop()
    for name, block in blocks.items():
        constant = block.register_forward_hook(watches[name].constant)
        print(f"{name:40} {gains(deblurrer, pairs)} {watches[name].alive:6.2f} {watches[name].open:6.2f}", flush=True)
        constant.remove()


class Watch:
    """What a block says while pictures are restored.

    Attributes:
        mean: of its residual, (1, C, 1, 1).
        alive: share of its rectifiers that let anything through.
        open: share of places at which they do, the mean of all.
    """

    def __init__(self, block: ResBlock) -> None:
        self._sum, self._count, self._most, self._through = torch.zeros(()), 0, torch.zeros(()), torch.zeros(())
        self._hooks = [block.register_forward_hook(self._residual), block.act.register_forward_hook(self._rectified)]

    def stop(self) -> None:
        """Watch no longer."""
        for hook in self._hooks:
            hook.remove()
        self.mean, self.alive = (self._sum / self._count)[None, :, None, None], float((self._most > 0).float().mean())
        self.open = float((self._through / self._count).mean())

    def constant(self, _block: nn.Module, given: tuple[Tensor], said: Tensor) -> Tensor:
        """What the block would give if its residual were its mean."""
        return (given[0] + self.mean).to(said.dtype)

    def _residual(self, _block: nn.Module, given: tuple[Tensor], said: Tensor) -> None:
        residual = said.float() - given[0].float()
        self._sum, self._count = self._sum + residual.sum((0, 2, 3)), self._count + residual[:, 0].numel()

    def _rectified(self, _act: nn.Module, _given: tuple[Tensor], said: Tensor) -> None:
        self._most = torch.maximum(self._most, said.float().amax((0, 2, 3)))
        self._through = self._through + (said > 0).sum((0, 2, 3))


def gains(deblurrer: Deblurrer, pairs: Sequence[Clip]) -> str:
    """On average, where blur is strong, and where it is weak."""
    rows: list[tuple[float, float]] = []  # PSNR before and after
    for blurry, sharp in pairs:
        restored = deblurrer.frames(blurry) if len(blurry) > 1 else map(deblurrer.photo, blurry)
        for before, after, truth in zip(blurry, restored, sharp, strict=True):
            rows.append((float(psnr(from_uint8(before), from_uint8(truth))), float(psnr(from_uint8(after), from_uint8(truth)))))
    strong = [before < STRONG for before, _ in rows]
    parts = (
        [after - before for (before, after), is_one in zip(rows, strong, strict=True) if is_one in which]
        for which in ((True, False), (True,), (False,))
    )
    return " ".join(f"{mean(part):+7.3f}" if part else f"{'–':>7}" for part in parts)


if __name__ == "__main__":
    main()
