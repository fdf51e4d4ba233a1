"""The memory that this process takes, as the kernel counts it, on Linux."""

import ctypes
from pathlib import Path

__all__ = ["forget_peak", "peak"]


def forget_peak() -> float:
    """Let the largest resident set count anew from now on, as Linux can, without what was freed; gives what is resident now, GiB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc, which the program asks to keep what is freed
    if trim is not None:
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """The largest resident set, GiB."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 2**20  # it counts KiB
