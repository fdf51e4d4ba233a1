"""Connecting to a Ray cluster, or starting one on this machine alone."""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unblur.errors import InputError

__all__ = ["connected", "ray_module"]

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0" lets a cluster of one machine listen on 127.0.0.1 only, on every system
_STORE = 128 << 20  # bytes of the object store of a cluster that is started here: pictures go by files, not by Ray


def ray_module() -> Any:  # noqa: ANN401 - it may not be installed
    """The package ray.

    Raises:
        InputError: if it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise InputError("a cluster needs Ray; install it by `pip install 'unblur[cluster]'`") from error


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be connected to a cluster inside the block; what was started for it ends with it.

    A program that has called `ray.init` itself keeps its connection, whatever the address. A cluster that is started here listens on 127.0.0.1 only, if
    Ray was not imported before; Ray has no passwords, and who reaches its ports can run any code.

    Args:
        address: `host:port` of the head node; or `auto` for the cluster of `RAY_ADDRESS` or of `ray start` on this machine, or if there is none, for one
            that is started with the processors of this machine.

    Raises:
        InputError: if Ray is not installed, the cluster does not answer or has another version of Python or Ray, or none can be started.
    """
    alone = address == "auto" and not _is_running()
    if alone:
        os.environ.setdefault(_LOOPBACK, "0")  # read when ray is imported
    ray = ray_module()
    if ray.is_initialized():
        yield
        return
    own = {"include_dashboard": False, "object_store_memory": _STORE} if alone else {}
    try:
        ray.init(address="local" if alone else address, log_to_driver=False, logging_level="ERROR", **own)
    except Exception as error:  # Ray raises plain ones, too
        raise InputError(
            f"there is no cluster `{address}`: {str(error).strip() or type(error).__name__}; start one by `ray start --head` and give its `HOST:PORT`, "
            "or `ray stop` what is left of an old one"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _is_running() -> bool:
    """Whether a cluster is named by the environment, or was started on this machine."""
    temporary = os.environ.get("RAY_TMPDIR") or ("/tmp" if os.name == "posix" else tempfile.gettempdir())  # noqa: S108 - Ray's own place
    return bool(os.environ.get("RAY_ADDRESS")) or (Path(temporary) / "ray" / "ray_current_cluster").exists()
