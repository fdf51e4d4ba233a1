"""What is known of a file of weights."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Card", "Result"]


class Result(BaseModel):
    """A measured figure, with all that is needed to measure it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: str
    """What was measured, such as `gain in PSNR, dB`."""
    value: float
    protocol: str
    data: str
    command: str


class Card(BaseModel):
    """What is known of a file of weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Literal["photo", "video", "flow"]
    summary: str
    """One line for `unblur models`."""
    architecture: str
    """Name of the network, as for `unblur.models.create`, or `create_flow` if `kind` is flow. An import path in it is only followed where the user names
    the same, see `unblur.weights.allowed_architecture`."""
    arguments: dict[str, Any]
    """Arguments of its constructor."""
    size_multiple: int
    origin: Literal["trained here", "ported", "not trained"]
    """`not trained` is for a method without parameters, whose file holds no tensors; one with parameters is refused then, as always where tensors are missing."""
    training_data: str
    recipe: str
    results: tuple[Result, ...]
    licence: str
    sha256: str
    parts: dict[str, str] = {}
    """Built-in weights that hold the tensors of a part of the network, by the name of the part; the file holds those of the others."""
    revision: str = ""
    """Of the repository or package that the weights were pulled from; empty for those that are part of the project."""
