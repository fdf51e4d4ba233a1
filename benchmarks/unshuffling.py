"""Time of `layers.pixel_unshuffle` against torch's `pixel_unshuffle` on what `swift` folds, with what the next convolution needs, in fp32 and under autocast.

python -m benchmarks.unshuffling
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from unblur.layers.pixel_unshuffle import pixel_unshuffle


def main() -> None:
    """Time both in turn and print the ratio of their medians."""
    x = torch.rand(1, 15, 720, 1280, generator=torch.Generator().manual_seed(0))

    def lower() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return pixel_unshuffle(x, factor=4)

    sides: dict[str, Callable[[], Tensor]] = {
        "pixel_unshuffle": lambda: torch.nn.functional.pixel_unshuffle(x, 4).contiguous(memory_format=torch.channels_last),
        "its bf16": lambda: torch.nn.functional.pixel_unshuffle(x, 4).contiguous(memory_format=torch.channels_last).bfloat16(),
        "unblur.layers": lambda: pixel_unshuffle(x, factor=4),
        "fold, bf16": lower,
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(12):
        for name, run in sides.items():
            began = time.perf_counter()
            run()
            if turn > 1:
                seconds[name].append(time.perf_counter() - began)
    best = statistics.median(seconds["fold, bf16"])
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"{name:16} {1000 * middle:6.1f} ms  {middle / best:5.2f}×")


if __name__ == "__main__":
    main()
