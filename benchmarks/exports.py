"""Exported networks beside torch: the largest difference, and the time of one picture as a ratio to torch's in fp32 in the same run.

    PYTHONPATH=src python -m benchmarks.exports [--networks NAME...] [--side PIXELS]

Built-in weights are taken where a network has them, else random ones. Networks are exported for one size, and each runtime reads the same ONNX file and computes on one thread; the
difference is that which `unblur export` refuses above a thousandth, unless torch's own result changes by as much, `own`, when the input changes by half a level of 16 bits. The ratio is the least of some runs by the least of torch's, which are taken by turns, so that a busy machine slows both. Below 1 the runtime is faster.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from unblur.errors import UnblurError
from unblur.export.convert import Size, examples, to_onnx
from unblur.export.files import compare_nearby, largest_difference
from unblur.export.runtimes import ExportRuntime, open_session
from unblur.models import create, names
from unblur.models.base import Net
from unblur.restore.load import load_network
from unblur.weights import names as weights_names

RUNS = 5
RUNTIMES: tuple[ExportRuntime, ...] = ("onnx", "openvino")


def main() -> None:
    """Print a line for each network and runtime, as soon as it is known."""
    parser = argparse.ArgumentParser(description="Compare exported networks with torch.")
    parser.add_argument("--networks", nargs="+", default=names(), metavar="NAME", help="networks, or built-in weights")
    parser.add_argument("--side", type=int, default=128, help="of the picture, pixels, raised to a size that the network takes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'network':16} {'size':>9} {'MB':>6} {'export s':>8} {'runtime':9} {'difference':>10} {'own':>8} {'time / torch':>12}")
    for name in arguments.networks:
        net = network(name)
        rows(name, net, size=net.fit_size(arguments.side, arguments.side))


def network(name: str) -> Net:
    """A network with its built-in weights, or random ones."""
    if name in weights_names():
        return load_network(name, device="cpu", precision="fp32").net
    torch.manual_seed(0)
    return create(name).eval()


def rows(name: str, net: Net, *, size: Size) -> None:
    """Print what came of one network in both runtimes, which read the same file."""
    where = f"{name:16} {f'{size[0]}x{size[1]}':>9}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        began = time.perf_counter()
        try:
            path.write_bytes(to_onnx(net, size=size).SerializeToString())
        except UnblurError as error:
            print(f"{where}  not exported: {str(error).splitlines()[0][:160]}", flush=True)
            return
        where += f" {path.stat().st_size / 1e6:6.1f} {time.perf_counter() - began:8.0f}"
        for runtime in RUNTIMES:
            try:
                session = open_session(path, runtime=runtime)
                difference = largest_difference(net, session, size=size)
                own_change, _ = compare_nearby(net, session, size=size)
                ratio = time_ratio(session, net, blurry=examples(net, size=size)[1])
            except UnblurError as error:
                print(f"{where} {runtime:9} not computed: {str(error).splitlines()[0][:160]}", flush=True)
                continue
            print(f"{where} {runtime:9} {difference:10.1e} {own_change:8.1e} {ratio:12.2f}", flush=True)


def time_ratio(session: Callable[[Tensor], Tensor], net: Net, *, blurry: Tensor) -> float:
    """The least time of the session by that of the network in torch."""
    seconds = {"session": math.inf, "torch": math.inf}
    with torch.inference_mode():
        for _ in range(RUNS):
            seconds["session"] = min(seconds["session"], seconds_of(session, blurry))
            seconds["torch"] = min(seconds["torch"], seconds_of(net, blurry))
    return seconds["session"] / seconds["torch"]


def seconds_of(run: Callable[[Tensor], Tensor], blurry: Tensor) -> float:
    """How long one picture takes."""
    began = time.perf_counter()
    run(blurry)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
