"""What 8-bit integers in the residual blocks cost and bring, beside bf16 and fp32.

    python -m benchmarks.integers [--photos FOLDER] [--model NAME]...

Seconds for 1280x720, a photo or a frame in the middle of a stream, are medians of runs that take turns. `agreement` is the PSNR of a precision's results
with those in fp32, before they are rounded to 8 bits, over the pictures of the folder; `flat` is the error, in 1/255, where the picture itself
is flat (a standard deviation below 1.5/255 in 9x9 pixels): what could be seen as noise that was not there.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

import unblur
from unblur.errors import DeviceError
from unblur.io.image import is_image, read_rgb
from unblur.metrics import from_uint8
from unblur.pixels import as_8_bit
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Setup
from unblur.restore.stream import Stream

HEIGHT, WIDTH = 720, 1280
FLAT = 1.5 / 255


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="blurry pictures to compare results on")
    parser.add_argument("--model", action="append", help="built-in weights or a file; may be given several times")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    for model in arguments.model or ["swift", "swift_video"]:
        ready = dict(precisions(model))
        seconds = timed(ready, rounds=arguments.rounds)
        exact = ready["fp32"]
        for name, deblurrer in ready.items():
            text = f"{model:12} {name:16} {seconds[name]:6.2f} s {seconds['fp32'] / seconds[name]:5.2f}× as fast as fp32"
            if arguments.photos and exact.net.num_frames == 1 and name != "fp32":
                text += agreement(arguments.photos, deblurrer, exact)
            print(text, flush=True)


def precisions(model: str) -> list[tuple[str, Deblurrer]]:
    """The network in every precision that this machine has, and integers beside fp32, as machines without bf16 have them."""
    ready = []
    for name in ("fp32", "bf16", "int8"):
        try:
            ready.append((name, unblur.load(model, device="cpu", precision=name)))
        except DeviceError as error:
            print(f"{name}: {error}")
    if ready[-1][0] == "int8" and ready[-1][1].setup.dtype != torch.float32:
        ready.append(("int8 beside fp32", Deblurrer(ready[-1][1].net, setup=Setup(torch.device("cpu"), torch.float32, int8=True))))
    return ready


def timed(ready: dict[str, Deblurrer], *, rounds: int) -> dict[str, float]:
    """Median seconds of one frame each."""
    noise = torch.rand(1, 3, HEIGHT // 8, WIDTH // 8 + 8 * rounds, generator=torch.Generator().manual_seed(0))
    scene = interpolate(noise, scale_factor=8, mode="bicubic", align_corners=False).clamp(0, 1)[0]
    streams = {name: Stream(deblurrer.net, setup=deblurrer.setup, tile=WIDTH, halo=0) for name, deblurrer in ready.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for turn in range(rounds + 4):
        frame = scene[..., 4 * turn : 4 * turn + WIDTH]
        for name, stream in streams.items():
            began = time.perf_counter()
            stream.push(frame)
            if turn > 3:  # the first fill the window and warm up
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def agreement(folder: Path, deblurrer: Deblurrer, exact: Deblurrer) -> str:
    """Mean and least agreement with fp32 over the pictures of a folder, and the error where they are flat."""
    agreements, errors = [], []
    for path in sorted(folder.iterdir()):
        if not is_image(path):
            continue
        picture = from_uint8(as_8_bit(read_rgb(path))).float()
        height, width = (min(side, most) // 16 * 16 for side, most in zip(picture.shape[-2:], (HEIGHT, WIDTH), strict=True))
        picture = picture[..., :height, :width]
        error = deblurrer.setup.run(deblurrer.net, picture) - exact.setup.run(exact.net, picture)
        agreements.append(float(-10 * torch.log10(error.square().mean().clamp_min(1e-12))))
        errors.append(error[flat(picture).expand_as(error)].square())
    rms = 255 * float(torch.cat(errors).mean().sqrt())
    return f", agreement {statistics.mean(agreements):.1f} dB, at least {min(agreements):.1f} dB, flat {rms:.2f}"


def flat(picture: Tensor) -> Tensor:
    """Where a picture is flat, (1, 1, H, W)."""
    grey = picture.mean(dim=1, keepdim=True)
    mean, square = (avg_pool2d(x, 9, stride=1, padding=4, count_include_pad=False) for x in (grey, grey.square()))
    return (square - mean.square()).clamp_min(0).sqrt() < FLAT


if __name__ == "__main__":
    main()
