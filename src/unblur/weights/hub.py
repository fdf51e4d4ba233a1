"""Weights from a repository of the Hugging Face Hub, or of a mirror of it, kept in the user's folder of pulled weights.

A repository holds `NAME.safetensors` and its card `NAME.json`, as they are in this package. What the library huggingface_hub has in its cache is taken from
there, without a network; only what is missing is fetched (its variable `HF_ENDPOINT` names a mirror).
"""

import re
from pathlib import Path
from typing import Any

from unblur.errors import InputError, WeightsError
from unblur.io.optional import library
from unblur.io.whole import written_whole
from unblur.weights import Card, names, sha256_of
from unblur.weights.pull import Pulled, is_there, make_store
from unblur.weights.store import store_folder

__all__ = ["pull_from_hub"]


def pull_from_hub(name: str, *, repository: str, revision: str = "main", overwrite: bool = False) -> Pulled:
    """Fetch weights of a repository into the user's folder; the card then names the repository and the commit.

    Sound weights that are there already are left as they are.

    Args:
        name: of the weights.
        repository: `OWNER/NAME`.
        revision: branch, tag or commit of it.
        overwrite: fetch and replace weights that are there already.

    Raises:
        InputError: if the name or the repository is none, or built-in weights are called so.
        UnsupportedError: if huggingface_hub is not installed.
        WeightsError: if they cannot be fetched, or are not those of their card.
        OutputError: if the folder cannot be written to, or holds damaged weights of this name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise InputError(f"`{name}` is no name of weights; it has letters, digits, `_`, `-` and `.`")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise InputError(f"`{repository}` is no repository; write it as `OWNER/NAME`")
    if name in names():
        raise InputError(f"`{name}` is built in, and weights that are pulled would be hidden by it")
    target = store_folder() / f"{name}.safetensors"
    if not overwrite and is_there(target):
        return Pulled(name, target, new=False)
    hub = library("huggingface_hub", extra="hub", purpose="pulling weights from a repository")
    make_store(target.parent)
    fetched = {suffix: _fetched(hub, f"{name}{suffix}", repository, revision) for suffix in (".json", ".safetensors")}
    card = _checked(fetched[".json"], fetched[".safetensors"], repository=repository, name=name)
    commit = fetched[".safetensors"].parent.name  # `snapshots/COMMIT/NAME.safetensors`
    card = card.model_copy(update={"name": name, "revision": f"{repository}@{commit}"})
    with (
        written_whole(target.with_suffix(".json"), overwrite=overwrite) as described,
        written_whole(target, overwrite=overwrite) as partial,
    ):
        partial.write_bytes(fetched[".safetensors"].read_bytes())
        described.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Pulled(name, target, new=True)


def _fetched(hub: Any, file: str, repository: str, revision: str) -> Path:  # noqa: ANN401 - a module
    """A file of a repository, from the library's cache if it is there."""
    try:
        return Path(hub.hf_hub_download(repository, file, revision=revision, local_files_only=True))
    except Exception:  # noqa: BLE001, S110 - of several classes: it is not in the cache
        pass
    try:
        return Path(hub.hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # of several classes, from no network to no such file
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"cannot fetch `{file}` of `{repository}`, revision `{revision}`: {first}") from error


def _checked(card: Path, weights: Path, *, repository: str, name: str) -> Card:
    """The card of fetched weights, after they were found to be those that it describes."""
    try:
        read = Card.model_validate_json(card.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"the card of `{name}` in `{repository}` is damaged or of another version: {error}") from error
    if sha256_of(weights) != read.sha256:
        raise WeightsError(f"`{name}` in `{repository}` is not the file that its card describes (its sha256 differs)")
    return read
