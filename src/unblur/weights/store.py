"""The user's folder of pulled weights: published ones of others, which are not part of the project."""

import os
import sys
from pathlib import Path

__all__ = ["WEIGHTS_VARIABLE", "command_for", "pulled", "store_folder"]

WEIGHTS_VARIABLE = "UNBLUR_WEIGHTS"
"""Environment variable that names another folder."""

_COMMANDS = {
    "maxim": "unblur models pull maxim",
    "maxim_1": "unblur models pull maxim --num-stages 1",
    "maxim_2": "unblur models pull maxim --num-stages 2",
}


def store_folder() -> Path:
    """The folder of pulled weights: of `UNBLUR_WEIGHTS`, else the platform's for this user's data; it may not be there.

    Source: XDG Base Directory Specification (Linux; relative paths are ignored, as it says), File System Programming Guide (macOS), Known
    Folders (Windows).
    """
    if chosen := os.environ.get(WEIGHTS_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME", ""))
        data = data if data.is_absolute() else Path.home() / ".local" / "share"
    return data / "unblur" / "weights"


def pulled() -> list[str]:
    """Names of the weights in `store_folder()` that have a card, sorted; built-in weights of the same name hide them."""
    folder = store_folder()
    files = (path for path in folder.glob("*.safetensors") if not path.name.startswith("."))  # hidden: not yet whole
    return sorted(path.stem for path in files if path.is_file() and path.with_suffix(".json").is_file())


def command_for(name: str) -> str | None:
    """The command that pulls the weights called so, if they are known."""
    return _COMMANDS.get(name)
