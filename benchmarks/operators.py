"""Time of the operators of the video networks, in ratios to a plain convolution of the same shape.

Both sides of a ratio are timed in turn in one run, and the median over the rounds is taken, so that a busy machine slows
both. With one thread on a processor it is the processor's time that counts, not the clock's. torchvision's operator is timed
too where it can be imported, and must give the same; the package itself never imports it.

    PYTHONPATH=src python -m benchmarks.operators --threads 1
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample

from unblur.layers.correlation import cost_volume
from unblur.layers.deform import deform_sample
from unblur.layers.filtering import dynamic_local_filter
from unblur.layers.warp import flow_warp

SHAPES = ((1, 128, 90, 160), (1, 64, 180, 320), (1, 16, 180, 320))
OFFSET_DEVIATION = 3.0
"""Standard deviation of the offsets, in pixels."""


def main() -> None:
    """Parse the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, median of {arguments.rounds} rounds; x: times the convolution")
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            for backward in (False, True):
                _compare(shape, dtype, backward=backward, rounds=arguments.rounds, device=arguments.device)
    _costs(rounds=arguments.rounds, device=arguments.device)


def _compare(shape: tuple[int, int, int, int], dtype: torch.dtype, *, backward: bool, rounds: int, device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    batch, channels, height, width = shape
    feat = torch.randn(shape, generator=generator).to(device, dtype, memory_format=torch.channels_last).requires_grad_(backward)
    weight = (torch.randn(channels, channels, 3, 3, generator=generator) / 30).to(device, dtype).requires_grad_(backward)
    offset = (torch.randn(batch, 18, height, width, generator=generator) * OFFSET_DEVIATION).to(device).requires_grad_(backward)
    mask = torch.rand(batch, 1, height, width, generator=generator).to(device).requires_grad_(backward)
    candidates: dict[str, Callable[[], Tensor]] = {
        "convolution": lambda: conv2d(feat, weight, padding=1),
        "deform_sample": lambda: deform_sample(feat, offset, weight),
        "with a mask": lambda: deform_sample(feat, offset, weight, mask=mask),
    }
    torchvision = _torchvision()
    if dtype == torch.float32:
        candidates["grid_sample a tap"] = lambda: _by_grid_sample(feat, offset, weight)
        if torchvision is not None:
            candidates["torchvision"] = lambda: torchvision.ops.deform_conv2d(feat, offset, weight, padding=1)
            with torch.no_grad():
                torch.testing.assert_close(candidates["torchvision"](), candidates["deform_sample"](), rtol=1e-3, atol=1e-3)
    runs = {name: _run(call, backward=backward, device=device) for name, call in candidates.items()}
    seconds = _medians(runs, rounds=rounds, device=device)
    _print(f"B{batch} C{channels} {width}x{height} {str(dtype)[6:]} {'fwd+bwd' if backward else 'fwd'}", seconds)


def _costs(*, rounds: int, device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    pair = torch.randn(2, 1, 32, 90, 160, generator=generator).to(device)
    flow = (torch.randn(1, 2, 90, 160, generator=generator) * OFFSET_DEVIATION).to(device)
    weight = torch.randn(32, 32, 3, 3, generator=generator).to(device)
    frames = torch.randn(1, 5, 32, 90, 160, generator=generator).to(device)
    masks = torch.rand(1, 5, 1, 90, 160, generator=generator).to(device)
    candidates: dict[str, Callable[[], Tensor]] = {
        "convolution": lambda: conv2d(pair[0], weight, padding=1),
        "cost_volume r4": lambda: cost_volume(pair[0], pair[1], radius=4),
        "flow_warp": lambda: flow_warp(pair[1], flow),
        "DLFL of 5 frames, k 3": lambda: dynamic_local_filter(frames, masks, kernel_size=3),
        "k 7": lambda: dynamic_local_filter(frames, masks, kernel_size=7),
    }
    runs = {name: _run(call, backward=False, device=device) for name, call in candidates.items()}
    _print("B1 C32 160x90 float32 fwd", _medians(runs, rounds=rounds, device=device))


def _by_grid_sample(feat: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    """What is usually written: one `grid_sample` a tap, and a matrix product."""
    batch, channels, height, width = feat.shape
    rows, columns = torch.arange(height, device=feat.device)[:, None], torch.arange(width, device=feat.device)
    total = torch.zeros((), device=feat.device)
    for k in range(9):
        y, x = offset[:, 2 * k] + rows + k // 3 - 1, offset[:, 2 * k + 1] + columns + k % 3 - 1
        grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
        read = grid_sample(feat, grid, align_corners=False).flatten(2)
        total = total + (weight[:, :, k // 3, k % 3] @ read).view(batch, channels, height, width)
    return total


def _torchvision() -> ModuleType | None:
    try:
        return importlib.import_module("torchvision")
    except (ImportError, RuntimeError):  # RuntimeError: it does not match this torch
        return None


def _run(call: Callable[[], Tensor], *, backward: bool, device: torch.device) -> Callable[[], None]:
    def run() -> None:
        with torch.set_grad_enabled(backward):
            result = call()
        if backward:
            result.float().square().sum().backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def _medians(runs: dict[str, Callable[[], None]], *, rounds: int, device: torch.device) -> dict[str, float]:
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def _print(title: str, seconds: dict[str, float]) -> None:
    base = seconds["convolution"]
    print(f"{title:34}" + " | ".join(f"{name} {1e3 * time_:.1f} ms x{time_ / base:.1f}" for name, time_ in seconds.items()))


if __name__ == "__main__":
    main()
