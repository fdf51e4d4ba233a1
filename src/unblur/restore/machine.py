"""What has been measured on this machine, measured once and kept for later runs.

Timings differ from run to run; what is chosen by them must not. Each measurement is a small JSON file in the user's cache folder, found by
what it depends on: the version of the program, the processor and torch. Damaged or unreadable files count as missing, and a cache folder
that cannot be written to only costs a new measurement.
"""

import contextlib
import hashlib
import json
import math
import platform
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch

import unblur
from unblur.io.folders import user_folder

__all__ = ["CACHE_VARIABLE", "measured_once"]

Answer = TypeVar("Answer", bool, float)

CACHE_VARIABLE = "UNBLUR_CACHE_DIR"
"""Environment variable that names another cache folder."""


def measured_once(name: str, measure: Callable[[], Answer], *, kind: type[Answer], known: Mapping[str, str] | None = None) -> Answer:
    """The answer of `measure`, from an earlier run on this machine if there was one.

    Of two processes that measure at the same time, both take the answer of the one that was done first.

    Args:
        name: of the measurement, as a file name.
        measure: called without an earlier answer.
        kind: of the answer, bool or float.
        known: what else it depends on.
    """
    key = {
        **(known or {}),
        "measurement": name,
        "unblur": unblur.__version__,
        "torch": torch.__version__,
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    try:
        path = user_folder("cache", variable=CACHE_VARIABLE) / f"{name}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    except RuntimeError:  # no home folder
        return measure()
    kept = _read(path, key, kind=kind)
    if kept is not None:
        return kept
    answer = measure()
    with contextlib.suppress(OSError):
        _write(path, key, answer=answer)
    kept = _read(path, key, kind=kind)
    return answer if kept is None else kept


def _read(path: Path, key: dict[str, str], *, kind: type[Answer]) -> Answer | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    answer = found.get("answer") if isinstance(found, dict) and all(found.get(name) == value for name, value in key.items()) else None
    return answer if type(answer) is kind and math.isfinite(answer) else None


def _write(path: Path, key: dict[str, str], *, answer: Answer) -> None:
    """Write the file as a whole; what another process has written meanwhile stays, what is damaged is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_text(json.dumps(key | {"answer": answer}), encoding="utf-8")
        try:
            path.hardlink_to(partial)
        except OSError:  # there is one already, or the file system has no links
            if _read(path, key, kind=type(answer)) is None:
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
