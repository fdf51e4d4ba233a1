"""`dmphn` with the published weights against the pictures that its authors' program made with them.

    python -m benchmarks.dmphn_published CHECKPOINTS PICTURES

CHECKPOINTS holds the published `encoder_lv1.pkl`, `decoder_lv1.pkl` and so on of DMPHN 1-2-4-8; PICTURES holds `input/` and
`published_output/` with pictures of the same names. The checkpoints become weights of the project as by `unblur
convert-weights`: read by the safe loader and renamed by one function. The network sees each picture whole, in fp32. Differences
are in levels of 255 over all pixels and channels, with the port's result rounded to whole levels, and cut off to them.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import unblur
from unblur.pixels import to_tensor
from unblur.synth.sources import read_photo
from unblur.training.validation import restore_whole
from unblur.weights.convert import convert_weights


def main() -> None:
    """Convert, restore, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, metavar="CHECKPOINTS")
    parser.add_argument("pictures", type=Path, metavar="PICTURES")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name) / "dmphn.safetensors"
        convert_weights(arguments.checkpoints, weights, network="dmphn")
        net = unblur.load(weights, device="cpu", precision="fp32").net
    print(f"torch {torch.__version__}, fp32, {torch.get_num_threads()} threads; differences in levels of 255")
    print(f"{'picture':16} {'result':8} {'PSNR, dB':>9} {'mean':>7} {'largest':>8} {'beyond 2':>9}")
    for source in sorted((arguments.pictures / "input").iterdir()):
        blurry = to_tensor(read_photo(source))
        with torch.no_grad():
            levels = 255 * restore_whole(net, blurry)[0].permute(1, 2, 0).clamp(0, 1).double().numpy()
        published = read_photo(arguments.pictures / "published_output" / source.name)
        _show(source.stem, "rounded", levels.round(), published)
        _show(source.stem, "cut off", np.floor(levels), published)


def _show(name: str, how: str, levels: NDArray[np.float64], published: NDArray[np.uint8]) -> None:
    difference = np.abs(levels - published)
    decibels = -10 * np.log10(((difference / 255) ** 2).mean())
    share = f"{np.mean(difference > 2):.2%}"
    print(f"{name:16} {how:8} {decibels:9.2f} {difference.mean():7.3f} {difference.max():8.0f} {share:>9}", flush=True)


if __name__ == "__main__":
    main()
