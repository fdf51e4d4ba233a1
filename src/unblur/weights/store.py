"""The user's folder of pulled weights: published ones of others, which are not part of the project."""

from pathlib import Path

from unblur.io.folders import user_folder

__all__ = ["WEIGHTS_VARIABLE", "command_for", "pulled", "store_folder"]

WEIGHTS_VARIABLE = "UNBLUR_WEIGHTS"
"""Environment variable that names another folder."""

_COMMANDS = {
    "maxim": "unblur models pull maxim",
    "maxim_1": "unblur models pull maxim --num-stages 1",
    "maxim_2": "unblur models pull maxim --num-stages 2",
}


def store_folder() -> Path:
    """The folder of pulled weights: of `UNBLUR_WEIGHTS`, else in the platform's for this user's data; it may not be there."""
    return user_folder("data", variable=WEIGHTS_VARIABLE, inside="weights")


def pulled() -> list[str]:
    """Names of the weights in `store_folder()` that have a card, sorted; built-in weights of the same name hide them."""
    folder = store_folder()
    files = (path for path in folder.glob("*.safetensors") if not path.name.startswith("."))  # hidden: not yet whole
    return sorted(path.stem for path in files if path.is_file() and path.with_suffix(".json").is_file())


def command_for(name: str) -> str | None:
    """The command that pulls the weights called so, if they are known."""
    return _COMMANDS.get(name)
