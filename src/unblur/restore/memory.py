"""Memory: how much there is, how much a network needs for a tile, and how to keep it between frames."""

import ctypes
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["free_bytes", "keep_freed_memory", "out_of_memory", "peak_bytes"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT = 1 << 30  # blocks up to this size come from memory that is kept

# What torch says on Linux, on Windows, on a GPU, in C++, and in CUDA's libraries.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "status_alloc_failed")
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for the next frame instead of giving it back to the kernel.

    glibc returns every block above 32 MB at once and faults it in again, page by page, for the next frame; keeping it
    makes networks 1.5 to 2 times faster on a CPU. Acts on allocations from now on, in the whole process.

    Returns:
        Whether the C library took the wish; only glibc does.
    """
    system: str = sys.platform
    if not system.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    taken = [mallopt(name, size) for name, size in ((_M_MMAP_THRESHOLD, _KEPT), (_M_TRIM_THRESHOLD, _KEPT), (_M_TOP_PAD, 64 << 20))]
    return all(taken)


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken on `device`, in bytes; within the limit of a container if there is one."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return max(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(), 0)
    free = [_meminfo_available(), _windows_available(), _cgroup_available()]
    known = [amount for amount in free if amount is not None]
    return min(known) if known else 4 << 30  # an unknown system: assume a small laptop


def peak_bytes(run: Callable[[], object]) -> int:
    """The most memory that tensors made inside `run` held at any moment, in bytes; works on every device."""
    with _LiveTensors() as live:
        run()
    return live.peak


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _NO_MEMORY)


class _Count:
    """Counts the bytes of the storages that operations make, as long as they are referred to.

    It is no `TorchDispatchMode` itself: of a class that is, torch wraps this method in one that imports all of its compiler, for 1.3 s.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()  # noqa: SLF001 - the only identity that a storage has
        if key not in self._seen:
            self._seen.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


class _LiveTensors(_Count, TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts while it is entered."""


def _meminfo_available() -> int | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        if not hasattr(os, "sysconf"):
            return None
        pages = os.sysconf("SC_PHYS_PAGES")
        return pages * os.sysconf("SC_PAGE_SIZE") // 2 if pages > 0 else None  # what others use is unknown: half of all
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


class _MemoryStatus(ctypes.Structure):
    """`MEMORYSTATUSEX` of the Windows API (sysinfoapi.h)."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("available_physical", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    ]


def _windows_available() -> int | None:
    """Physical memory that is free, and no more than the process may still commit; None on other systems.

    Source: Windows API, `GlobalMemoryStatusEx`.
    """
    libraries = getattr(ctypes, "windll", None)
    if libraries is None:
        return None
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    if not libraries.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return min(int(status.available_physical), int(status.available_page_file))


def _cgroup_available() -> int | None:
    """What a container's limit leaves (Linux, Documentation/admin-guide/cgroup-v2.rst); None if there is none.

    Files that were read count as memory in use, until it is needed for something else: they are free, too.
    """
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit == "max":
            return None
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        used = int((_CGROUP / "memory.current").read_text()) - int(statistics["inactive_file"])
        return max(int(limit) - used, 0)
    except (OSError, ValueError, KeyError):
        return None
