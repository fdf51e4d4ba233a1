"""Pairs whose sharp picture is what a network restores, for training a smaller one.

Where a blurry picture does not say what the sharp one was, the truth teaches noise; the restoration of a trained network is a function of the blurry
picture. Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015), for classification.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unblur.data.layouts import Sample
from unblur.data.prepare import keep_manifest
from unblur.errors import InputError
from unblur.io.image import Image, read_image, write_image
from unblur.io.picture import Pixels
from unblur.io.whole import make_folder

__all__ = ["Distilled", "distil"]


@dataclass(frozen=True)
class Distilled:
    """What came out: pairs that were written, of which some have the truth after all, pairs that were there already, and those that were left out."""

    written: int
    with_truth: int
    there: int
    left_out: int


def distil(
    samples: Sequence[Sample],
    out: Path,
    *,
    restore: Callable[[Pixels], Pixels],
    most_psnr: float,
    facts: dict[str, object],
    progress: Callable[[int, int], None] | None = None,
) -> Distilled:
    """Write pairs in the layout of GoPro, `OUT/train/SEQUENCE/{blur,sharp}/NAME.png`: the blurry picture, and what `restore` makes of it.

    Where that is no nearer to the truth than the blurry picture is, the truth is written. What is there is left as it is: a run that was stopped goes
    on where it was.

    Args:
        samples: pairs, see `unblur.data.layouts`; of several truths the one in the middle is taken.
        out: folder, made if it is not there.
        restore: a network's restoration of a picture (H, W, 1 or 3).
        most_psnr: pairs whose blurry picture is nearer to the truth than that, in dB, are left out: what is nearly sharp has nothing to teach.
        facts: what the pairs are made of, for the manifest; another folder is asked for where they differ from those of `out`.
        progress: called after each pair with how many are done, and how many there are.

    Raises:
        InputError: if `out` holds pairs of something else, or a pair differs in size or cannot be read.
        OutputError: if `out` cannot be written to.
    """
    make_folder(out)
    keep_manifest(out, facts, what="pairs")
    written = with_truth = there = left_out = 0
    for number, sample in enumerate(samples, start=1):
        folder, name = out / "train" / sample.sequence, f"{sample.reference.stem}.png"
        if (folder / "sharp" / name).exists():  # which is written last
            there += 1
        else:
            blurry, truth = (read_image(path).pixels for path in (sample.reference, sample.sharp[len(sample.sharp) // 2]))
            if blurry.shape != truth.shape:
                raise InputError(f"`{sample.reference}` and its truth differ in size; see `unblur data check`")
            if _mean_square(blurry, truth) < 10 ** (-most_psnr / 10):
                left_out += 1
            else:
                restored = restore(blurry)
                is_nearer = _mean_square(restored, truth) < _mean_square(blurry, truth)
                write_image(folder / "blur" / name, Image(blurry), overwrite=True)
                write_image(folder / "sharp" / name, Image(restored if is_nearer else truth))
                written, with_truth = written + 1, with_truth + (not is_nearer)
        if progress is not None:
            progress(number, len(samples))
    if not written + there:
        raise InputError(f"all {left_out} blurry pictures are nearer to the truth than {most_psnr:g} dB; there is nothing to teach")
    return Distilled(written, with_truth, there, left_out)


def _mean_square(one: Pixels, other: Pixels) -> float:
    """Mean square of the difference, of values in [0, 1]."""
    white = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(one.dtype, 1)
    return float(np.square(one.astype(np.float32) / white - other.astype(np.float32) / white).mean())
