"""What the time of a network goes into, by operator: arithmetic, bytes moved, and how far both are from what the processor can do.

    PYTHONPATH=src python -m benchmarks.by_operator [--model NAME]... [--size HxW] [--precision fp32|bf16] [--threads N] [--rows N]

Each network restores one random picture, or a window of frames, of HxW pixels, after a warm-up: `seconds` are those of the processor. `share` is that of an operator in the time
that the profiler of torch sees in all operators, in the quickest of three runs; `GFLOP/s` counts its multiplications and additions, where it is a convolution or a matrix product, and `of peak` compares that with
the faster of a matrix product of 1024x1024 and a 3x3 convolution of 128 features at 128x128, measured in the same run. `GB` are the bytes of the tensors that go in and come out, so
that an operator that works in place counts what it writes as well, and `GB/s` what is moved in its time; `of copy` compares it with the copy of 64 MB.
What is far from both limits is lost to calls, to layouts or to values that do not fit the cache.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import unblur
from unblur.restore.memory import keep_freed_memory
from unblur.restore.noise import like_pictures

ROUNDS = 3
SIDE, FEATURES = 128, 128
_CONVOLUTIONS = (
    "convolution",
    "_convolution",
    "mkldnn_convolution",
    "conv2d",
    "conv_transpose2d",
    "slow_conv2d_forward",
    "_slow_conv2d_forward",
)


@dataclass
class Work:
    """Of one operator: calls, floating-point operations, bytes of its tensors, seconds."""

    calls: int = 0
    flops: float = 0.0
    moved: float = 0.0
    seconds: float = 0.0


class _Moved(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts calls and bytes of what each operator takes and gives; views move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.works: dict[str, Work] = defaultdict(Work)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's own signature
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            work = self.works[_plain(func.name())]
            work.calls += 1
            work.moved += sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor))
        return out


def main() -> None:
    """Measure one network after the other and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], metavar="NAME")
    parser.add_argument("--size", default="256x256", metavar="HxW")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=14, help="operators to print of each network")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    height, width = (int(side) for side in arguments.size.split("x"))
    with torch.no_grad():
        peak, copied = _peak(arguments.precision), _copied()
        print(
            f"torch {torch.__version__}, {arguments.threads} threads, {arguments.precision}: at most {peak / 1e9:.0f} GFLOP/s, {copied / 1e9:.1f} GB/s"
        )
        for name in arguments.model or ["swift_fused"]:
            deblurrer = unblur.load(name, device="cpu", precision=arguments.precision, threads=arguments.threads)
            net, setup = deblurrer.net, deblurrer.setup
            multiple = net.size_multiple
            sides = (-(-side // multiple) * multiple for side in (height, width))
            given = like_pictures(net.num_frames, *sides, generator=torch.Generator().manual_seed(0))
            given = given[None] if net.num_frames > 1 else given
            with torch.autocast(
                "cpu", dtype=torch.bfloat16, enabled=setup.precision == "bf16"
            ):  # not for inference alone, where torch hides operators
                works = _counted(net, given)
            spent, seconds = _timed(partial(setup.run, net, given))
            for operator, each in spent.items():
                works[operator].seconds = each
            print(f"\n{name}, {'x'.join(map(str, given.shape))}: {seconds:.2f} s\n")
            _print(works, rows=arguments.rows, peak=peak, copied=copied)


def _counted(net: nn.Module, given: Tensor) -> dict[str, Work]:
    """Calls, bytes and floating-point operations of each operator."""
    with _Moved() as moved:
        net(given)
    with FlopCounterMode(display=False) as counter:
        net(given)
    for packet, flops in counter.get_flop_counts().get("Global", {}).items():
        moved.works[_plain(str(packet).replace(".", "::"))].flops += flops
    return moved.works


def _timed(run: Callable[[], object]) -> tuple[dict[str, float], float]:
    """Seconds of each operator by the profiler, and seconds of the processor without it: both the least of some rounds."""
    run()
    seconds = min(_seconds(run) for _ in range(ROUNDS))
    return min((_profiled(run) for _ in range(ROUNDS)), key=lambda found: sum(found.values())), seconds


def _profiled(run: Callable[[], object]) -> dict[str, float]:
    """Seconds of each operator, without those that it calls."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        run()
    spent: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        if "::" in event.key:
            spent[_plain(event.key)] += event.self_cpu_time_total / 1e6
    return spent


def _print(works: dict[str, Work], *, rows: int, peak: float, copied: float) -> None:
    total = sum(work.seconds for work in works.values())
    print("| operator | calls | share | GFLOP/s | of peak | GB | GB/s | of copy |\n|---|---|---|---|---|---|---|---|")
    ordered = sorted(works.items(), key=lambda item: -item[1].seconds)
    rest = Work(
        sum(work.calls for _, work in ordered[rows:]),
        0.0,
        sum(work.moved for _, work in ordered[rows:]),
        sum(work.seconds for _, work in ordered[rows:]),
    )
    for name, work in [*ordered[:rows], ("all others", rest)]:
        if work.seconds:
            rate, through = work.flops / work.seconds, work.moved / work.seconds
            counted = [f"{rate / 1e9:.0f}", f"{rate / peak:.0%}"] if work.flops else ["", ""]
            moved = [f"{work.moved / 1e9:.2f}", f"{through / 1e9:.1f}", f"{through / copied:.0%}"] if work.moved else ["", "", ""]
            print("| " + " | ".join([name, str(work.calls), f"{work.seconds / total:.1%}", *counted, *moved]) + " |")


def _plain(name: str) -> str:
    """The name of an operator without its library; one for all ways in which torch convolves."""
    plain = name.partition("::")[2] or name
    plain = plain.partition(".")[0]
    return "convolution" if plain in _CONVOLUTIONS else plain


def _seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _peak(precision: str) -> float:
    """Floating-point operations a second of the faster of a matrix product and a convolution."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.rand(1024, 1024).to(kind)
    conv = nn.Conv2d(FEATURES, FEATURES, 3, padding=1).to(kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    feat = torch.rand(1, FEATURES, SIDE, SIDE).to(kind).contiguous(memory_format=torch.channels_last)
    product = 2 * 1024**3 / min(_seconds(lambda: matrix @ matrix) for _ in range(ROUNDS))
    convolved = 2 * 9 * FEATURES**2 * SIDE**2 / min(_seconds(lambda: conv(feat)) for _ in range(ROUNDS))
    return max(product, convolved)


def _copied() -> float:
    """Bytes a second that a copy of 64 MB reads and writes."""
    source, target = torch.rand(2**24), torch.empty(2**24)
    return 2 * 2**26 / min(_seconds(lambda: target.copy_(source)) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
