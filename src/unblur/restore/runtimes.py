"""By what a network is computed: torch, or a runtime to which it is exported.

Runtimes are in `unblur.export`, which is above this package; their module is named by its import path and loaded when it is asked for.
"""

import importlib
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast, get_args

import torch

from unblur.errors import DeviceError, InputError, UnblurError
from unblur.layers.int8 import float_blocks, int8_blocks
from unblur.models.base import Net
from unblur.restore.machine import measured_once
from unblur.restore.noise import like_pictures
from unblur.restore.precision import LEAST_AGREEMENT, Setup, agreement_of

__all__ = ["Runtime", "by_runtime", "check_runtime"]

Runtime = Literal["torch", "onnx", "openvino", "auto"]
"""What computes a network; `auto` takes the fastest of those that are installed and pass their self-test."""

_EXPORTED = "unblur.export.compiled"
_SIDE = 256  # pixels of the picture on which runtimes are timed
_RUNS = 4


def check_runtime(runtime: object) -> None:
    """Raise an `InputError` unless this names a runtime."""
    if runtime not in get_args(Runtime):
        raise InputError(f"there is no runtime `{runtime}`; choose one of {', '.join(get_args(Runtime))}")


def by_runtime(net: Net, setup: Setup, *, runtime: Runtime, sha256: str) -> tuple[Net, Setup]:
    """The network as a runtime computes it, and the setup for it.

    Args:
        net: on its device.
        setup: device and precision by torch. ONNX Runtime computes in fp32; OpenVINO in bf16 where torch does, else in fp32.
        runtime: which.
        sha256: of the weights, under which exports and timings are kept (`unblur.restore.machine`).

    Raises:
        InputError: if there is no such runtime.
        DeviceError: if a runtime that was asked for cannot compute the network here, or fails the self-test.
        UnsupportedError: if it is not installed, or the network cannot be exported.
    """
    check_runtime(runtime)
    if runtime == "torch":
        return net, setup
    if runtime != "auto":
        return _tested(net, setup, runtime=runtime, sha256=sha256)
    if setup.device.type != "cpu" or net.num_frames > 1:
        return net, setup
    fastest = _fastest(net, setup, sha256=sha256)
    if fastest != "torch":
        return _tested(net, setup, runtime=fastest, sha256=sha256)
    if setup.int8:  # other runtimes were tested with its blocks in floats
        float_blocks(net)
        int8_blocks(net)
    return net, setup


def _tested(net: Net, setup: Setup, *, runtime: Literal["onnx", "openvino"], sha256: str) -> tuple[Net, Setup]:
    if setup.device.type != "cpu":
        raise DeviceError(f"`--runtime {runtime}` computes on the processor; add `--device cpu`, or leave it out")
    if net.num_frames > 1:
        raise DeviceError(
            f"`--runtime {runtime}` is for networks that look at one picture; video networks are computed by torch: leave it out"
        )
    float_blocks(net)
    dtype = setup.dtype if runtime == "openvino" and setup.dtype == torch.bfloat16 else torch.float32
    setup = replace(setup, dtype=dtype, int8=False, runtime=runtime)
    compiled = cast("Net", importlib.import_module(_EXPORTED).CompiledNet(net, setup=setup, sha256=sha256))
    agreement = agreement_of(compiled, setup, exact=net)
    if not agreement >= LEAST_AGREEMENT:
        raise DeviceError(
            f"{runtime} agrees with torch to {agreement:.0f} dB only on this machine (at least {LEAST_AGREEMENT:.0f} dB are needed); "
            "use `--runtime torch`"
        )
    return compiled, setup


def _fastest(net: Net, setup: Setup, *, sha256: str) -> Literal["torch", "onnx", "openvino"]:
    """The runtime that takes the least time, timed once a machine."""
    seconds: dict[Literal["torch", "onnx", "openvino"], float] = {}
    for name in ("torch", "onnx", "openvino"):
        known = {"weights": sha256, "precision": setup.precision, "threads": str(setup.threads.most), **_versions(name)}

        def measure(runtime: Literal["torch", "onnx", "openvino"] = name) -> float:
            try:
                timed = (net, setup) if runtime == "torch" else _tested(net, setup, runtime=runtime, sha256=sha256)
            except UnblurError:  # not installed, or it failed
                return -1.0
            return _seconds(*timed)

        seconds[name] = measured_once(f"seconds-by-{name}", measure, kind=float, known=known)
    return min(seconds, key=lambda name: seconds[name] if seconds[name] > 0 else math.inf)


def _versions(runtime: str) -> Mapping[str, str]:
    """The version of a runtime, so that another one is timed anew; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {runtime: version("onnxruntime" if runtime == "onnx" else runtime)}
    except PackageNotFoundError:
        return {runtime: ""}


def _seconds(net: Net, setup: Setup) -> float:
    """The least time for one picture, of a few."""
    height, width = net.fit_size(_SIDE, _SIDE)
    picture = like_pictures(1, height, width, generator=torch.Generator().manual_seed(0))
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        setup.run(net, picture)
        times.append(time.perf_counter() - began)
    return min(times)
