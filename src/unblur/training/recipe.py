"""Recipes: flat YAML files that say all that a training does; an unknown key is an error that names the nearest.

Every key is written out in every recipe, but for those that belong to another source of data or another objective: these must
be left out, so that no recipe says what it does not do; and for `reference_only`, which belongs to comparisons.
"""

from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unblur.errors import InputError
from unblur.metrics.protocols import names as protocol_names
from unblur.synth.dynamic import DynamicBlur
from unblur.synth.sequence import SequenceBlur
from unblur.synth.stills import StillsBlur

__all__ = ["CONTENT", "Recipe", "read_recipe"]

CONTENT = ("mse", "l1", "charbonnier", "log_mse", "edge", "frequency", "multiscale_content", "multiscale_mse")
"""Losses of `unblur.losses` that a recipe may add up."""

_STILLS = ("pair_size", "pool", "pool_start", "new_pairs", "blur")
_LAYOUT = ("layout", "choice")
_BELONGS = {
    "data": {
        "stills": _STILLS,
        "dynamic": _STILLS,
        "sequences": (*_STILLS, "frames"),
        "pairs": _LAYOUT,
        "clips": (*_LAYOUT, "frames"),
    },
    "objective": {
        "content": ("truths",),
        "adversarial": ("truths", "adversary", "adversary_arguments", "adversarial_weight", "adversary_lr", "adversary_steps"),
        "blur_field": ("blur_field_weight", "teacher_forcing_until"),
        "flow_and_blur_field": ("blur_field_weight", "teacher_forcing_until", "end_probability", "level_weights"),
        "camera_kernel": (),
        "flow": ("level_weights",),
    },
}
"""Which keys are needed for which source of data and which objective, and are wrong for any other."""

_RANGES = {"stills": StillsBlur, "dynamic": DynamicBlur, "sequences": SequenceBlur}

Range = tuple[float, float]


class Recipe(BaseModel):
    """How a network is trained. A step is one change of the weights, whatever the number of processes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """Name of the network."""
    arguments: dict[str, Any]
    """Arguments of its constructor."""
    initialisation: Literal["default", "xavier"]
    """`xavier` draws the weights of all plain convolutions anew; what starts at zero stays so."""
    start: str | None = None
    """Weights to begin from, as for `unblur restore --model`; they must be of the same network, but that
    `swift_video` and `swift_best` may begin from a `swift`, `swift_video_best` from a `swift_video`, and a `swift_best` from a narrower
    one, whose result they then give at first."""
    flow_weights: str | None = None
    """Weights for the network's flow: built-in ones such as `pwcnet`, a `.safetensors` file with its card, or a published PWC-Net;
    None trains it from scratch."""
    seed: int = Field(ge=0)
    steps: int = Field(gt=0)
    """Training steps in all."""
    batch: int = Field(gt=0)
    """Crops in a step, over all processes and all parts of the step together."""
    accumulate: int = Field(gt=0)
    """Parts in which a step is calculated one after the other, where memory is short."""
    crop: int = Field(gt=0)
    """Side of a crop, pixels."""

    data: Literal["stills", "dynamic", "sequences", "pairs", "clips"]
    """`stills` and `sequences` are made of sharp photos while training, for networks that see one frame or several; `dynamic` of photos,
    cut-out objects and high-speed clips, for those that see one; `pairs` and `clips` are read from a data set."""
    frames: int | None = Field(default=None, gt=1)
    """Frames of a clip: as many as the network sees, or with `truths: all` as long as it is to go through."""
    reference_only: bool = False
    """Show copies of the middle frame in place of all frames of a clip: the single-frame twin of a network, for comparison."""
    pair_size: int | None = Field(default=None, gt=0)
    """Side of the pictures made, from which crops are cut, pixels."""
    pool: int | None = Field(default=None, gt=0)
    """Pairs kept at a time."""
    pool_start: int | None = Field(default=None, gt=0)
    """Pairs that are made before the first step."""
    new_pairs: float | None = Field(default=None, ge=0)
    """New pairs a step."""
    blur: dict[str, Any] | None = None
    """Changes to the ranges of `unblur.synth.stills.StillsBlur`, `unblur.synth.dynamic.DynamicBlur` or `unblur.synth.sequence.SequenceBlur`."""
    layout: Literal["gopro", "dvd", "reds", "realblur", "hide", "bsd"] | None = None
    """Layout of the data set, see `unblur.data.layouts`."""
    choice: dict[str, str] | None = None
    """Arguments of its reader, such as `{split: train}`."""
    workers: int = Field(ge=0)
    """Processes that make pairs, or threads that read pictures, for each process of the training."""

    flip: float = Field(ge=0, le=1)
    """Share mirrored left to right."""
    flip_vertical: float = Field(ge=0, le=1)
    rotate90: bool
    reverse: float = Field(ge=0, le=1)
    """Share of the clips run backwards."""
    permute_channels: float = Field(ge=0, le=1)
    brightness: Range
    """Factors are drawn from such ranges; [1, 1] changes nothing."""
    contrast: Range
    saturation: Range
    noise: float = Field(ge=0)
    """Standard deviation of noise on the blurry frames, pictures being in [0, 1]."""
    noise_drawn: bool
    """Draw each sample's standard deviation from N(0, noise^2)."""

    objective: Literal["content", "adversarial", "blur_field", "flow_and_blur_field", "camera_kernel", "flow"]
    """What is minimised; each has a module of its own."""
    loss: dict[str, float]
    """Weights of the losses that compare what was restored with the truth."""
    truths: Literal["middle", "all"] | None = None
    """Whether the middle frame of a clip alone is compared, or all that a recurrent network restores on its way."""
    adversary: Literal["deepdeblur", "deblurgan"] | None = None
    """The discriminator of that system."""
    adversary_arguments: dict[str, Any] | None = None
    adversarial_weight: float | None = Field(default=None, ge=0)
    adversary_lr: float | None = Field(default=None, gt=0)
    adversary_steps: int | None = Field(default=None, gt=0)
    """Steps of the discriminator for one of the network."""
    blur_field_weight: float | None = Field(default=None, ge=0)
    """Weight of the error of the estimated blur field."""
    teacher_forcing_until: int | None = Field(default=None, ge=0)
    """Step from which the restoration no longer sees the true blur field; before it, ever fewer crops do."""
    end_probability: float | None = Field(default=None, ge=0, le=1)
    """Share of the crops that are shown as at an end of a shot, with a copy of the middle frame for the neighbour that is not there."""
    level_weights: tuple[float, ...] | None = None
    """Weights of the end-point errors of the flow's levels, finest first."""

    optimiser: Literal["adam", "adamw", "muon"]
    """`muon` is for the weights of convolutions, with `adamw` for all else."""
    betas: tuple[float, float]
    """Of Adam."""
    weight_decay: float = Field(ge=0)
    lr: float = Field(gt=0)
    """Learning rate after the warm-up."""
    lr_of: dict[str, float]
    """Learning rates of single parts of the network, by the beginning of their parameters' names."""
    only: tuple[str, ...] | None = None
    """The parts that are trained, named likewise; all others stay as they are. None trains all."""
    warmup: int = Field(ge=0)
    """Steps in which the rate rises from 0."""
    milestones: tuple[int, ...]
    """Steps at which the rate is multiplied by `gamma`."""
    gamma: float = Field(gt=0, le=1)
    decay: int = Field(ge=0)
    """Last steps, in which the rate falls to `lr_end` of its height."""
    decay_shape: Literal["polynomial", "cosine"]
    decay_power: float = Field(gt=0)
    """Power of the polynomial; 1 is a straight line."""
    lr_end: float = Field(ge=0, le=1)
    """Share of the rate that is left at the end."""
    clip: float | None = Field(gt=0)
    """Largest norm of the gradient, or null."""
    ema: float = Field(ge=0, lt=1)
    """Decay of the moving average of the weights, a step; the average is what is exported."""
    largest_outside: float | None = Field(gt=0, le=1)
    """Share of the points read by deformable convolutions that may lie outside the frame; beyond, the training goes back."""

    precision: Literal["fp32", "bf16", "fp16"]
    channels_last: bool
    compile: bool
    """Whether torch compiles the network."""
    save_every: int = Field(gt=0)
    """Steps between two checkpoints."""
    log_every: int = Field(gt=0)
    """Steps between two lines of the log."""
    sample_every: int = Field(ge=0)
    """Steps between two sheets of sample pictures; 0 for none."""
    tensorboard: bool
    protocol: str | None
    """Named protocol by which the validation measures."""
    validate_every: int = Field(ge=0)
    """Steps between two validations; 0 for none."""
    validate_layout: str | None
    """Layout of the data that validates; none is read where no folder of data is given."""
    validate_choice: dict[str, str]
    validate_pictures: int = Field(ge=0)
    """How many pictures, evenly chosen; 0 for all."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for chooser, groups in _BELONGS.items():
            chosen = getattr(self, chooser)
            for key in {key for group in groups.values() for key in group}:
                needed, given = key in groups[chosen], getattr(self, key) is not None
                if needed and not given:
                    raise ValueError(f"`{key}` is missing; `{chooser}: {chosen}` needs it")
                if given and not needed:
                    raise ValueError(f"`{key}` has no meaning with `{chooser}: {chosen}`; leave it out")
        for name in self.loss:
            if name not in CONTENT:
                raise ValueError(f"there is no loss `{name}`{_hint(name, CONTENT)}")
        if self.objective in ("flow", "camera_kernel") and self.loss:
            raise ValueError(f"`loss` must be {{}} with `objective: {self.objective}`, which compares motion and not pictures")
        if self.objective == "flow":
            if self.data != "sequences":
                raise ValueError("`objective: flow` needs `data: sequences`, whose flow is known exactly")
            if self.validate_every:
                raise ValueError("`validate_every` must be 0 with `objective: flow`: protocols measure pictures")
        elif not self.loss and self.objective != "camera_kernel":
            raise ValueError("`loss` is empty; name at least one of " + ", ".join(CONTENT))
        if self.blur is not None:
            assert self.pair_size is not None
            ranges = [each.name for each in fields(_RANGES[self.data])]
            for name in self.blur:
                if name not in ranges:
                    raise ValueError(f"`blur` has no range `{name}`{_hint(name, ranges)}")
            if self.crop % 4 or self.pair_size % 4 or self.crop > self.pair_size:
                raise ValueError(
                    f"`crop` and `pair_size` must be multiples of 4, and `crop` the smaller, got {self.crop} and {self.pair_size}"
                )
        if self.batch % self.accumulate:
            raise ValueError(f"`batch` ({self.batch}) must be a multiple of `accumulate` ({self.accumulate})")
        if self.objective == "adversarial" and self.accumulate > 1:
            raise ValueError("`accumulate` must be 1 with `objective: adversarial`, whose two players take turns on a whole batch")
        if self.objective == "blur_field" and self.data != "stills":
            raise ValueError("`objective: blur_field` needs `data: stills`, which know how every pixel was smeared")
        if self.objective == "camera_kernel" and (self.data != "stills" or self.crop != self.pair_size):
            raise ValueError(
                "`objective: camera_kernel` needs `data: stills`, and crops of the whole `pair_size`, of which alone the path is known"
            )
        if self.reference_only and self.data not in ("clips", "sequences"):
            raise ValueError("`reference_only` needs `data: clips` or `data: sequences`; a photo has no neighbours")
        if self.objective == "flow_and_blur_field" and self.data != "sequences":
            raise ValueError("`objective: flow_and_blur_field` needs `data: sequences`, whose motion is known exactly")
        if self.truths == "all" and self.data not in ("clips", "sequences"):
            raise ValueError("`truths: all` needs `data: clips` or `data: sequences`")
        if self.validate_every and (self.protocol is None or self.validate_layout is None):
            raise ValueError("`validate_every` needs a `protocol` and a `validate_layout`; set it to 0 for no validation")
        if self.protocol is not None and self.protocol not in protocol_names():
            raise ValueError(f"there is no protocol `{self.protocol}`{_hint(self.protocol, protocol_names())}")
        return self


def read_recipe(path: Path, *, changes: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe, with `changes` to single keys.

    Args:
        path: a YAML file.
        changes: values by key; `arguments.width` changes one entry of `arguments` and leaves the others.

    Raises:
        InputError: if the file cannot be read, a key is unknown or missing, or a value does not fit; the message names each.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"recipe `{path}` cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"recipe `{path}` does not fit: it must be a list of `key: value` lines")
    for key, value in (changes or {}).items():
        outer, _, inner = key.partition(".")
        if not inner:
            values[outer] = value
        elif isinstance(values.get(outer), dict):
            values[outer] = values[outer] | {inner: value}
        else:
            raise InputError(f"`{key}` cannot be set: `{outer}` of recipe `{path}` holds no further keys")
    try:
        return Recipe(**values)
    except ValidationError as error:
        faults = "; ".join(_fault(fault) for fault in error.errors())
        raise InputError(f"recipe `{path}` does not fit: {faults}") from error


def _fault(fault: Any) -> str:  # noqa: ANN401 - pydantic's typed dictionary, whose keys are checked by use
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"there is no key `{place}`{_hint(place, Recipe.model_fields)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"`{place}`: {message}" if place else message


def _hint(word: str, known: Any) -> str:  # noqa: ANN401 - any collection of names
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; choose from {', '.join(sorted(known))}"
