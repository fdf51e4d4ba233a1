"""What weights gain on pairs that are made here, by the kind of motion: it shows what their training data teach, and what not.

    python -m benchmarks.kinds PHOTOS... --weights NAME|FILE|RUN... [--count N] [--size SIDE] [--length SHORTEST,LONGEST]

PHOTOS are sharp photos, or folders of them. Each kind has N pairs of SIDE pixels, without noise, compression, or other faults of a camera, whose blur is SHORTEST to LONGEST pixels long:
`straight`, a trajectory that hardly changes its direction; `jerky`, one that does; both before one photo without depth; `layers`, objects that move before one; `stills`, what
`unblur synth stills` draws. Weights are of photo networks, or of `swift_fused`, whose `maxim` is taken. Pictures are restored at their own size, in fp32. Printed are the PSNR of the blurry pictures, and for each of the weights the gain in dB
as it lies, and after the best shift of up to 3 pixels of both (`unblur.metrics.shifted_psnr`). Where the second is far greater, the position is what the network does not know: a loss that
compares as it lies teaches it to restore all positions at once there, which is blur.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import unblur
from benchmarks.fusing import psnr_of_8_bit
from unblur.metrics import shifted_psnr
from unblur.models.swift_fused import SwiftFused
from unblur.pixels import to_tensor
from unblur.synth.dynamic import DynamicBlur, draw_dynamic_pair
from unblur.synth.sources import find_photos, read_photo
from unblur.synth.stills import StillsBlur, draw_scene, photograph

Bytes = NDArray[np.uint8]
Draw = Callable[[np.random.Generator], tuple[Bytes, Bytes]]

_NO_FAULTS = {
    f"{fault}_probability": 0.0
    for fault in ("noise", "jpeg", "sensor", "grain", "dim", "highlight", "curve", "sharpen", "lamp", "sharp", "discrete", "frames")
}


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--weights", action="append", required=True, metavar="NAME|FILE|RUN")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--length", default="4,20")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shortest, longest = (float(each) for each in arguments.length.split(","))
    photos = [read_photo(path) for path in find_photos(arguments.photos)]
    networks = [_network(name) for name in arguments.weights]
    print(f"{'':10}  blurry" + "".join(f"  {name[-20:]:>20}" for name in arguments.weights))
    for kind, draw in _kinds(photos, size=arguments.size, length=(shortest, longest)).items():
        generator = np.random.default_rng(arguments.seed)
        pairs = [tuple(to_tensor(each) for each in draw(generator)) for _ in range(arguments.count)]
        cells = [_gains(net, pairs) for net in networks]
        before = statistics.mean(psnr_of_8_bit(blurry, sharp) for blurry, sharp in pairs)
        print(f"{kind:10}  {before:6.2f}" + "".join(f"  {f'{plain:+.2f}, {shifted:+.2f}':>20}" for plain, shifted in cells), flush=True)


def _network(name: str) -> nn.Module:
    net = unblur.load(name, device="cpu", precision="fp32").net
    return (net.maxim if isinstance(net, SwiftFused) else net).eval()


def _kinds(photos: Sequence[Bytes], *, size: int, length: tuple[float, float]) -> dict[str, Draw]:
    """A function for each kind that draws one pair."""
    flat = DynamicBlur(length=length, layers_probability=0.0, bend_probability=0.0, **_NO_FAULTS)  # type: ignore[arg-type]
    moving = DynamicBlur(length=length, camera_probability=0.0, **_NO_FAULTS)  # type: ignore[arg-type]
    stills = StillsBlur(length=length, sharp_probability=0.0, noise_probability=0.0, jpeg_probability=0.0)

    def dynamic(blur: DynamicBlur, *, jerky: float) -> Draw:
        def draw(generator: np.random.Generator) -> tuple[Bytes, Bytes]:

            pair = draw_dynamic_pair(
                generator, photos=photos, cutouts=[], sequences=[], size=size, blur=replace(blur, jerky_probability=jerky)
            )
            return pair.blurry, pair.sharp

        return draw

    def of_stills(generator: np.random.Generator) -> tuple[Bytes, Bytes]:
        pair = photograph(draw_scene(generator, photos, size=size, blur=stills), generator, size=size, blur=stills)
        return pair.blurry, pair.sharp

    return {
        "straight": dynamic(flat, jerky=0.0),
        "jerky": dynamic(flat, jerky=1.0),
        "layers": dynamic(moving, jerky=0.0),
        "stills": of_stills,
    }


@torch.inference_mode()
def _gains(net: nn.Module, pairs: Sequence[tuple[Tensor, ...]]) -> tuple[float, float]:
    """Mean gain as it lies, and after the best shift of the blurry and of the restored picture."""
    plain, shifted = [], []
    for blurry, sharp in pairs:
        restored = net(blurry.contiguous(memory_format=torch.channels_last)).float().clamp(0, 1)
        plain.append(psnr_of_8_bit(restored, sharp) - psnr_of_8_bit(blurry, sharp))
        shifted.append(float(shifted_psnr(restored, sharp).psnr - shifted_psnr(blurry, sharp).psnr))
    return statistics.mean(plain), statistics.mean(shifted)


if __name__ == "__main__":
    main()
