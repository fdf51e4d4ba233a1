"""How many times faster a stream is than the same network on every window anew, and what it holds.

Both sides of a ratio restore the same frames in turn in one run, and the median over the rounds is taken, so that a busy
machine slows both; with one thread it is the processor's time that counts, not the clock's. Timed are frames in the middle of a shot, where no window holds a frame twice. Networks have random
weights and their published sizes.

    PYTHONPATH=src python -m benchmarks.streaming --threads 1 --size 128x192 --networks mdcn astcn
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from unblur.models import create, names
from unblur.models.base import Net
from unblur.models.recurrent import RecurrentNet
from unblur.restore.precision import Setup, set_up
from unblur.restore.stream import Stream


def main() -> None:
    """Parse the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", default="128x192", help="height x width")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="fp32")
    parser.add_argument("--networks", nargs="+", choices=names(), default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    height, width = (int(side) for side in arguments.size.split("x"))
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.precision}, {arguments.frames} frames of {height}x{width}")
    print(f"{'network':10} {'windowed':>12} {'stream':>12} {'faster':>8} {'same':>6}   medians of {arguments.rounds} rounds, ms a frame")
    for name in arguments.networks or names():
        torch.manual_seed(0)
        net = create(name)
        if net.num_frames > 1:
            setup = set_up(net, device="cpu", precision=arguments.precision)
            _compare(name, net, setup, _clip(arguments.frames + net.num_frames, height, width), rounds=arguments.rounds)


def _compare(name: str, net: Net, setup: Setup, clip: list[Tensor], *, rounds: int) -> None:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[bool, list[float]] = {False: [], True: []}
    restored: dict[bool, list[Tensor]] = {}
    for _ in range(rounds):
        for reuse, times in seconds.items():
            stream = Stream(net, setup=setup, is_cut=lambda _: False, reuse=reuse)
            for frame in clip[: net.num_frames]:
                stream.push(frame)
            began = clock()
            restored[reuse] = [image for frame in clip[net.num_frames :] for image in stream.push(frame)]
            times.append((clock() - began) / len(restored[reuse]))
    windowed, streamed = (statistics.median(seconds[reuse]) * 1e3 for reuse in (False, True))
    same = all(torch.equal(*pair) for pair in zip(restored[False], restored[True], strict=True))
    # The state of a recurrent network is older in a stream than in a window, so that it restores otherwise.
    verdict = "n/a" if isinstance(net, RecurrentNet) else "yes" if same else "NO"
    print(f"{name:10} {windowed:12.0f} {streamed:12.0f} {windowed / streamed:7.2f}x {verdict:>6}", flush=True)


def _clip(frames: int, height: int, width: int) -> list[Tensor]:
    scene = torch.rand(3, height, width + 4 * frames, generator=torch.Generator().manual_seed(0))
    return [scene[:, :, 4 * i : 4 * i + width] for i in range(frames)]


if __name__ == "__main__":
    main()
