"""Weights: the built-in ones, those that were pulled, and loading from files, checked and without running anything from them.

A network's weights are a `.safetensors` file with a card beside it, the same name with `.json`, which says what the
network is, how it was trained and measured, and the file's sha256. The folder of a run of `unblur train` is taken as well.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from unblur.errors import WeightsError
from unblur.models import is_import_path
from unblur.weights.card import Card, Result
from unblur.weights.run import average_of_run, card_of_run, finite_tensors, is_run
from unblur.weights.store import command_for, pulled, store_folder

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn

__all__ = [
    "FASTEST",
    "QUALITIES",
    "Card",
    "Quality",
    "Result",
    "allowed_architecture",
    "best_for",
    "by_quality",
    "card_of",
    "card_path",
    "digest_of",
    "is_name",
    "load_into",
    "load_tensors",
    "names",
    "pulled_names",
    "sha256_of",
    "store_folder",
    "weights_path",
]

FASTEST = "swift"
"""The built-in weights that take the least time, for photos and, frame by frame, for videos."""

Quality = Literal["fast", "good", "best"]
"""How much effort a restoration may take: the names by which built-in weights are chosen."""

QUALITIES: dict[Literal["photo", "video"], dict[Quality, str]] = {
    "photo": {"best": "swift_fused", "good": "swift_best", "fast": "swift_quick"},
    "video": {"best": "swift_video_best", "good": "swift_video", "fast": FASTEST},
}
"""The built-in weights of each quality, the best first."""

BUILT_IN = Path(str(files("unblur.weights")))


def names() -> list[str]:
    """Names of the built-in weights."""
    return sorted(path.stem for path in BUILT_IN.glob("*.json"))


def pulled_names() -> list[str]:
    """Names of the weights that were pulled into the user's folder and are not hidden by built-in ones of the same name."""
    return [name for name in pulled() if name not in names()]


def is_name(name_or_path: str | Path) -> bool:
    """Whether built-in or pulled weights are called so."""
    return str(name_or_path) in names() or str(name_or_path) in pulled()


def best_for(kind: Literal["photo", "video"], *, quality: Quality = "best") -> str:
    """The built-in weights to take for photos or for videos."""
    return by_quality(kind, quality=quality)[0]


def by_quality(kind: Literal["photo", "video"], *, quality: Quality = "best") -> list[str]:
    """The built-in weights for photos or for videos, the best first and the fastest, which there always are, last.

    Args:
        kind: of what is restored.
        quality: of the first; better ones are left out.

    Raises:
        WeightsError: if there is no such quality.
    """
    named = QUALITIES[kind]
    if quality not in list(named):
        raise WeightsError(f"there is no quality `{quality}`; choose one of {', '.join(reversed(named))}")
    made, there = list(named.values())[list(named).index(quality) :], names()
    return [*(name for name in made if name in there and name != FASTEST), FASTEST]


def weights_path(name_or_path: str | Path) -> Path:
    """The file of built-in weights called so, else of pulled ones, or the path itself.

    Raises:
        WeightsError: if there is none of these; the message lists the names, or says how to pull the weights.
    """
    path = Path(name_or_path)
    if str(name_or_path) in names():
        return BUILT_IN / f"{name_or_path}.safetensors"
    if str(name_or_path) in pulled():
        return store_folder() / f"{name_or_path}.safetensors"
    if path.suffix in {".pth", ".pt", ".pkl", ".ckpt", ".bin"}:
        other = "" if path.suffix in {".pkl", ".bin"} else f"; a published checkpoint of another network is given as `--weights {path}`"
        raise WeightsError(
            f"`{path}` is a pickle, which may run code when it is loaded; weights must be a `.safetensors` file with a card{other}"
        )
    if command := command_for(str(name_or_path)):
        raise WeightsError(f"the weights `{name_or_path}` are published by others and not on this machine yet; fetch them with `{command}`")
    if path.suffix != ".safetensors" or not path.is_file():
        there = f"; pulled: {', '.join(pulled_names())}" if pulled_names() else ""
        raise WeightsError(
            f"there are no weights `{name_or_path}`; built in: {', '.join(names())}{there}; or give the path of a `.safetensors` file"
        )
    return path


def card_path(name_or_path: str | Path) -> Path:
    """The file of the card of built-in or pulled weights called so, or of a file of weights.

    Raises:
        WeightsError: if there is neither; the message lists the names.
    """
    if str(name_or_path) in names():
        return BUILT_IN / f"{name_or_path}.json"
    return weights_path(name_or_path).with_suffix(".json")


def card_of(name_or_path: str | Path) -> Card:
    """Read the card of built-in weights or of a file.

    Raises:
        WeightsError: if it is missing or does not fit; the message says what.
    """
    if is_run(name_or_path):
        return card_of_run(Path(name_or_path))
    path = card_path(name_or_path)
    try:
        return Card.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"the weights have no card; `{path}` should say what network they belong to") from error
    except OSError as error:
        raise WeightsError(f"cannot read the card `{path}`: {error.strerror or error}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise WeightsError(f"the card `{path}` is damaged or of another version: {error}") from error


def allowed_architecture(card: Card, *, networks: "Collection[str]" = ()) -> str:
    """The network that a card names, for `unblur.models.create`, which imports what has an import path for its name.

    A card can have been written by anyone, and an import runs code; so a card may only name import paths that the user has named himself.

    Args:
        card: of weights.
        networks: import paths that the user has named.

    Raises:
        WeightsError: if the card names another import path.
    """
    if is_import_path(card.architecture) and card.architecture not in networks:
        raise WeightsError(
            f"the weights `{card.name}` are of the network `{card.architecture}`, which is not part of unblur, and to load it would run its code; "
            f"if you have it and trust it, add `--network {card.architecture}` (in Python `network={card.architecture!r}`)"
        )
    return card.architecture


def load_tensors(name_or_path: str | Path) -> dict[str, Any]:
    """Read the tensors of built-in weights or of a file, checked against the card's sha256; floating-point ones in fp32.

    Those of parts that the card says to be other built-in weights are read from there.

    Raises:
        WeightsError: if the file is damaged or is not the one that the card describes, holds values that are not finite or tensors of such a
            part, or the card names weights for a part that are not built in or have parts themselves.
    """
    if is_run(name_or_path):
        return average_of_run(Path(name_or_path))
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = weights_path(name_or_path)
    card = card_of(name_or_path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read `{path}`: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise WeightsError(f"`{path}` is not the file that its card describes (its sha256 differs); it may be damaged: fetch it again")
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise WeightsError(f"`{path}` is damaged: {error}; fetch it again") from error
    tensors = finite_tensors(tensors, of=str(path))
    for part, other in card.parts.items():
        shared = {f"{part}.{tensor}": values for tensor, values in load_tensors(_part(card, other)).items()}
        if shared.keys() & tensors.keys():
            raise WeightsError(f"`{path}` holds tensors of `{part}`, which its card says to be those of `{other}`")
        tensors |= shared
    return tensors


def digest_of(card: Card) -> str:
    """What tells weights apart in rows and measurements: the sha256 of their file and, where parts are other weights, of those.

    Raises:
        WeightsError: if the card names weights for a part that are not built in or have parts themselves.
    """
    if not card.parts:
        return card.sha256
    files = [card.sha256, *(f"{part}:{card_of(_part(card, other)).sha256}" for part, other in sorted(card.parts.items()))]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()


def _part(card: Card, other: str) -> str:
    """The weights `other` that the card names for a part, if they may be."""
    if other not in names() or card_of(other).parts:
        raise WeightsError(f"the card of `{card.name}` takes a part from `{other}`, which are no built-in weights of one file")
    return other


def load_into(net: "nn.Module", name_or_path: str | Path) -> None:
    """Load weights into the network that their card names.

    Raises:
        WeightsError: as `load_tensors`, or if the tensors have other names, shapes or kinds of numbers than the network's, which torch would convert.
    """
    tensors = load_tensors(name_or_path)
    misfit = f"the weights `{name_or_path}` do not fit the network that their card names ({card_of(name_or_path).architecture})"
    for name, wanted in net.state_dict().items():
        if name in tensors and tensors[name].is_floating_point() is not wanted.is_floating_point():
            raise WeightsError(f"{misfit}: `{name}` holds {tensors[name].dtype}, not {wanted.dtype}")
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{misfit}: {error}") from error


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
