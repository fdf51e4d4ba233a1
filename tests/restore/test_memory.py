import ctypes
import gc
import struct
import subprocess
import sys

import pytest
import torch

from unblur.restore import memory
from unblur.restore.memory import free_bytes, keep_freed_memory, out_of_memory, peak_bytes

CPU = torch.device("cpu")
KIB = 1024


def test_peak_of_a_chain_is_two_links():
    def run() -> None:
        feat = torch.zeros(256)  # 1 KiB
        for _ in range(10):
            feat = feat + 1

    assert peak_bytes(run) == 2 * KIB


def test_what_is_held_adds_up():
    def run() -> None:
        held = [torch.zeros(256) for _ in range(5)]
        assert held

    assert peak_bytes(run) == 5 * KIB


def test_the_peak_counts_and_not_the_end():
    def run() -> torch.Tensor:
        wide = torch.zeros(100 * 256)
        narrow = wide[:256].clone()
        del wide
        return narrow + narrow + narrow

    assert peak_bytes(run) == 101 * KIB


def test_views_and_changes_in_place_cost_nothing():
    def run() -> None:
        feat = torch.zeros(16, 16)
        feat.view(256).add_(1)
        feat.t()[3:].mul_(2)

    assert peak_bytes(run) == KIB


def test_counting_does_not_import_the_compiler_of_torch():
    code = "import sys, torch; from unblur.restore.memory import peak_bytes; print(peak_bytes(lambda: torch.zeros(256)), 'torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1024", "False"]


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.bfloat16, 2), (torch.uint8, 1)])
def test_bytes_are_those_of_the_type(dtype, size):
    assert peak_bytes(lambda: torch.zeros(1000, dtype=dtype)) == 1000 * size


def test_a_network_in_inference_under_autocast():
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1))
    picture = torch.zeros(1, 4, 64, 64)

    def run(enabled: bool) -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            net(picture)

    # Two maps of 8 channels at a time, or one beside one of 4; besides in bf16, the input and the weights.
    assert peak_bytes(lambda: run(False)) == 2 * 8 * 64 * 64 * 4
    assert 2 * 8 * 64 * 64 * 2 <= peak_bytes(lambda: run(True)) < 2 * 8 * 64 * 64 * 4
    gc.collect()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
            "40000000000000 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:83] data. DefaultCPUAllocator: not enough memory: you tried to allocate 16 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.95 GB, other allocations: 1 MB, max allowed: 18.13 GB)."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_ways_of_saying_that_memory_ran_out(error):
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory"), KeyError("out of memory")]
)
def test_other_errors_are_something_else(error):
    assert not out_of_memory(error)


def test_what_torch_really_says_is_known():
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 56, dtype=torch.uint8)
    assert out_of_memory(error.value)


def test_some_memory_is_free():
    assert 1 << 20 < free_bytes(CPU) < 1 << 50


def container(folder, **files: str):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_container_sets_the_limit(tmp_path, monkeypatch):
    """What it has read of files counts as used, but is free."""
    monkeypatch.setattr(
        memory, "_CGROUP", container(tmp_path, memory_max="9000\n", memory_current="6000\n", memory_stat="anon 2000\ninactive_file 3500\n")
    )
    assert free_bytes(CPU) == 9000 - (6000 - 3500)


def test_a_full_container_has_nothing_free(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", container(tmp_path, memory_max="10", memory_current="30", memory_stat="inactive_file 0"))
    assert free_bytes(CPU) == 0


@pytest.mark.parametrize("files", [{}, {"memory_max": "max\n"}, {"memory_max": "10", "memory_current": "3"}])
def test_without_a_limit_the_machine_counts(tmp_path, monkeypatch, files):
    monkeypatch.setattr(memory, "_CGROUP", container(tmp_path, **files))
    assert free_bytes(CPU) > 1 << 20


class Windows:
    """The part of the Windows API that tells about memory (`MEMORYSTATUSEX`: two 32-bit numbers, then seven of 64 bits)."""

    def __init__(self, *, physical: int, commit: int, works: bool = True) -> None:
        self.kernel32 = self
        self.physical, self.commit, self.works = physical, commit, works

    def GlobalMemoryStatusEx(self, pointer) -> int:  # noqa: N802 - its name
        status = pointer._obj
        (length,) = struct.unpack_from("<I", bytes(status))
        assert length == ctypes.sizeof(status) == 64  # the function refuses other lengths
        filled = struct.pack("<IIQQQQQQQ", 64, 50, 16 << 30, self.physical, 32 << 30, self.commit, 1 << 47, 1 << 46, 0)
        ctypes.memmove(ctypes.addressof(status), filled, len(filled))
        return int(self.works)


@pytest.mark.parametrize(
    ("windows", "free"),
    [
        (Windows(physical=5 << 30, commit=20 << 30), 5 << 30),
        (Windows(physical=5 << 30, commit=2 << 30), 2 << 30),  # other programs have reserved nearly all
        (Windows(physical=5 << 30, commit=20 << 30, works=False), 4 << 30),
    ],
)
def test_free_memory_on_windows(tmp_path, monkeypatch, windows, free):
    monkeypatch.setattr(ctypes, "windll", windows, raising=False)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "none")
    monkeypatch.delattr("os.sysconf", raising=False)
    assert free_bytes(CPU) == free


class Library:
    """A C library that takes wishes, or refuses those with some names."""

    def __init__(self, *, refused: tuple[int, ...] = ()) -> None:
        self.refused, self.wishes = refused, {}

    def mallopt(self, name: int, value: int) -> int:
        self.wishes[name] = value
        return int(name not in self.refused)


def test_keeping_memory_asks_for_large_blocks_too(monkeypatch):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    monkeypatch.setattr("sys.platform", "linux")
    assert keep_freed_memory()
    trim, pad, mmap = (library.wishes[name] for name in (-1, -2, -3))  # malloc.h
    assert min(trim, mmap) >= 1 << 30
    assert 0 < pad < trim


@pytest.mark.parametrize("library", [Library(refused=(-3,)), object()])
def test_other_libraries_are_left_alone(monkeypatch, library):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    monkeypatch.setattr("sys.platform", "linux")
    assert not keep_freed_memory()


def test_other_systems_are_left_alone(monkeypatch):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory()
    assert not library.wishes
