"""Recipes: YAML files that say what a training does; a key that is unknown or belongs elsewhere is an error that names those that fit.

A recipe names what differs from the defaults below and from the recipe that it `extends`, if it extends one, see
`unblur.training.recipe_files`. Two of its keys, `data` and `objective`, are mappings whose `kind` says which keys they hold. What a training does,
with every value resolved, is written into the folder of its run.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unblur.errors import InputError
from unblur.metrics.protocols import names as protocol_names
from unblur.synth.dynamic import DynamicBlur
from unblur.synth.ranges import check_names
from unblur.synth.sequence import SequenceBlur
from unblur.synth.stills import StillsBlur
from unblur.training.recipe_files import find_recipe, read_file
from unblur.training.recipe_values import check_values

__all__ = [
    "CONTENT",
    "SECTIONS",
    "AdversarialKeys",
    "BlurFieldKeys",
    "CameraKernelKeys",
    "ClipsKeys",
    "ContentKeys",
    "DynamicKeys",
    "ExemplarKeys",
    "FlowAndBlurFieldKeys",
    "FlowKeys",
    "PairsKeys",
    "RealisticBlurKeys",
    "Recipe",
    "SequencesKeys",
    "StillsKeys",
    "kind_of",
    "parse_changes",
    "read_recipe",
]

CONTENT = ("mse", "l1", "charbonnier", "shifted_charbonnier", "log_mse", "edge", "frequency", "multiscale_content", "multiscale_mse")
"""Losses of `unblur.losses` that a recipe may add up."""

Range = tuple[float, float]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Section(_Keys):
    kind: str
    """Says which keys the section has."""


class _MadeOfPhotos(_Section):
    """Samples that are made of sharp photos while training."""

    blur_class: ClassVar[type[StillsBlur | DynamicBlur | SequenceBlur]] = StillsBlur

    pair_size: int = Field(gt=0)
    """Side of the pictures made, from which crops are cut, pixels."""
    pool: int = Field(gt=0)
    """Pairs kept at a time."""
    pool_start: int = Field(gt=0)
    """Pairs that are made before the first step."""
    new_pairs: float = Field(ge=0)
    """New pairs a step."""
    blur: dict[str, Any] = Field(default_factory=dict)
    """Changes to the ranges of `unblur.synth.stills.StillsBlur`, `unblur.synth.dynamic.DynamicBlur` or `unblur.synth.sequence.SequenceBlur`."""

    @field_validator("blur")
    @classmethod
    def _ranges_exist(cls, blur: dict[str, Any]) -> dict[str, Any]:
        check_names(cls.blur_class, blur)
        return blur


class _OfDataSet(_Section):
    """Samples that are read from a data set."""

    layout: Literal["gopro", "dvd", "reds", "realblur", "hide", "bsd"]
    """Layout of the data set, see `unblur.data.layouts`."""
    choice: dict[str, str] = Field(default_factory=dict)
    """Arguments of its reader, such as `{split: train}`."""


class _OfSeveralFrames(_Section):
    frames: int = Field(gt=1)
    """Frames of a clip: as many as the network sees, or with `truths: all` as long as it is to go through."""
    reference_only: bool = False
    """Show copies of the middle frame in place of all frames of a clip: the single-frame twin of a network, for comparison."""
    middle_only: bool = False
    """Show the middle frame of a clip, which has an odd number of them, as a picture of its own: to networks that see one frame, for comparison with
    others on the same clips."""


class StillsKeys(_MadeOfPhotos):
    """Pairs made of sharp photos, for networks that see one frame."""

    kind: Literal["stills"]


class DynamicKeys(_MadeOfPhotos):
    """Pairs made of photos, cut-out objects and high-speed clips, for networks that see one frame."""

    blur_class = DynamicBlur
    kind: Literal["dynamic"]


class SequencesKeys(_MadeOfPhotos, _OfSeveralFrames):
    """Short sequences made of sharp photos, for networks that see several frames."""

    blur_class = SequenceBlur
    kind: Literal["sequences"]


class PairsKeys(_OfDataSet):
    """Pairs of a data set, for networks that see one frame."""

    kind: Literal["pairs"]


class ClipsKeys(_OfDataSet, _OfSeveralFrames):
    """Clips of a data set, for networks that see several frames."""

    kind: Literal["clips"]


class _WithLoss(_Section):
    loss: dict[str, float]
    """Weights of the losses that compare what was restored with the truth."""

    @field_validator("loss")
    @classmethod
    def _losses_exist(cls, loss: dict[str, float]) -> dict[str, float]:
        if not loss:
            raise ValueError("is empty; name at least one of " + ", ".join(CONTENT))
        for name in loss:
            if name not in CONTENT:
                raise ValueError(f"there is no loss `{name}`{_hint(name, CONTENT)}")
        return loss


class ContentKeys(_WithLoss):
    """Losses that compare what was restored with the truth, see `unblur.training.content`."""

    kind: Literal["content"]
    truths: Literal["middle", "all"] = "middle"
    """Whether the middle frame of a clip alone is compared, or all that a recurrent network restores on its way."""


class AdversarialKeys(_WithLoss):
    """The same and a discriminator that learns in turn, see `unblur.training.adversarial`."""

    kind: Literal["adversarial"]
    truths: Literal["middle", "all"] = "middle"
    """Whether the middle frame of a clip alone is compared, or all that a recurrent network restores on its way."""
    adversary: Literal["deepdeblur", "deblurgan", "dbgan"]
    """The discriminator of that system."""
    adversary_arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of its constructor."""
    adversarial_weight: float = Field(ge=0)
    """Weight of its term in the loss of the network."""
    adversary_lr: float = Field(gt=0)
    """Its learning rate after the warm-up."""
    adversary_steps: int = Field(default=1, gt=0)
    """Steps of the discriminator for one of the network."""


class ExemplarKeys(_WithLoss):
    """Losses that compare what was restored with the truth, by a network that is guided by a sharp picture of something else, see `unblur.training.exemplar`."""

    kind: Literal["exemplar"]


class RealisticBlurKeys(AdversarialKeys):
    """The same, on samples of which BGAN blurs some, which learns to blur as the data are blurred, see `unblur.training.realistic_blur`."""

    kind: Literal["realistic_blur"]  # type: ignore[assignment]
    blurrer: Literal["bgan"] = "bgan"
    """The network that learns to blur."""
    blurrer_arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of its constructor."""
    blurrer_content_weight: float = Field(ge=0)
    """Weight of the mean absolute difference between a sharp picture and what BGAN makes of it."""
    blurrer_weight: float = Field(ge=0)
    """Weight of the adversarial term in the loss of BGAN; its discriminator is one like that of the network."""
    blurrer_lr: float = Field(gt=0)
    """Learning rate of BGAN and its discriminator after the warm-up."""
    blurred_share: float = Field(ge=0, le=1)
    """Share of the samples whose blurry picture BGAN makes of the sharp one."""


class _TeacherForced(_WithLoss):
    blur_field_weight: float = Field(ge=0)
    """Weight of the error of the estimated blur field."""
    teacher_forcing_until: int = Field(ge=0)
    """Step from which the restoration no longer sees the true blur field; before it, ever fewer crops do."""


class BlurFieldKeys(_TeacherForced):
    """Losses and the error of the estimated blur field, see `unblur.training.blur_field`."""

    kind: Literal["blur_field"]


class FlowAndBlurFieldKeys(_TeacherForced):
    """Losses and the errors of the estimated blur field and flow, see `unblur.training.flow_and_blur_field`."""

    kind: Literal["flow_and_blur_field"]
    end_probability: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops that are shown as at an end of a shot, with a copy of the middle frame for the neighbour that is not there."""
    level_weights: tuple[float, ...]
    """Weights of the end-point errors of the flow's levels, finest first."""


class CameraKernelKeys(_Section):
    """The error of the estimated path of the camera, see `unblur.training.camera_kernel`."""

    kind: Literal["camera_kernel"]


class FlowKeys(_Section):
    """The end-point error of the flow, see `unblur.training.flow`."""

    kind: Literal["flow"]
    level_weights: tuple[float, ...]
    """Weights of the end-point errors of the flow's levels, finest first."""


Data = Annotated[StillsKeys | DynamicKeys | SequencesKeys | PairsKeys | ClipsKeys, Field(discriminator="kind")]
Objective = Annotated[
    ContentKeys | ExemplarKeys | AdversarialKeys | RealisticBlurKeys | BlurFieldKeys | FlowAndBlurFieldKeys | CameraKernelKeys | FlowKeys,
    Field(discriminator="kind"),
]
SECTIONS: dict[str, tuple[type[_Section], ...]] = {
    "data": (StillsKeys, DynamicKeys, SequencesKeys, PairsKeys, ClipsKeys),
    "objective": (
        ContentKeys,
        ExemplarKeys,
        AdversarialKeys,
        RealisticBlurKeys,
        BlurFieldKeys,
        FlowAndBlurFieldKeys,
        CameraKernelKeys,
        FlowKeys,
    ),
}
"""The classes of keys that each section may have, by its `kind`."""


class Recipe(_Keys):
    """How a network is trained. A step is one change of the weights, whatever the number of processes."""

    model: str
    """Name of the network, or the import path of one of your own, `package.module:function`, whose code is then run."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of its constructor."""
    initialisation: Literal["default", "xavier", "identity"] = "default"
    """`xavier` draws the weights of all plain convolutions anew; what starts at zero stays so. `identity` lets a network give back the blurry picture at first, for short
    trainings; no paper says so (`Net.begin_as_identity`)."""
    start: str | dict[str, str] | None = None
    """Weights to begin from, as for `unblur restore --model`, or a mapping from parts of the network to the weights of each; they must be of the same network, but that
    `swift_video` and `swift_best` may begin from a `swift`, `swift_video_best` from a `swift_video`, and a `swift_best` from a narrower
    one, whose result they then give at first (`Net.tensors_from`)."""
    flow_weights: str | None = None
    """Weights for the network's flow: built-in ones such as `pwcnet`, a `.safetensors` file with its card, or a published PWC-Net;
    None trains it from scratch, unless `start` names weights that have it, which needs a learning rate of 1e-5 or more and is refused where the flow
    is not trained at all, as that of `pvdnet` never is. A network whose arguments leave flow out, as in a row of an ablation, passes over it."""
    seed: int = Field(default=1, ge=0)
    """Of the initial weights, the samples and all other random numbers."""
    steps: int = Field(gt=0)
    """Training steps in all."""
    batch: int = Field(gt=0)
    """Crops in a step, over all processes and all parts of the step together."""
    accumulate: int = Field(default=1, gt=0)
    """Parts in which a step is calculated one after the other, where memory is short."""
    crop: int = Field(gt=0)
    """Side of a crop, pixels."""

    data: Data
    """Where the samples come from: `stills`, `dynamic` and `sequences` are made of sharp photos while training, `pairs` and `clips` are read
    from a data set."""
    workers: int = Field(default=4, ge=0)
    """Processes that make pairs, or threads that read pictures, for each process of the training."""

    flip: float = Field(default=0.5, ge=0, le=1)
    """Share of the samples mirrored left to right."""
    flip_vertical: float = Field(default=0.0, ge=0, le=1)
    """Share of the samples mirrored top to bottom."""
    rotate90: bool = False
    """Whether samples are rotated by 0, 90, 180 or 270 degrees."""
    reverse: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips run backwards."""
    permute_channels: float = Field(default=0.0, ge=0, le=1)
    """Share of the samples whose colour channels are permuted."""
    brightness: Range = (1.0, 1.0)
    """Range from which a factor is drawn; [1, 1] changes nothing."""
    contrast: Range = (1.0, 1.0)
    """The same of contrast."""
    saturation: Range = (1.0, 1.0)
    """The same of saturation."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of noise on the blurry frames, pictures being in [0, 1]."""
    noise_drawn: bool = False
    """Draw each sample's standard deviation from N(0, noise^2)."""

    objective: Objective
    """What is minimised."""

    optimiser: Literal["adam", "adamw", "muon"] = "adam"
    """`muon` is for the weights of convolutions, with `adamw` for all else."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the moments of Adam."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of Adam an L2 penalty; of AdamW and Muon decoupled from the gradient."""
    lr: float = Field(gt=0)
    """Learning rate after the warm-up."""
    lr_of: dict[str, float] = Field(default_factory=dict)
    """Learning rates of single parts of the network, by the beginning of their parameters' names."""
    only: tuple[str, ...] | None = None
    """The parts that are trained, named likewise; all others stay as they are. None trains all."""
    warmup: int = Field(default=0, ge=0)
    """Steps in which the rate rises from 0."""
    milestones: tuple[int, ...] = ()
    """Steps at which the rate is multiplied by `gamma`."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """Factor of the rate at each milestone."""
    decay: int = Field(default=0, ge=0)
    """Last steps, in which the rate falls to `lr_end` of its height."""
    decay_shape: Literal["polynomial", "cosine"] = "polynomial"
    """How the rate falls in these steps."""
    decay_power: float = Field(default=1.0, gt=0)
    """Power of the polynomial; 1 is a straight line."""
    lr_end: float = Field(default=0.0, ge=0, le=1)
    """Share of the rate that is left at the end."""
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient, or null."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the moving average of the weights, a step; the average is what is validated and exported. With 0 that is the weights as they
    are, as the papers have it."""
    largest_outside: float | None = Field(default=None, gt=0, le=1)
    """Share of the points read by deformable convolutions that may lie outside the frame; beyond, the training goes back."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the operations that torch autocasts; weights are fp32."""
    channels_last: bool = True
    """Memory layout of pictures and weights."""
    compile: bool = False
    """Whether torch compiles the network."""
    save_every: int = Field(default=1000, gt=0)
    """Steps between two checkpoints."""
    log_every: int = Field(default=100, gt=0)
    """Steps between two lines of the log."""
    sample_every: int = Field(default=5000, ge=0)
    """Steps between two sheets of sample pictures; 0 for none."""
    tensorboard: bool = True
    """Whether curves are written for TensorBoard."""
    protocol: str | None = None
    """Named protocol by which the validation measures."""
    validate_every: int = Field(default=0, ge=0)
    """Steps between two validations; 0 for none."""
    validate_layout: str | None = None
    """Layout of the data that validates; none is read where no folder of data is given."""
    validate_choice: dict[str, str] = Field(default_factory=dict)
    """Arguments of its reader, such as `{split: test}`."""
    validate_pictures: int = Field(default=0, ge=0)
    """How many pictures, evenly chosen; 0 for all."""

    @property
    def frames(self) -> int:
        """Frames of a sample: 1 of a pair."""
        return self.data.frames if isinstance(self.data, _OfSeveralFrames) else 1

    @property
    def reference_only(self) -> bool:
        """Whether copies of the middle frame stand for all frames of a clip."""
        return isinstance(self.data, _OfSeveralFrames) and self.data.reference_only

    @property
    def middle_only(self) -> bool:
        """Whether the middle frame of a clip is all that is shown, as a picture."""
        return isinstance(self.data, _OfSeveralFrames) and self.data.middle_only

    @property
    def several_frames(self) -> bool:
        """Whether samples are clips or sequences, not pairs."""
        return isinstance(self.data, _OfSeveralFrames)

    @property
    def all_truths(self) -> bool:
        """Whether all frames of a clip are compared, not only the middle one."""
        return isinstance(self.objective, ContentKeys | AdversarialKeys) and self.objective.truths == "all"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if isinstance(self.data, _MadeOfPhotos) and (self.crop % 4 or self.data.pair_size % 4 or self.crop > self.data.pair_size):
            raise ValueError(
                f"`crop` and `data.pair_size` must be multiples of 4, and `crop` the smaller, got {self.crop} and {self.data.pair_size}"
            )
        if self.batch % self.accumulate:
            raise ValueError(f"`batch` ({self.batch}) must be a multiple of `accumulate` ({self.accumulate})")
        if self.validate_every and (self.protocol is None or self.validate_layout is None):
            raise ValueError("`validate_every` needs a `protocol` and a `validate_layout`; set it to 0 for no validation")
        if self.protocol is not None and self.protocol not in protocol_names():
            raise ValueError(f"there is no protocol `{self.protocol}`{_hint(self.protocol, protocol_names())}")
        return self

    @model_validator(mode="after")
    def _data_suit_the_objective(self) -> Self:
        objective, data = self.objective, self.data
        if self.all_truths and not self.several_frames:
            raise ValueError("`objective.truths: all` needs `data.kind` to be clips or sequences")
        if self.middle_only and (self.all_truths or self.reference_only):
            raise ValueError(
                "`data.middle_only` is for networks that see one frame; with it, leave out `objective.truths: all` and `data.reference_only`"
            )
        if self.middle_only and self.frames % 2 == 0:
            raise ValueError(f"`data.frames` must be odd with `data.middle_only`, so that one lies in the middle; got {self.frames}")
        if isinstance(objective, AdversarialKeys) and self.accumulate > 1:
            raise ValueError(
                f"`accumulate` must be 1 with `objective.kind: {objective.kind}`, whose two players take turns on a whole batch"
            )
        if isinstance(objective, RealisticBlurKeys) and self.several_frames:
            raise ValueError("`objective.kind: realistic_blur` blurs single pictures; it needs `data.kind` to be pairs, stills or dynamic")
        if isinstance(objective, FlowKeys | FlowAndBlurFieldKeys) and not isinstance(data, SequencesKeys):
            raise ValueError(f"`objective.kind: {objective.kind}` needs `data.kind: sequences`, whose motion is known exactly")
        if isinstance(objective, FlowKeys) and self.validate_every:
            raise ValueError("`validate_every` must be 0 with `objective.kind: flow`: protocols measure pictures")
        if objective.kind == "blur_field" and not isinstance(data, StillsKeys):
            raise ValueError("`objective.kind: blur_field` needs `data.kind: stills`, which know the blur field exactly")
        if isinstance(objective, CameraKernelKeys) and not (isinstance(data, StillsKeys) and self.crop == data.pair_size):
            raise ValueError(
                "`objective.kind: camera_kernel` needs `data.kind: stills`, and crops of the whole `pair_size`, of which alone the kernel is known"
            )
        return self

    @model_validator(mode="after")
    def _values_can_be_meant(self) -> Self:
        check_values(self)
        return self


def parse_changes(changes: Iterable[str]) -> dict[str, Any]:
    """Values by key of `KEY=VALUE` words, the values as YAML.

    Raises:
        InputError: if a word has no `=`, or its value is no plain YAML; tags that name types of Python are none.
    """
    values: dict[str, Any] = {}
    for change in changes:
        key, given, value = change.partition("=")
        if not given:
            raise InputError(f"`--set {change}` does not say a value; write `--set KEY=VALUE`")
        try:
            values[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problem = getattr(error, "problem", None) or str(error) or type(error).__name__
            raise InputError(f"`--set {change}`: the value cannot be read as YAML: {problem}") from error
    return values


_NULL_IS_A_VALUE = ("arguments", "objective.adversary_arguments", "objective.blurrer_arguments")
"""Mappings whose values may be null; elsewhere null takes back what a recipe says that is extended, so that the default holds."""


def read_recipe(name_or_path: str | Path, *, changes: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe, with `changes` to single keys.

    Args:
        name_or_path: a file, or the name of a built-in recipe such as `swift/stills`.
        changes: values by key, one after the other; `arguments.width` replaces one entry of `arguments` and leaves the others.

    Raises:
        InputError: if the file cannot be read, a key is unknown or missing, or a value does not fit; the message names each.

    Example:
        >>> read_recipe("swift/stills", changes={"data.blur.turn": [0.0, 0.1]}).data.blur["turn"]
        [0.0, 0.1]
    """
    file = read_file(find_recipe(name_or_path))
    values = file.values
    for key, value in (changes or {}).items():
        values = _with(values, key.split("."), value, said=key, path=file.path)
    values = _without_nulls(values)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_fault(fault, values=values) for fault in error.errors())
        extended = f"; it extends {', '.join(f'`{each}`' for each in file.extended)}" if file.extended else ""
        raise InputError(f"recipe `{file.path}` does not fit: {faults}{extended}") from error


def _with(values: dict[str, Any], keys: list[str], value: object, *, said: str, path: Path) -> dict[str, Any]:
    """A copy of the values in which the entry that the keys lead to is another."""
    first, *rest = keys
    if rest:
        below = values.get(first)
        if not (isinstance(below, dict) or below is None):
            raise InputError(f"`{said}` cannot be set: `{first}` of recipe `{path}` holds no further keys")
        value = _with(below or {}, rest, value, said=said, path=path)
    return values | {first: value}


def _without_nulls(values: dict[str, Any], *, place: str = "") -> dict[str, Any]:
    kept = {}
    for key, value in values.items():
        inner = f"{place}{key}"
        if isinstance(value, dict) and inner not in _NULL_IS_A_VALUE:
            kept[key] = _without_nulls(value, place=f"{inner}.")
        elif value is not None:
            kept[key] = value
    return kept


def _fault(fault: Any, *, values: dict[str, Any]) -> str:  # noqa: ANN401 - pydantic's typed dictionary, whose keys are checked by use
    """What pydantic says, in words; `values` are what it was given."""
    place, kind = [str(part) for part in fault["loc"]], fault["type"]
    section = place[0] if place and place[0] in SECTIONS else ""
    if section and kind in ("union_tag_not_found", "union_tag_invalid", "model_attributes_type"):
        return _fault_of_kind(section, values[section])
    if section and len(place) > 1:
        del place[1]  # pydantic's name of the kind
    called = ".".join(place)
    chosen = f"`{section}.kind: {values[section]['kind']}`" if section and isinstance(values.get(section), dict) else ""
    if kind == "extra_forbidden":
        return _fault_of_unknown(called, section=section, chosen=chosen, values=values)
    if kind == "missing":
        return f"`{called}` is missing" + (f"; {chosen} needs it" if chosen else "")
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"`{called}`: {message}" if called else message


def _fault_of_kind(section: str, given: object) -> str:
    kinds = [kind_of(keys) for keys in SECTIONS[section]]
    if isinstance(given, dict) and "kind" in given:
        return f"`{section}` has no kind `{given['kind']}`{_hint(str(given['kind']), kinds)}"
    return f"`{section}` must say its `kind`, such as `{section}: {{kind: {kinds[0]}, ...}}`; choose from {', '.join(kinds)}"


def _fault_of_unknown(called: str, *, section: str, chosen: str, values: dict[str, Any]) -> str:
    """A key that is not there: one that belongs to another kind, or a misspelled one."""
    if not section:
        within = [f"{name}.{called}" for name, kinds in SECTIONS.items() if called in _keys(kinds)]
        return f"there is no key `{called}`" + (f"; did you mean `{within[0]}`?" if within else _hint(called, Recipe.model_fields))
    key = called.removeprefix(f"{section}.")
    known = _keys(each for each in SECTIONS[section] if kind_of(each) == values[section]["kind"])
    if key in _keys(SECTIONS[section]):
        own = f"its keys are {', '.join(known)}" if known else "it has no further keys"
        return f"`{called}` has no meaning with {chosen}; {own}"
    return f"there is no key `{called}`{_hint(key, known)}"


def kind_of(keys: type[_Section]) -> str:
    """What `kind` says that a section has these keys."""
    (kind,) = keys.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return str(kind)


def _keys(kinds: Iterable[type[_Section]]) -> list[str]:
    """The keys of some kinds of a section but `kind`, in alphabetical order."""
    return sorted({key for kind in kinds for key in kind.model_fields} - {"kind"})


def _hint(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; choose from {', '.join(sorted(known))}" if known else ""
