"""Files of recipes: built-in ones by name, `extends`, and the merge of a recipe over the one that it extends.

Built-in recipes are in `unblur/recipes`, as `SYSTEM/NAME.yaml`; their names are `SYSTEM/NAME`. Those in `base` have no network and are only
extended.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from unblur.errors import InputError

__all__ = ["RecipeFile", "find_recipe", "first_comment", "merge", "read_file", "recipe_names"]

_BASE = "base"
"""Folder of the built-in recipes that are only extended."""


@dataclass(frozen=True)
class RecipeFile:
    """A recipe file together with those that it extends.

    Attributes:
        path: the file.
        values: its keys merged over those of the file that it extends, which are resolved likewise. `extends` is not among them.
        extended: the files that it extends, the nearest first.
    """

    path: Path
    values: dict[str, Any]
    extended: tuple[Path, ...]


def recipe_names() -> list[str]:
    """Names of the built-in recipes, `SYSTEM/NAME`, in alphabetical order.

    Example:
        >>> "swift/stills" in recipe_names()
        True
    """
    return [name for name in _all_names() if not name.startswith(f"{_BASE}/")]


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: a file, or where there is no such file the name of a built-in recipe.

    Raises:
        InputError: if there is neither.

    Example:
        >>> find_recipe("astcn/gopro").name
        'gopro.yaml'
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    return _built_in(str(name_or_path), among=recipe_names())


def read_file(path: Path) -> RecipeFile:
    """Read a recipe file and those that it extends.

    `extends` is a file, relative to the one that says it and ending in `.yaml` or `.yml`, or the name of a built-in recipe.

    Raises:
        InputError: if a file cannot be read or is no mapping, what it extends is not there, or it extends itself over however many files.
    """
    return _read(path, above=())


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The keys of `base` with those of `change` over them; mappings in both are merged in the same way.

    All other values, also lists and None, replace what they stand over. A mapping that names its `kind` replaces the whole mapping below
    it, since the keys of another kind mean other things. `{}` is the identity of the merge; it is associative where a key is a mapping
    in all that are merged or in none.

    Example:
        >>> merge({"lr": 1.0, "loss": {"mse": 1.0}}, {"loss": {"l1": 0.5}})
        {'lr': 1.0, 'loss': {'mse': 1.0, 'l1': 0.5}}
        >>> merge({"data": {"kind": "pairs", "layout": "gopro"}}, {"data": {"kind": "stills"}})
        {'data': {'kind': 'stills'}}
    """
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and "kind" not in value:
            value = merge(below, value)
        merged[key] = value
    return merged


def first_comment(path: Path) -> str:
    """The first sentence of the comment at the beginning of a file, empty if it has none."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines).partition(". ")[0].removesuffix(".")


def _read(path: Path, *, above: tuple[Path, ...]) -> RecipeFile:
    """Read a file; `above` are the files that extend it, the first read first."""
    own = _own_values(path)
    parent = own.pop("extends", None)
    if parent is None:
        return RecipeFile(path, own, ())
    if not isinstance(parent, str):
        raise InputError(
            f"recipe `{path}` does not fit: `extends` must be a file, such as `other.yaml`, or the name of a built-in recipe, "
            f"such as `swift/stills`, got {parent!r}"
        )
    found = _extended(parent, by=path)
    chain = (*above, path)
    if found.resolve() in [each.resolve() for each in chain]:
        steps = " → ".join(f"`{each}`" for each in (*chain, found))
        raise InputError(f"recipe `{path}` does not fit: it extends itself, {steps}; remove `extends` from one of them")
    below = _read(found, above=chain)
    return RecipeFile(path, merge(below.values, own), (found, *below.extended))


def _own_values(path: Path) -> dict[str, Any]:
    """The keys of one file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"recipe `{path}` cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"recipe `{path}` does not fit: it must be a list of `key: value` lines")
    return values


def _extended(parent: str, *, by: Path) -> Path:
    """The file that `extends` names."""
    try:
        if not parent.endswith((".yaml", ".yml")):
            return _built_in(parent, among=_all_names())
        beside = by.parent / parent
        if not beside.is_file():
            raise InputError(
                f"there is no file `{beside}`; `extends` is relative to the file that says it, or the name of a built-in recipe"
            )
    except InputError as error:
        raise InputError(f"recipe `{by}` does not fit: `extends: {parent}`: {error}") from error
    return beside


def _built_in(name: str, *, among: list[str]) -> Path:
    if name in among:
        return _folder() / f"{name}.yaml"
    near = get_close_matches(name.removeprefix("recipes/").removesuffix(".yaml"), among, n=1, cutoff=0.6)
    hint = f"did you mean the built-in `{near[0]}`?" if near else "`unblur recipes` lists the built-in ones"
    raise InputError(f"recipe `{name}` cannot be read: there is no such file, and no built-in recipe of that name; {hint}")


def _all_names() -> list[str]:
    return sorted(path.relative_to(_folder()).with_suffix("").as_posix() for path in _folder().glob("*/*.yaml"))


def _folder() -> Path:
    return Path(str(files("unblur"))) / "recipes"
