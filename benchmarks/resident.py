"""The memory that this process takes, as Linux counts it; nan elsewhere."""

import ctypes
import math
from pathlib import Path

__all__ = ["forget_peak", "peak"]


def forget_peak() -> float:
    """Let the largest resident set count anew from now on, without what was freed; gives what is resident now, GiB."""
    try:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc, which the program asks to keep what is freed
        if trim is not None:
            trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, TypeError):  # another system, or one that does not let go
        return math.nan
    return peak()


def peak() -> float:
    """The largest resident set, GiB."""
    try:
        most = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()
    except OSError:
        return math.nan
    return float(most[0]) / 2**20 if most else math.nan  # it counts KiB
