"""How much nearer to the truth: `swift` and others on a folder of pairs.

    python -m benchmarks.quality PAIRS [--model NAME|FILE]... [--self-ensemble N] [--enlarge N] [--jpeg N] [--single-scale] [--precision P] [--protocol NAME] [--card]
    python -m benchmarks.quality PAIRS --blur moderate --pairs 128
    python -m benchmarks.quality PAIRS --given-sharp [--model NAME|FILE]...

PAIRS holds `blurry/` and `sharp/` with pictures of the same names. With `--blur`, its sharp pictures are blurred anew by
`unblur.synth.stills` in a named range instead: `moderate`, the blur of the demo; `dim`, the same in 0.05 to 0.4 of the light; `highlights`, the same
with whites that are 2 to 8 times as bright as a file can say; `near-sharp`, less than a pixel, with the noise and compression of a camera. Measures are those of the protocol `gopro-skimage`, or of another one by `--protocol`; `realblur-ecc` lays pictures over
each other first. With `--enlarge` pairs have more pixels, but no more detail, as those of a camera of many pixels. `--jpeg` compresses blurry pictures before they are restored, as a messenger does. Gains are over the blurry picture; `strong` are pairs below 28 dB, `weak` the others, `worst` is the lowest gain.
`shifted` is the gain in PSNR after the best shift of the whole picture, `shift` the mean length of that shift in pixels, GMSD the gradient magnitude similarity deviation (0 is best), `detail` the contrast of the finest
two octaves over the sharp picture's, `coherent` the part of the sharp picture's that is there (`unblur.metrics.shifted`, `gradients`, `detail`); those of the blurry pictures stand in the first line. `--self-ensemble` restores so many mirrored and turned views of each picture and
takes their mean. The last columns are seconds a picture, and by how many MiB the largest resident set grows while the last one is restored once more. `--card` writes the figures into the card of a model's file. `--given-sharp` gives the networks the sharp pictures, and prints how near to
them what comes back is, PSNR in dB.

`--model unsharp`, `richardson-lucy` and `wiener` are those of `benchmarks.classical`; the last two need `--blur`, as they need
the kernel.
"""

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

import unblur
from benchmarks.classical import CLASSICAL, Method, line_kernel
from benchmarks.resident import forget_peak, peak
from unblur.io.image import is_image, read_rgb
from unblur.metrics import detail, from_uint8, gmsd, protocols, psnr, shifted_psnr
from unblur.pixels import as_8_bit
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Precision
from unblur.restore.self_ensemble import COUNTS
from unblur.synth.camera import compress_jpeg
from unblur.synth.stills import StillsBlur, draw_pair
from unblur.weights import Card, Result, card_path

STRONG = 28.0  # dB
PROTOCOL = "gopro-skimage"
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64] | None]
"""Blurry, sharp, and the kernel if it is known."""
SIDE = 320  # pixels of a synthetic pair
MODERATE = StillsBlur(
    sharp_probability=0, length=(4, 10), wobble=(0, 0.4), turn=0.004, zoom=0.002, noise_probability=1, shot=(1e-4, 1e-4), jpeg_probability=0
)
RANGES = {
    "moderate": MODERATE,
    "dim": replace(MODERATE, dim_probability=1, dim=(0.05, 0.4)),
    "highlights": replace(MODERATE, highlight_probability=1, highlight_gain=(2, 8)),
    "near-sharp": StillsBlur(
        sharp_probability=1,
        length=(1, 2),
        object_probability=0,
        noise_probability=1,
        shot=(5e-5, 4e-4),
        jpeg_probability=1,
        jpeg_quality=(88, 96),
    ),
}


@dataclass(frozen=True)
class Measures:
    """What is measured of one picture: by the protocol PSNR in dB and SSIM, beside it PSNR in dB after the best shift, its length in pixels, GMSD, detail and its coherent part."""

    psnr: float
    ssim: float
    shifted: float
    shift: float
    gmsd: float
    detail: float
    coherent: float


@dataclass(frozen=True)
class Row:
    """A pair, measured."""

    before: Measures
    after: Measures

    @property
    def gain(self) -> float:
        """Gain in PSNR, dB."""
        return self.after.psnr - self.before.psnr


def main() -> None:
    """Parse the command line, measure and print."""
    parser = options()
    arguments = parser.parse_args()
    if arguments.given_sharp:
        if arguments.blur or arguments.jpeg is not None or arguments.card:
            parser.error("`--given-sharp` takes the sharp pictures as they are: leave out `--blur`, `--jpeg` and `--card`")
        show_given_sharp(arguments)
        return
    print(
        f"{'weights':16} {'pairs':>5} {'before':>7} {'after':>7} {'gain':>6} {'median':>6} {'SSIM':>8} {'shifted':>7} {'shift':>6} {'GMSD':>6} {'detail':>6} {'coherent':>8} "
        f"{'strong':>12} {'weak':>12} {'worst':>6} {'s':>6} {'MiB':>7}"
    )
    before: list[Measures] = []  # of the blurry pictures, which are the same for all models
    for place, model in enumerate(arguments.model or ["swift"]):
        method, needs_kernel = CLASSICAL.get(model, (None, False))
        if needs_kernel and not arguments.blur:
            parser.error(f"`--model {model}` needs the kernel, which is known with `--blur` alone")
        if needs_kernel and arguments.enlarge != 1:
            parser.error(f"`--model {model}` needs the kernel, which is that of the picture before `--enlarge`")
        restore = method or without_kernel(loaded(model, arguments))
        rows, seconds = [], 0.0
        for number, (blurry, sharp, kernel) in enumerate(chosen(arguments)):
            began = time.perf_counter()
            restored = restore(blurry, kernel)
            seconds += time.perf_counter() - began
            if number == len(before):
                before.append(measured(blurry, sharp, protocol=arguments.protocol))
            rows.append(Row(before[number], measured(restored, sharp, protocol=arguments.protocol)))
        if not place:
            print(f"{'(blurry)':16} {len(before):5} {mean([each.psnr for each in before]):7.2f} {'':38} {beside(before)}")
        base = forget_peak()
        restore(blurry, kernel)
        show(model, rows, seconds, gib=peak() - base)
        if arguments.card:
            path = card_path(model)
            add_to_card(path, gained(path.stem, rows, arguments))


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs_folder", type=Path, metavar="PAIRS")
    parser.add_argument("--model", action="append", help="built-in weights or a file; may be given several times")
    parser.add_argument("--blur", choices=sorted(RANGES))
    parser.add_argument("--pairs", type=int, default=128, help="number of pairs with `--blur`")
    parser.add_argument("--self-ensemble", type=int, default=1, choices=COUNTS)
    parser.add_argument(
        "--enlarge", type=float, default=1.0, help="how many times pairs are enlarged, as by a camera of more pixels than detail"
    )
    parser.add_argument("--given-sharp", action="store_true")
    parser.add_argument("--jpeg", type=int, help="compress blurry pictures as JPEG of this quality, 1 to 100")
    parser.add_argument("--single-scale", action="store_true", help="restore pictures at their own size alone")
    parser.add_argument("--precision", default="auto", choices=get_args(Precision))
    parser.add_argument("--protocol", default=PROTOCOL, choices=(PROTOCOL, "realblur-ecc"))
    parser.add_argument("--card", action="store_true", help="write the figures into the card")
    return parser


def loaded(model: str, arguments: argparse.Namespace) -> Deblurrer:
    """A network as it was asked for."""
    return unblur.load(model, self_ensemble=arguments.self_ensemble, precision=arguments.precision, single_scale=arguments.single_scale)


def show_given_sharp(arguments: argparse.Namespace) -> None:
    """Print how near to sharp pictures is what networks make of them."""
    for model in arguments.model or ["swift"]:
        photo = loaded(model, arguments).photo
        given = (enlarged(sharp, arguments.enlarge) for _, sharp, _ in read(arguments.pairs_folder))
        near = [float(psnr(from_uint8(photo(sharp)), from_uint8(sharp))) for sharp in given]
        print(f"{model:16} {len(near):5} mean {mean(near):5.2f} median {statistics.median(near):5.2f} worst {min(near):5.2f}", flush=True)


def chosen(arguments: argparse.Namespace) -> Iterator[Pair]:
    """The pairs that were asked for, enlarged and compressed."""
    folder = arguments.pairs_folder
    pairs = drawn(folder, RANGES[arguments.blur], count=arguments.pairs) if arguments.blur else read(folder)
    for blurry, sharp, kernel in pairs:
        blurry, sharp = (enlarged(each, arguments.enlarge) for each in (blurry, sharp))
        yield blurry if arguments.jpeg is None else compress_jpeg(blurry, quality=arguments.jpeg), sharp, kernel


def gained(name: str, rows: list[Row], arguments: argparse.Namespace) -> Result:
    """The mean gain as a card says it, with its data and command."""
    folder = arguments.pairs_folder.name
    flags = f" --model {name}"
    flags += f" --blur {arguments.blur} --pairs {arguments.pairs}" if arguments.blur else ""
    flags += f" --self-ensemble {arguments.self_ensemble}" if arguments.self_ensemble > 1 else ""
    flags += f" --enlarge {arguments.enlarge:g}" if arguments.enlarge != 1 else ""
    flags += f" --jpeg {arguments.jpeg}" if arguments.jpeg is not None else ""
    flags += " --single-scale" if arguments.single_scale else ""
    flags += f" --protocol {arguments.protocol}" if arguments.protocol != PROTOCOL else ""
    data = f"{folder}, blur `{arguments.blur}`" if arguments.blur else folder
    data += f", self-ensemble of {arguments.self_ensemble}" if arguments.self_ensemble > 1 else ""
    data += f", enlarged {arguments.enlarge:g} times" if arguments.enlarge != 1 else ""
    data += f", as JPEG of quality {arguments.jpeg}" if arguments.jpeg is not None else ""
    data += ", at their own size alone" if arguments.single_scale else ""
    return Result(
        measure="gain in PSNR, dB",
        value=round(mean([row.gain for row in rows]), 2),
        protocol=arguments.protocol,
        data=data,
        command=f"python -m benchmarks.quality {folder}{flags}",
    )


def without_kernel(deblurrer: Deblurrer) -> Method:
    """A network as a method, which needs no kernel."""
    return lambda blurry, _: deblurrer.photo(blurry)


def read(folder: Path) -> Iterator[Pair]:
    """Pairs of a folder, in the order of their names."""
    for blurry in sorted((folder / "blurry").iterdir()):
        yield as_8_bit(read_rgb(blurry)), as_8_bit(read_rgb(folder / "sharp" / blurry.name)), None


def drawn(folder: Path, blur: StillsBlur, *, count: int) -> Iterator[Pair]:
    """Pairs synthesised from a folder's sharp pictures; the same ones every time."""
    photos = [as_8_bit(read_rgb(path)) for path in sorted((folder / "sharp").iterdir()) if is_image(path)]
    for number in range(count):
        pair = draw_pair(np.random.default_rng([2026, number]), photos, size=SIDE, blur=blur)
        yield pair.blurry, pair.sharp, line_kernel(pair.blur_field)


def enlarged(picture: NDArray[np.uint8], times: float) -> NDArray[np.uint8]:
    """A picture of more pixels, with no more detail."""
    if times == 1:
        return picture
    larger: NDArray[Any] = cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    return larger


def measured(picture: NDArray[np.uint8], sharp: NDArray[np.uint8], *, protocol: str = PROTOCOL) -> Measures:
    """Measure one picture."""
    restored, reference = from_uint8(picture), from_uint8(sharp)
    own = protocols.get(protocol).measure(restored, reference)
    shifted, fine = shifted_psnr(restored, reference), detail(restored, reference)
    return Measures(
        psnr=own["psnr"],
        ssim=own["ssim"],
        shifted=shifted.psnr.item(),
        shift=shifted.shift.norm().item(),
        gmsd=gmsd(restored, reference).item(),
        detail=fine.ratio.item(),
        coherent=fine.coherent.item(),
    )


def beside(measures: Sequence[Measures]) -> str:
    """The columns of shift, GMSD, detail and coherent detail."""
    known = [each for each in measures if not math.isnan(each.detail)]  # a flat picture has no detail
    return (
        f"{mean([each.shift for each in measures]):6.2f} {mean([each.gmsd for each in measures]):6.4f} "
        f"{mean([each.detail for each in known]):6.3f} {mean([each.coherent for each in known]):8.3f}"
    )


def gains(rows: Sequence[Row]) -> str:
    """The columns of PSNR before and after, its gain, median gain, and the gains in SSIM and shifted PSNR."""
    both = [(row.before, row.after) for row in rows]
    return (
        f"{mean([before.psnr for before, _ in both]):7.2f} {mean([after.psnr for _, after in both]):7.2f} "
        f"{mean([row.gain for row in rows]):+6.2f} {statistics.median(row.gain for row in rows):+6.2f} "
        f"{mean([after.ssim - before.ssim for before, after in both]):+8.4f} {mean([after.shifted - before.shifted for before, after in both]):+7.2f}"
    )


def show(model: str, rows: list[Row], seconds: float, *, gib: float) -> None:
    """Print one line of the table."""
    strong, weak = ([row.gain for row in rows if (row.before.psnr < STRONG) == side] for side in (True, False))
    print(
        f"{model:16} {len(rows):5} {gains(rows)} {beside([row.after for row in rows])} "
        f"{mean(strong):+6.2f} ({len(strong):3}) {mean(weak):+6.2f} ({len(weak):3}) {min(row.gain for row in rows):+6.2f} {seconds / len(rows):6.3f} {1024 * gib:7.1f}",
        flush=True,
    )


def mean(values: list[float]) -> float:
    """Mean, or not a number of nothing."""
    return sum(values) / len(values) if values else float("nan")


def add_to_card(path: Path, result: Result) -> None:
    """Put a result into a card, in place of an older one of the same data and protocol."""
    card = Card.model_validate_json(path.read_text(encoding="utf-8"))
    others = (other for other in card.results if (other.data, other.protocol) != (result.data, result.protocol))
    results = [*others, result]
    path.write_text(card.model_copy(update={"results": tuple(results)}).model_dump_json(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
