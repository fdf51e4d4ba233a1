"""What restoring costs: precision, memory layout, smaller sizes, what is spent outside the network, and peak memory.

    python -m benchmarks.restoring

Times are medians of runs that take turns, so that a busy moment of the machine hits all sides; read the ratios. Peak
memory is the resident set of a child process that restores one file with the installed command, as the kernel counts it.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import unblur
from unblur.io.image import Image, write_image
from unblur.models.base import Net
from unblur.restore.noise import like_pictures
from unblur.restore.precision import Setup, fast_precision

HEIGHT, WIDTH = 720, 1280


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="swift")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, nargs=2, default=(60, 600), help="lengths of the clips whose memory is compared")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    is_photo = unblur.load(arguments.model).net.num_frames == 1
    if is_photo:
        network(arguments.model, rounds=arguments.rounds)
        sizes(arguments.model, rounds=arguments.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outside(arguments.model, folder)
        memory(arguments.model, folder, lengths=arguments.frames, photo=is_photo)


def network(model: str, *, rounds: int) -> None:
    """One 1280×720 picture through the network alone."""
    deblurrer = unblur.load(model)
    net, device = deblurrer.net, deblurrer.setup.device
    blurry = like_pictures(1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)).to(device)
    last = blurry.to(memory_format=torch.channels_last)
    fast, exact = Setup(device, fast_precision(device)), Setup(device, torch.float32)
    runs: dict[str, Callable[[], object]] = {
        "fp32, channels first": lambda: exact.run(laid_out(net, torch.contiguous_format), blurry),
        "fp32, channels last": lambda: exact.run(laid_out(net, torch.channels_last), last),
        f"{fast.precision}, channels first": lambda: fast.run(laid_out(net, torch.contiguous_format), blurry),
        f"{fast.precision}, channels last": lambda: fast.run(laid_out(net, torch.channels_last), last),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    best = statistics.median(seconds[f"{fast.precision}, channels last"])
    print(f"\nnetwork alone, {WIDTH}×{HEIGHT}")
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"  {name:24} {middle:6.2f} s  {middle / best:5.2f}×")


def sizes(model: str, *, rounds: int) -> None:
    """A photo of 1280×720, as the program restores it: at its own size alone, and at smaller ones as well."""
    picture = cv2.blur(pattern(), (9, 1))
    ways = {name: unblur.load(model, single_scale=single_scale) for name, single_scale in (("own size", True), ("several", False))}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, deblurrer in ways.items():
            began = time.perf_counter()
            deblurrer.photo(picture)
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    print(f"\na photo of {WIDTH}×{HEIGHT} in {ways['several'].setup.precision}")
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"  {name:24} {middle:6.2f} s  {middle / statistics.median(seconds['own size']):5.2f}×")


def laid_out(net: Net, layout: torch.memory_format) -> Net:
    """The network with its weights in a memory layout."""
    return net.to(memory_format=layout)  # type: ignore[call-overload]


def outside(model: str, folder: Path) -> None:
    """Share of a clip's wall time in which the network does not work."""
    source = write_clip(folder / "outside.mp4", frames=24)
    report = unblur.load(model).video(source, folder / "share_out.mp4")
    share = 1 - report.network_seconds / report.seconds
    print(
        f"\nclip {WIDTH}×{HEIGHT}, {report.frames} frames: {report.frames / report.seconds:.2f} frames/s, {100 * share:.0f} % outside the network"
    )


def memory(model: str, folder: Path, *, lengths: tuple[int, int], photo: bool) -> None:
    """Peak resident memory of the command."""
    print("\npeak memory of the command")
    if photo:
        noise = np.random.default_rng(0).integers(0, 256, (2160, 3840, 3), np.uint8)
        write_image(folder / "photo.png", Image(noise))
        print(f"  photo 3840×2160       {peak(model, folder / 'photo.png'):5.2f} GiB")
    for frames in lengths:
        source = write_clip(folder / f"clip{frames}.mp4", frames=frames)
        print(f"  clip {WIDTH}×{HEIGHT}, {frames:4} frames {peak(model, source):5.2f} GiB", flush=True)


def peak(model: str, source: Path) -> float:
    """GiB of the largest resident set while `source` is restored; nan on Windows, which does not count it for a child."""
    if not hasattr(os, "wait4"):
        return math.nan
    command = [str(Path(sys.executable).with_name("unblur")), str(source), "--model", model, "--overwrite"]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def pattern() -> NDArray[np.uint8]:
    """Squares of 8×8 pixels, of random colours."""
    tile = np.random.default_rng(1).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    return np.repeat(np.repeat(tile, 8, axis=0), 8, axis=1)


def write_clip(path: Path, *, frames: int) -> Path:
    """A clip of a pattern that drifts."""
    moved = pattern()
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(moved, 3 * number, axis=1), format="rgb24")))
        file.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
