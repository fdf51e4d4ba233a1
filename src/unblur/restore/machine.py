"""What has been measured on this machine, measured once and kept for later runs.

Timings differ from run to run; what is chosen by them must not. Each measurement is a small JSON file in the user's cache folder, found by
what it depends on: the version of the program, the processor and torch. Damaged or unreadable files count as missing, and a cache folder
that cannot be written to only costs a new measurement.
"""

import contextlib
import hashlib
import json
import os
import platform
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import unblur

__all__ = ["CACHE_VARIABLE", "cache_folder", "measured_once"]

CACHE_VARIABLE = "UNBLUR_CACHE_DIR"
"""Environment variable that names another cache folder."""


def cache_folder() -> Path:
    """The folder for files that can be made again: of `UNBLUR_CACHE_DIR`, else the platform's for this user.

    Source: XDG Base Directory Specification (Linux), File System Programming Guide (macOS), Known Folders (Windows).
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "unblur" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "unblur"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unblur"


def measured_once(name: str, measure: Callable[[], bool]) -> bool:
    """The answer of `measure`, from an earlier run on this machine if there was one.

    Of two processes that measure at the same time, both take the answer of the one that was done first.

    Args:
        name: of the measurement, as a file name.
        measure: called without an earlier answer.
    """
    key = {
        "measurement": name,
        "unblur": unblur.__version__,
        "torch": torch.__version__,
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    try:
        path = cache_folder() / f"{name}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    except RuntimeError:  # no home folder
        return measure()
    known = _read(path, key)
    if known is not None:
        return known
    answer = measure()
    with contextlib.suppress(OSError):
        _write(path, key, answer=answer)
    known = _read(path, key)
    return answer if known is None else known


def _read(path: Path, key: dict[str, str]) -> bool | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    answer = found.get("answer") if isinstance(found, dict) and all(found.get(name) == value for name, value in key.items()) else None
    return answer if isinstance(answer, bool) else None


def _write(path: Path, key: dict[str, str], *, answer: bool) -> None:
    """Write the file as a whole; what another process has written meanwhile stays, what is damaged is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_text(json.dumps(key | {"answer": answer}), encoding="utf-8")
        try:
            path.hardlink_to(partial)
        except OSError:  # there is one already, or the file system has no links
            if _read(path, key) is None:
                partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.lower().startswith(("model name", "cpu part")))
    return next(names, "") or platform.processor() or platform.machine()
