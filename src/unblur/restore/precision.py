"""Where and how a network runs: device and precision, whether the machine computes rightly, and how many views it is shown."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from unblur.errors import DeviceError
from unblur.layers.int8 import float_blocks, int8_blocks, suits_int8, supports_int8
from unblur.models.base import Net
from unblur.restore.machine import measured_once
from unblur.restore.memory import out_of_memory
from unblur.restore.noise import like_pictures
from unblur.restore.self_ensemble import check_self_ensemble, mean_of_views, to_view
from unblur.restore.threads import Threads, running_on

__all__ = [
    "LEAST_AGREEMENT",
    "Device",
    "Precision",
    "Setup",
    "agreement_of",
    "check_precision",
    "choose_device",
    "fast_precision",
    "self_test",
    "set_up",
]

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SIDE = 64  # pixels of the tile of the self-test, at least
_RUNS = 6
_LEAST_GAIN = 1.2  # by how much bf16 must be faster than fp32, to be taken for its speed
LEAST_AGREEMENT = 40.0
"""dB between a lower precision, or another runtime, and fp32 by torch; healthy networks have 50 and more."""


@dataclass(frozen=True)
class Setup:
    """Where and how a network runs.

    Attributes:
        device: the device.
        dtype: of convolutions and matrix products; pictures, positions and sums stay in fp32.
        int8: whether the residual blocks were turned to integers, see `unblur.layers.int8`.
        threads: chooses the number of threads on a processor.
        runtime: `torch`, or the runtime that computes the network in its place (`unblur.restore.runtimes`).
        note: what the user should know, such as why a precision was given up; empty if nothing.
        self_ensemble: mirrored and turned views of which the mean is taken, see `unblur.restore.self_ensemble`.
    """

    device: torch.device
    dtype: torch.dtype
    note: str = ""
    self_ensemble: int = 1
    int8: bool = False
    threads: Threads = field(default_factory=Threads, compare=False)
    runtime: str = "torch"

    @property
    def precision(self) -> str:
        """`fp32`, `bf16`, `fp16` or `int8`."""
        return "int8" if self.int8 else _name_of(self.dtype)

    @contextmanager
    def computing(self, pixels: int) -> Iterator[None]:
        """Inference in this precision, on as many threads as a picture of so many pixels is worth: for everything that a network computes."""
        lower = self.dtype != torch.float32
        autocast = torch.autocast(self.device.type, self.dtype if lower else None, enabled=lower)
        with self.threads.running(pixels), torch.inference_mode(), autocast:
            yield

    def run(self, net: Net, blurry: Tensor) -> Tensor:
        """Apply `net` to every view; (B, ..., H, W) fp32 in and out."""
        with self.computing(math.prod(blurry.shape[-2:])):
            return mean_of_views(net(to_view(blurry, view)).float() for view in range(self.self_ensemble))

    def wait(self) -> None:
        """Wait until the device has done what it was given; a processor always has."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


def choose_device(wish: Device) -> torch.device:
    """The device for a wish; `auto` takes a GPU if there is one.

    Raises:
        DeviceError: if the device asked for is not there.
    """
    if wish not in get_args(Device):
        raise DeviceError(f"there is no device `{wish}`; choose one of {', '.join(get_args(Device))}")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return torch.device(next(name for name, available in there.items() if available))
    if not there[wish]:
        raise DeviceError(
            f"this machine has no `{wish}` device that torch {torch.__version__} can use; run `unblur doctor`, or use `--device cpu`"
        )
    return torch.device(wish)


def check_precision(precision: object) -> None:
    """Raise a `DeviceError` unless this names a precision."""
    if precision not in get_args(Precision):
        raise DeviceError(f"there is no precision `{precision}`; choose one of {', '.join(get_args(Precision))}")


def fast_precision(device: torch.device) -> torch.dtype:
    """The precision that is fast on `device`: bf16 where its hardware multiplies bf16, else fp32; asked of torch, and measured on a processor."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        return torch.bfloat16 if _cpu_multiplies_bf16() and _cpu_gains_by_bf16() else torch.float32
    return torch.float32


def set_up(net: Net, *, device: Device = "auto", precision: Precision = "auto", self_ensemble: int = 1) -> Setup:
    """Move `net` to the device and choose the precision, tested on one tile.

    By itself it takes bf16 where that is fast, else integers where those are, else fp32. What was chosen by itself and fails the test is
    replaced by fp32, and the note says so.

    Raises:
        DeviceError: if the device is not there, or a precision that was asked for is not to be had there or fails the test.
        InputError: if `self_ensemble` is not one of `unblur.restore.self_ensemble.COUNTS`.
    """
    check_self_ensemble(self_ensemble)
    place = choose_device(device)
    check_precision(precision)
    if place.type == "cpu" and precision == "fp16":
        raise DeviceError("processors have no fast fp16; use `--precision bf16` or `--precision auto`")
    net.to(device=place, memory_format=net.memory_format).eval()  # type: ignore[call-overload]
    if precision not in {"auto", *net.precisions}:
        raise DeviceError(f"this network cannot be computed in {precision}; use `--precision fp32` or `--precision auto`")
    fast = fast_precision(place)
    if _name_of(fast) not in net.precisions:
        fast = torch.float32
    float_blocks(net)
    whole = place.type == "cpu" and supports_int8() and suits_int8(net)
    if precision == "int8" and not whole:
        raise DeviceError(_why_no_int8(place))
    int8 = precision == "int8" or (precision == "auto" and whole and fast == torch.float32)
    dtype = fast if precision in {"auto", "int8"} else _DTYPES[precision]
    setup = Setup(place, dtype, self_ensemble=self_ensemble, int8=int8)
    if setup.precision == "fp32":
        return setup
    agreement = self_test(net, setup)
    if agreement >= LEAST_AGREEMENT:
        return setup
    float_blocks(net)
    finding = f"{setup.precision} agrees with fp32 to {agreement:.0f} dB only on this machine"
    if agreement == -math.inf:
        finding = f"{setup.precision} gives no usable numbers on this machine"
    if precision != "auto":
        raise DeviceError(f"{finding} (at least {LEAST_AGREEMENT:.0f} dB are needed); use `--precision fp32`")
    return Setup(place, torch.float32, note=f"{finding}; using fp32, which is slower", self_ensemble=self_ensemble)


def self_test(net: Net, setup: Setup) -> float:
    """Agreement with fp32 on one tile, dB of PSNR; minus infinity if nothing finite comes out.

    The network comes with its residual blocks in floats, and with `setup.int8` it leaves with them in integers.
    """
    tile = _tile(net, setup)
    exact = Setup(setup.device, torch.float32).run(net, tile)
    if setup.int8:
        int8_blocks(net)
    return _agreement(net, setup, tile=tile, exact=exact)


def agreement_of(net: Net, setup: Setup, *, exact: Net) -> float:
    """Agreement of a network with another one in fp32 on one tile, as `self_test`."""
    tile = _tile(exact, setup)
    return _agreement(net, setup, tile=tile, exact=Setup(setup.device, torch.float32).run(exact, tile))


def _tile(net: Net, setup: Setup) -> Tensor:
    """An input of the self-test."""
    height, width = net.fit_size(_SIDE, _SIDE)
    shape = (1, 3, height, width) if net.num_frames == 1 else (1, net.num_frames, 3, height, width)
    return like_pictures(net.num_frames, height, width, generator=torch.Generator().manual_seed(0)).view(shape).to(setup.device)


def _agreement(net: Net, setup: Setup, *, tile: Tensor, exact: Tensor) -> float:
    try:
        fast = replace(setup, self_ensemble=1).run(net, tile)
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        return -math.inf  # torch has some operations in fp32 only
    if not bool(torch.isfinite(fast).all()):
        return -math.inf
    return float(-10 * torch.log10((exact - fast).square().mean().clamp_min(1e-12)))


def _name_of(dtype: torch.dtype) -> str:
    return next(name for name, known in _DTYPES.items() if known == dtype)


def _why_no_int8(device: torch.device) -> str:
    if device.type != "cpu":
        return "`--precision int8` is for processors; GPUs are faster with `--precision auto`"
    if not supports_int8():
        return "this processor has no fast arithmetic of 8-bit integers (x86 with VNNI); use `--precision auto`"
    return "this network has no residual blocks of 32 features or more, which alone are computed in integers; use `--precision auto`"


def _cpu_multiplies_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware (AVX512-BF16, AMX, or Arm's BF16) and torch makes use of it."""
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        if getattr(torch.cpu, name, lambda: False)():
            return True
    on_arm = torch.backends.cpu.get_cpu_capability() in {"DEFAULT", "SVE256", "SVE"} and not _is_x86()
    return on_arm and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch offers no public name


@cache
def _cpu_gains_by_bf16() -> bool:
    """Whether a convolution takes clearly less time in bf16. Some processors have the instruction, and take twice as long with it.

    Timed once a machine, so that runs, also of different networks, choose alike (`unblur.restore.machine`).
    """
    return measured_once(
        "bf16-is-faster",
        lambda: _seconds_of_convolution(torch.float32) > _LEAST_GAIN * _seconds_of_convolution(torch.bfloat16),
        kind=bool,
    )


@torch.no_grad()
def _seconds_of_convolution(dtype: torch.dtype) -> float:
    """The least of a few runs, so that other programs and the first run's preparations do not count."""
    convolution = nn.Conv2d(64, 64, 3, padding=1, dtype=dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    feat = torch.zeros(1, 64, 96, 96, dtype=dtype).to(memory_format=torch.channels_last)
    times = []
    with running_on(1):  # of several, the slowest is timed, which has waited for another program
        for _ in range(_RUNS):
            began = time.perf_counter()
            convolution(feat)
            times.append(time.perf_counter() - began)
    return min(times)


def _is_x86() -> bool:
    import platform

    return platform.machine().lower() in {"x86_64", "amd64", "i386", "i686"}
