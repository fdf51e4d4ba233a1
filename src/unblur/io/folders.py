"""The user's folders for what the program keeps between runs.

Source: XDG Base Directory Specification (Linux; relative paths are ignored, as it says), File System Programming Guide (macOS), Known Folders
(Windows).
"""

import os
import sys
from pathlib import Path
from typing import Literal

__all__ = ["user_folder"]

_XDG = {"cache": ("XDG_CACHE_HOME", ".cache"), "data": ("XDG_DATA_HOME", ".local/share")}
_MACOS = {"cache": "Caches", "data": "Application Support"}


def user_folder(kind: Literal["cache", "data"], *, variable: str, inside: str = "") -> Path:
    """The folder for files that can be made again, or for data; it may not be there.

    Args:
        kind: which.
        variable: environment variable that names another folder.
        inside: name of a folder in the program's own.

    Raises:
        RuntimeError: if the user has no home folder, and nothing names another.
    """
    if chosen := os.environ.get(variable):
        return Path(chosen)
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "unblur"
        folder = folder / "Cache" if kind == "cache" else folder
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / _MACOS[kind] / "unblur"
    else:
        name, usual = _XDG[kind]
        given = Path(os.environ.get(name, ""))
        folder = (given if given.is_absolute() else Path.home() / usual) / "unblur"
    return folder / inside
