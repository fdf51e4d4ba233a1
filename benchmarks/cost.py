"""What one 1280×720 frame costs every network at its published size: parameters, multiply-adds, seconds, peak memory.

    PYTHONPATH=src python -m benchmarks.cost [--networks NAME...] [--limit SECONDS] [--memory GIB] [--device cuda] [--out cost.md]

Each measurement is a process of its own, which restores one frame whole, untiled, in one thread, after a warm-up on a small one.
Seconds are those that the process had a processor for, so that a busy machine does not count as a slow network; memory is the
process's largest resident set, of which Python and torch are some 300 MiB. A stream is timed in the middle of a shot, where each
frame's features are computed once. `≈`: taken on a sixteenth of the frame, 320×180, and multiplied, where the whole frame would exceed
`--limit` or `--memory`. Weights are random: they change nothing here. Beside it stand the times that were published, on the authors' GPUs.

With `--device cuda` it is the time by the clock, the median of some frames after two to warm up, and the most memory that torch had of the GPU.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.resident import forget_peak, peak
from unblur import weights
from unblur.models import create, names
from unblur.models.base import Net
from unblur.models.swift_fused import SwiftFused
from unblur.restore.memory import keep_freed_memory
from unblur.restore.precision import Precision, set_up
from unblur.restore.stream import Stream

HEIGHT, WIDTH = 720, 1280
ROUNDS = 7
PUBLISHED = {
    "deepdeblur": "3.09 s, Titan X Pascal (Nah 2017)",
    "mscnn": "0.48 s, 2080 Ti (Tang 2022)",
    "srn": "0.79 s, 2080 Ti (Tang 2022)",
    "dmphn": "0.08 s, 2080 Ti (Tang 2022)",
    "pssnsc": "0.85 s, 2080 Ti (Tang 2022)",
}
"""Seconds for a frame of 1280×720, as printed there."""


@dataclass(frozen=True)
class Measured:
    """Cost of one frame; `scaled` where it was taken on a part of it."""

    seconds: float
    gib: float
    scaled: bool

    def __str__(self) -> str:
        mark = "≈ " if self.scaled else ""
        return f"{mark}{self.seconds:.3g} s, {mark}{self.gib:.2g} GiB"


def build(name: str) -> Net:
    """A network at its published size, or one that is built in under a name of its own, such as `swift_quick`; with random weights, to which all is blurred."""
    if name in names():
        net = create(name)
    else:
        card = weights.card_of(name)
        net = create(weights.allowed_architecture(card), **card.arguments)
    if isinstance(net, SwiftFused):
        net.blurred = lambda blur_field, *, size: blur_field.new_ones(blur_field.shape[0], 1, *size)  # type: ignore[method-assign]
    return net


def main() -> None:
    """Measure one network after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*names(), *(name for name in weights.names() if name not in names() and weights.card_of(name).kind != "flow")]
    parser.add_argument("--networks", nargs="+", choices=known, default=known)
    parser.add_argument("--limit", type=float, default=6.0, help="seconds that a frame may take")
    parser.add_argument("--memory", type=float, default=2.0, help="GiB that a frame may take")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds of wall time after which a measurement is given up")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where a frame is restored")
    parser.add_argument("--out", type=Path, help="file for the table")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_run(**json.loads(arguments.child))))
        return
    lines: list[str] = []
    for line in _on_gpu(arguments.networks) if arguments.device == "cuda" else _on_processor(arguments):
        print(line, flush=True)
        lines.append(line)
        if arguments.out:
            arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _on_processor(arguments: argparse.Namespace) -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield f"torch {torch.__version__}, one thread, {torch.backends.cpu.get_cpu_capability()}; seconds of processor time, random weights"
    yield ""
    yield "| network | frames | M parameters | G multiply-adds | fp32 | bf16 | stream, fp32 | stream, bf16 | published |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in arguments.networks:
        parameters, multiply_adds, frames = count(name)
        cells = [
            _measure(name, precision, stream=stream, limit=arguments.limit, most=arguments.memory, patience=arguments.patience)
            if frames > 1 or not stream
            else "–"
            for stream in (False, True)
            for precision in ("fp32", "bf16")
        ]
        row = (name, frames, f"{parameters / 1e6:.2f}", f"{multiply_adds / 1e9:.0f}", *cells, PUBLISHED.get(name, "–"))
        yield "| " + " | ".join(map(str, row)) + " |"


def _on_gpu(networks: list[str]) -> Iterator[str]:
    """The same for a GPU, all in this process."""
    yield f"torch {torch.__version__}, {torch.cuda.get_device_name()}; random weights"
    yield ""
    yield "| network | frames | fp32 | bf16 |"
    yield "|---|---|---|---|"
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for name in networks:
        net = build(name)
        frames = (net.num_frames,) if net.num_frames > 1 else ()
        window = torch.rand(1, *frames, 3, *(-(-side // net.size_multiple) * net.size_multiple for side in (HEIGHT, WIDTH)))
        cells = []
        for precision in precisions:
            setup = set_up(net, device="cuda", precision=precision)
            given = window.to(setup.device)
            torch.cuda.reset_peak_memory_stats()
            seconds = []
            for _ in range(2 + ROUNDS):
                setup.wait()
                began = time.perf_counter()
                setup.run(net, given)
                setup.wait()
                seconds.append(time.perf_counter() - began)
            cells.append(f"{1000 * statistics.median(seconds[2:]):.3g} ms, {torch.cuda.max_memory_allocated() / 2**30:.2g} GiB")
        yield f"| {name} | {net.num_frames} | {cells[0]} | {cells[1]} |"


def count(name: str) -> tuple[int, int, int]:
    """Parameters, multiply-adds of convolutions and matrix products for one frame, and frames that the network sees.

    Tensors have shapes but no values here, so that nothing is computed. The products of cost volumes and the readings of
    deformable convolutions are counted where they are matrix products.
    """
    with FakeTensorMode(), torch.no_grad():
        net = build(name).eval()
        shape = [-(-side // net.size_multiple) * net.size_multiple for side in (HEIGHT, WIDTH)]
        frames = (net.num_frames,) if net.num_frames > 1 else ()
        with FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, *frames, 3, *shape))
    return sum(parameter.numel() for parameter in net.parameters()), counter.get_total_flops() // 2, net.num_frames


def _measure(name: str, precision: str, *, stream: bool, limit: float, most: float, patience: float) -> str:
    """The whole frame if a sixteenth of it says that this is bearable, else that, multiplied."""
    task: dict[str, Any] = {"name": name, "precision": precision, "stream": stream}
    try:
        part = _child(task | {"height": HEIGHT // 4, "width": WIDTH // 4}, patience=patience)
        more = HEIGHT * WIDTH / part["pixels"]
        expected = more * (part["gib"] - part["base"]) + part["base"]
        if more * part["seconds"] > limit or expected > most:
            return str(Measured(more * part["seconds"], expected, scaled=True))
        whole = _child(task | {"height": HEIGHT, "width": WIDTH}, patience=patience)
    except subprocess.TimeoutExpired:
        return f"more than {patience:.0f} s of wall time"
    except subprocess.CalledProcessError as error:
        return error.stderr.strip().splitlines()[-1][:120] if error.stderr else f"failed with {error.returncode}"
    return str(Measured(whole["seconds"], whole["gib"], scaled=False))


def _child(task: dict[str, Any], *, patience: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.cost", "--child", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _run(*, name: str, precision: str, stream: bool, height: int, width: int) -> dict[str, float]:
    """Seconds of one frame, the largest resident set in GiB, that before the frame, and pixels."""
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = build(name)
    setup = set_up(net, device="cpu", precision="bf16" if precision == "bf16" else "fp32")
    multiple = net.size_multiple
    sides = [-(-side // multiple) * multiple for side in (height, width)]
    scene = torch.rand(3, sides[0], sides[1] + 4 * net.num_frames)
    frames = [scene[:, :, 4 * i : 4 * i + sides[1]] for i in range(net.num_frames + 1)]
    if stream:
        restorer = Stream(net, setup=setup, is_cut=lambda _: False, halo=0)
        base = forget_peak()
        for frame in frames[: net.num_frames]:
            restorer.push(frame)
        began = time.process_time()
        restored = restorer.push(frames[net.num_frames])
        assert len(restored) == 1
        return {"seconds": time.process_time() - began, "gib": peak(), "base": base, "pixels": sides[0] * sides[1]}
    window = torch.stack(frames[: net.num_frames])[None] if net.num_frames > 1 else frames[0][None]
    setup.run(net, window[..., : max(multiple, 64 // multiple * multiple), : max(multiple, 64 // multiple * multiple)])
    base = forget_peak()
    began = time.process_time()
    setup.run(net, window)
    return {"seconds": time.process_time() - began, "gib": peak(), "base": base, "pixels": sides[0] * sides[1]}


if __name__ == "__main__":
    main()
