"""Recipes: flat, complete YAML files; an unknown key is an error."""

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unblur.errors import InputError
from unblur.synth.stills import StillsBlur

__all__ = ["StillsRecipe", "read_recipe"]


class StillsRecipe(BaseModel):
    """How a photo network is trained on pairs made from stills."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """Name of the network."""
    arguments: dict[str, Any]
    """Arguments of its constructor."""
    seed: int
    steps: int = Field(gt=0)
    """Training steps in all."""
    batch: int = Field(gt=0)
    """Crops in a step."""
    crop: int = Field(gt=0)
    """Side of a crop, pixels."""
    pair_size: int = Field(gt=0)
    """Side of the synthetic pairs from which crops are cut, pixels."""
    window: int = Field(gt=0)
    """Pairs kept at a time."""
    window_start: int = Field(gt=0)
    """Pairs that are made before the first step."""
    fresh: float = Field(ge=0)
    """New pairs a step."""
    optimiser: Literal["adamw", "muon"]
    lr: float = Field(gt=0)
    """Learning rate after the warm-up."""
    warmup: int = Field(ge=0)
    """Steps in which the rate rises from 0."""
    decay: int = Field(ge=0)
    """Last steps, in which the rate falls to 0 along a straight line."""
    weight_decay: float = Field(ge=0)
    content: Literal["charbonnier", "log_mse"]
    """How the restored picture is compared with the truth."""
    content_weight: float = Field(gt=0)
    motion_weight: float = Field(ge=0)
    """Weight of the error of the estimated spread."""
    told_until: int = Field(ge=0)
    """Step from which the restoration no longer sees the true spread; before it, ever fewer crops do."""
    clip: float = Field(gt=0)
    """Largest norm of the gradient."""
    ema: float = Field(ge=0, lt=1)
    """Decay of the moving average of the weights, a step."""
    precision: str = Field(pattern="^(fp32|bf16)$")
    blur: dict[str, Any]
    """Changes to the ranges of `unblur.synth.stills.StillsBlur`."""

    @field_validator("blur")
    @classmethod
    def _names_ranges(cls, blur: dict[str, Any]) -> dict[str, Any]:
        unknown = blur.keys() - {field.name for field in fields(StillsBlur)}
        if unknown:
            raise ValueError(f"there are no such ranges: {', '.join(sorted(unknown))}")
        return blur

    @model_validator(mode="after")
    def _crops_fit(self) -> Self:
        if self.crop % 4 or self.pair_size % 4 or self.crop > self.pair_size:
            raise ValueError(f"crop and pair_size must be multiples of 4, and crop the smaller, got {self.crop} and {self.pair_size}")
        return self


def read_recipe(path: Path, *, changes: dict[str, Any] | None = None) -> StillsRecipe:
    """Read and check a recipe, with `changes` to single keys.

    Raises:
        InputError: if the file cannot be read, a key is unknown or missing, or a value does not fit; the message names each.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"recipe `{path}` cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"recipe `{path}` must be a list of `key: value`")
    values |= changes or {}
    try:
        return StillsRecipe(**values)
    except ValidationError as error:
        faults = "; ".join(f"`{'.'.join(str(part) for part in fault['loc'])}`: {fault['msg']}" for fault in error.errors())
        raise InputError(f"recipe `{path}` does not fit: {faults}") from error
