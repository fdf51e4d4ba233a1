"""How long it takes to measure a picture by each protocol, and by what goes beside them, beside restoring it.

    python -m benchmarks.protocols [--size WIDTHxHEIGHT]

Prints seconds of work a picture, best of some, and their ratio to the network's. Köhler's protocol compares with each of its truths; the time
is that of one.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

import unblur
from unblur.bench.extras import open_extra
from unblur.metrics import protocols

__all__: list[str] = []

REPEATS = 3
BESIDE = ("shifted", "gmsd", "detail")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    width, height = map(int, parser.parse_args().size.split("x"))
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator, dtype=torch.float64)
    sharp = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    restored = (sharp + 0.02 * torch.randn(sharp.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)

    deblurrer = unblur.load("swift", device="cpu")
    photo = restored[0].permute(1, 2, 0).float().numpy()
    network = _seconds(lambda: deblurrer.photo(photo))
    print(f"{'restoring with swift':24}{network:8.3f} s  {deblurrer.setup.precision}, {torch.get_num_threads()} thread(s)")
    for name in protocols.names():
        protocol = protocols.get(name)
        truths = [sharp] if protocol.several_truths else sharp
        taken = _seconds(partial(protocol.measure, restored, truths))
        print(f"{name:24}{taken:8.3f} s  {taken / network:5.2f} of restoring")
    for extra in BESIDE:
        taken = _seconds(partial(open_extra(extra).measure, restored, sharp))
        print(f"{extra:24}{taken:8.3f} s  {taken / network:5.2f} of restoring")


def _seconds(run: Callable[[], object]) -> float:
    """Fewest seconds for which the processor worked."""
    run()
    times: list[float] = []
    for _ in range(REPEATS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
