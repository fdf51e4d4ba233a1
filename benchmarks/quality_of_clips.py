"""How much nearer to the truth, and how free of flicker: photo and video networks on clips.

    python -m benchmarks.quality_of_clips CLIPS [--model NAME|FILE|RUN]... [--self-ensemble N] [--temporal-fusion] [--given-sharp] [--enlarge N] [--crf N] [--single-scale] [--precision P]

CLIPS holds a folder a clip, each with `blurry/` and `sharp/` frames of the same names. Measures are those of the protocol
`gopro-skimage`, and the warping error by the motion of the sharp clip (`unblur.metrics.temporal`) in 1/255, that of the sharp clip
itself being the least that can be hoped for. The columns between are those of `benchmarks.quality`; `worst` is the lowest gain of a frame. The last columns are seconds a frame,
and by how many MiB the largest resident set grows for a clip. Photo networks restore frame by frame, video networks as a stream;
`--self-ensemble` restores so many mirrored and turned views and takes their mean; `--temporal-fusion` brings restored frames together with their neighbours. `--crf` compresses blurry clips as a phone
or a messenger does, with H.264, before they are restored. `--given-sharp` gives the networks the sharp clips, as a camera in sunlight
takes them, and prints how near to them what comes back is, PSNR in dB.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from torch import Tensor

import unblur
from benchmarks.quality import Measures, Row, beside, enlarged, gains, mean, measured
from benchmarks.resident import forget_peak, peak
from unblur.io.image import is_image, read_rgb
from unblur.metrics import from_uint8, psnr
from unblur.metrics.temporal import warping_error
from unblur.pixels import as_8_bit
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Precision
from unblur.restore.self_ensemble import COUNTS
from unblur.synth.camera import compress_h264


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--model", action="append", help="built-in weights, a file or a run; may be given several times")
    parser.add_argument("--self-ensemble", type=int, default=1, choices=COUNTS)
    parser.add_argument("--temporal-fusion", action="store_true")
    parser.add_argument("--given-sharp", action="store_true")
    parser.add_argument(
        "--enlarge", type=float, default=1.0, help="how many times clips are enlarged, as by a camera of more pixels than detail"
    )
    parser.add_argument("--crf", type=int, help="compress blurry clips with H.264 at this constant rate factor, 0 to 51")
    parser.add_argument("--single-scale", action="store_true", help="restore frames at their own size alone")
    parser.add_argument("--precision", default="auto", choices=get_args(Precision))
    arguments = parser.parse_args()
    clips = {
        folder.name: tuple([enlarged(frame, arguments.enlarge) for frame in frames(folder / kind)] for kind in ("blurry", "sharp"))
        for folder in sorted(arguments.clips.iterdir())
    }
    if arguments.crf is not None:
        clips = {name: (compress_h264(blurry, crf=arguments.crf), sharp) for name, (blurry, sharp) in clips.items()}
    loaded = [
        (
            model,
            unblur.load(model, self_ensemble=arguments.self_ensemble, precision=arguments.precision, single_scale=arguments.single_scale),
        )
        for model in arguments.model or ["swift"]
    ]
    if arguments.given_sharp:
        for model, deblurrer in loaded:
            for name, (_, sharp) in clips.items():
                print(
                    f"{Path(model).name:24} {name:10} {kept(deblurrer, sharp, temporal_fusion=arguments.temporal_fusion):7.2f}", flush=True
                )
        return
    print(
        f"{'weights':24} {'clip':10} {'before':>7} {'after':>7} {'gain':>6} {'median':>6} {'SSIM':>8} {'shifted':>7} {'shift':>6} {'GMSD':>6} {'detail':>6} {'coherent':>8} "
        f"{'worst':>6} {'warping':>8} {'s/frame':>8} {'MiB':>7}"
    )
    before: dict[str, list[Measures]] = {}
    for name, (blurry, sharp) in clips.items():
        before[name] = [measured(*each) for each in zip(blurry, sharp, strict=True)]
        for label, shown, columns in (("(blurry)", blurry, beside(before[name])), ("(sharp)", sharp, " " * len(beside(before[name])))):
            error = 255 * warping_error(tensors(shown), tensors(sharp)).error
            print(f"{label:24} {name:10} {'':46} {columns} {'':6} {error:8.3f}", flush=True)
    for model, deblurrer in loaded:
        everything, errors = [], []
        for name, (blurry, sharp) in clips.items():
            base, began = forget_peak(), time.perf_counter()
            restored = list(deblurrer.frames(blurry, temporal_fusion=arguments.temporal_fusion))
            seconds, memory = (time.perf_counter() - began) / len(blurry), peak() - base
            rows = [Row(*each) for each in zip(before[name], map(measured, restored, sharp), strict=True)]
            errors.append(255 * warping_error(tensors(restored), tensors(sharp)).error)
            everything.append(rows)
            show(Path(model).name, name, rows, f"{errors[-1]:8.3f} {seconds:8.2f} {1024 * memory:7.1f}")
        print(
            f"{Path(model).name:24} {'mean':10} {'':15} {mean([mean([row.gain for row in rows]) for rows in everything]):+6.2f} {'':60} {mean(errors):8.3f}",
            flush=True,
        )


def show(model: str, clip: str, rows: Sequence[Row], last: str) -> None:
    """Print one line of the table."""
    print(
        f"{model:24} {clip:10} {gains(rows)} {beside([row.after for row in rows])} {min(row.gain for row in rows):+6.2f} {last}", flush=True
    )


def kept(deblurrer: Deblurrer, sharp: Sequence[np.ndarray], *, temporal_fusion: bool) -> float:
    """How near to a sharp clip is what the network makes of it, dB."""
    return mean(
        [
            float(psnr(*pair))
            for pair in zip(*map(tensors, (list(deblurrer.frames(sharp, temporal_fusion=temporal_fusion)), sharp)), strict=True)
        ]
    )


def frames(folder: Path) -> list[np.ndarray]:
    """The frames of a folder in the order of their names, 8 bit."""
    return [as_8_bit(read_rgb(path)) for path in sorted(folder.iterdir()) if is_image(path)]


def tensors(pictures: Sequence[np.ndarray]) -> list[Tensor]:
    """(1, 3, H, W) in [0, 1] each."""
    return [from_uint8(picture) for picture in pictures]


if __name__ == "__main__":
    main()
