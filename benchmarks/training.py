"""What a run of `unblur train` made of its time: samples a second, share of the machine's arithmetic, dB over time.

    python -m benchmarks.training RUN --chart curve.png

reads `RUN/log.jsonl`. The arithmetic of a step is counted on the recipe's network, forward and backward; the peak is that of a
large matrix product in the recipe's precision on this machine, with the threads that `--threads` says the training had. So
run it on the machine that trained, when nothing else runs there.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode

from unblur.models import create
from unblur.training.recipe import Recipe

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SIDE = 4096  # of the matrices whose product is the peak


def main() -> None:
    """Parse the arguments, measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of the training")
    parser.add_argument("--chart", type=Path, help="PNG file for the curve")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = Recipe.model_validate_json((arguments.run / "recipe.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in (arguments.run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    logged = [line for line in lines if "crops_s" in line]
    crops_s = statistics.median(line["crops_s"] for line in logged)
    flops, peak = flops_of(recipe), peak_of(DTYPES[recipe.precision])
    print(f"{recipe.model}: {logged[-1]['step']} of {recipe.steps} steps of {recipe.batch} crops, {hours(logged, recipe):.2f} h")
    print(f"{crops_s:.1f} crops/s, median; {statistics.mean(line['data_wait'] for line in logged):.2%} of the time waited for data")
    print(f"{flops / 1e9:.1f} GFLOP a crop, forward and backward: {crops_s * flops / 1e12:.3f} TFLOP/s")
    print(f"peak of {recipe.precision} here, {arguments.threads} thread(s): {peak / 1e12:.3f} TFLOP/s; share {crops_s * flops / peak:.0%}")
    tenth = max(1, len(logged) // 10)
    print(
        f"gain of the crops it trains on: first tenth {mean_gain(logged[:tenth]):+.2f} dB, last tenth {mean_gain(logged[-tenth:]):+.2f} dB"
    )
    if arguments.chart is not None:
        draw(lines, recipe, arguments.chart)


def hours(logged: list[dict[str, Any]], recipe: Recipe) -> float:
    """Time in training steps, from the rates of the log."""
    steps = [0, *(line["step"] for line in logged)]
    return (
        sum((after - before) * recipe.batch / line["crops_s"] for before, after, line in zip(steps, steps[1:], logged, strict=False)) / 3600
    )


def mean_gain(logged: list[dict[str, Any]]) -> float:
    """Mean gain in PSNR, dB."""
    return statistics.mean(line["gain"] for line in logged)


def flops_of(recipe: Recipe) -> float:
    """Floating point operations that a crop costs, forward and backward."""
    net = create(recipe.model, **recipe.arguments)
    shape = (1, 3, recipe.crop, recipe.crop) if net.num_frames == 1 else (1, net.num_frames, 3, recipe.crop, recipe.crop)
    with FlopCounterMode(display=False) as counter:
        net(torch.rand(shape)).sum().backward()
    return float(counter.get_total_flops())


def peak_of(dtype: torch.dtype) -> float:
    """Floating point operations a second of a matrix product."""
    a, b = torch.rand(2, SIDE, SIDE).to(dtype)
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        _ = a @ b
        seconds.append(time.perf_counter() - began)
    return 2.0 * SIDE**3 / min(seconds)


def draw(lines: list[dict[str, Any]], recipe: Recipe, target: Path) -> None:
    """Gain over time."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    logged = [line for line in lines if "crops_s" in line]
    steps = [line["step"] for line in logged]
    at = {step: hours(logged[: number + 1], recipe) for number, step in enumerate(steps)}
    axis.plot([at[step] for step in steps], [line["gain"] for line in logged], color="tab:blue")
    axis.axhline(0, color="tab:grey", linewidth=1)
    axis.set(xlabel="hours of training", ylabel="gain in PSNR of the crops, dB", title=recipe.model)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
