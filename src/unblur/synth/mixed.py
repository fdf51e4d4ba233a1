"""One data set of several plans, by a recipe: photos with trajectories, sequences, dynamic scenes, averages of high-speed clips.

Networks that are compared, or trained one after the other, see the same pictures so: the manifest has a SHA-256 of all of them. A recipe is YAML:

    size: 256
    sets:
      - {kind: stills, count: 300, blur: {length: [2, 24]}}
      - {kind: sequences, count: 40, frames: 7}
      - {kind: dynamic, count: 500, blur: {noise_probability: 0.3}}
      - {kind: clips, blur: {frames_per_blur: [7, 9, 11, 13]}}

`blur` changes ranges of `StillsBlur`, `SequenceBlur`, `DynamicBlur` and `VideoBlur`. The names of a set's sequences begin with its number.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from unblur.errors import InputError
from unblur.synth.dynamic import DynamicBlur
from unblur.synth.folder import DataSetFolder
from unblur.synth.plans import ClipPlan, Plan, Progress, ScenePlan, StillsPlan, Written
from unblur.synth.ranges import check_names, first_fault
from unblur.synth.sequence import SequenceBlur
from unblur.synth.stills import StillsBlur
from unblur.synth.video import VideoBlur

__all__ = ["MixedPlan", "SetRecipe", "Sources", "plan_of", "read_set_recipe", "set_recipe_names"]

_BUILT_IN = Path(str(files("unblur.synth"))) / "sets"


@dataclass(frozen=True)
class MixedPlan(Plan):
    """Several plans, one behind the other; a part is a part of one of them.

    Attributes:
        plans: with sequences of other names each.
    """

    plans: tuple[Plan, ...]

    @property
    def parts(self) -> int:
        return sum(plan.parts for plan in self.plans)

    def check(self) -> None:
        for plan in self.plans:
            plan.check()

    def write(self, folder: DataSetFolder, *, parts: range, progress: Progress | None = None) -> Written:
        sets: list[dict[str, Any]] = []
        first = 0
        for number, plan in enumerate(self.plans):
            own = range(max(parts.start - first, 0), min(parts.stop - first, plan.parts))
            first += plan.parts
            if own:
                before = folder.count
                written = plan.write(folder, parts=own, progress=progress)
                sets.append({"set": number, **asdict(replace(written, pairs=folder.count - before))})
        return _together(sets)

    def manifest(self, written: Written) -> dict[str, Any]:
        sets = [self.plans[entry["set"]].manifest(_written(entry)) for entry in written.sets]
        return {"made by": "synth mixed", "sets": sets}

    def joined(self, written: Sequence[Written]) -> Written:
        sets: list[dict[str, Any]] = []
        for number, plan in enumerate(self.plans):
            own = [_written(entry) for each in written for entry in each.sets if entry["set"] == number]
            sets.append({"set": number, **asdict(plan.joined(own))})
        return _together(sets)

    def units(self) -> list[range]:
        found: list[range] = []
        first = 0
        for plan in self.plans:
            found += [range(first + each.start, first + each.stop) for each in plan.units()]
            first += plan.parts
        return found

    def anywhere(self, kept: Path) -> Self:
        return replace(self, plans=tuple(plan.anywhere(kept) for plan in self.plans))


def _written(entry: dict[str, Any]) -> Written:
    return Written(**{name: value for name, value in entry.items() if name != "set"})


def _together(sets: list[dict[str, Any]]) -> Written:
    """What is known of all sets together; a source that failed for several of them is named once."""
    left_out: Counter[str] = Counter()
    for entry in sets:
        left_out.update(entry["left_out"])
    return Written(
        sum(entry["pairs"] for entry in sets),
        [sequence for entry in sets for sequence in entry["sequences"]],
        {},
        dict(left_out),
        list({source[0]: source for entry in sets for source in entry["failed"]}.values()),
        sets,
    )


class _Set(BaseModel):
    """A set of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("blur", mode="before", check_fields=False)
    @classmethod
    def _ranges_exist(cls, blur: object) -> object:
        kind = cls.model_fields["blur"].annotation
        if isinstance(blur, dict) and isinstance(kind, type):
            check_names(kind, blur)
        return blur


class StillsSet(_Set):
    """Pairs of photos and trajectories, see `StillsPlan`."""

    kind: Literal["stills"]
    count: int = Field(ge=1)
    blur: StillsBlur = StillsBlur()


class SequencesSet(_Set):
    """Sequences of photos and trajectories, see `StillsPlan`."""

    kind: Literal["sequences"]
    count: int = Field(ge=1)
    frames: int = Field(7, ge=2)
    blur: SequenceBlur = SequenceBlur()


class DynamicSet(_Set):
    """Pairs of dynamic scenes, see `ScenePlan`."""

    kind: Literal["dynamic"]
    count: int = Field(ge=1)
    blur: DynamicBlur = DynamicBlur()


class ClipsSet(_Set):
    """Averages of the frames of high-speed clips, see `ClipPlan`."""

    kind: Literal["clips"]
    scale: float = Field(1.0, gt=0, le=1)
    response: str = "gamma2.2"
    blur: VideoBlur = VideoBlur()


class SetRecipe(BaseModel):
    """What a mixed data set is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(256, ge=16)
    """Side of the pictures that are drawn, pixels; those of clips keep their size."""
    sets: list[Annotated[StillsSet | SequencesSet | DynamicSet | ClipsSet, Field(discriminator="kind")]] = Field(min_length=1)


@dataclass(frozen=True)
class Sources:
    """Source files of a data set.

    Attributes:
        photos: sharp photos, or folders of them.
        cutouts: objects with opacity, or folders of them.
        highspeed: clips of about 240 frames a second, or folders of numbered frames.
    """

    photos: tuple[Path, ...] = ()
    cutouts: tuple[Path, ...] = ()
    highspeed: tuple[Path, ...] = ()


def set_recipe_names() -> list[str]:
    """Names of the built-in recipes of data sets."""
    return sorted(path.stem for path in _BUILT_IN.glob("*.yaml"))


def read_set_recipe(name_or_path: str | Path) -> SetRecipe:
    """Read the recipe of a data set: a file, or where there is no such file a built-in one by name.

    Raises:
        InputError: if there is neither, or it does not fit.
    """
    path = Path(name_or_path)
    if not path.is_file():
        if str(name_or_path) not in set_recipe_names():
            raise InputError(
                f"there is no recipe of a data set `{name_or_path}`; name a YAML file, or one of {', '.join(set_recipe_names())}"
            )
        path = _BUILT_IN / f"{name_or_path}.yaml"
    try:
        return SetRecipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise InputError(f"the recipe `{path}` does not fit: {first_fault(error)}") from error
    except (InputError, OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"the recipe `{path}` cannot be used: {error}") from error


def plan_of(recipe: SetRecipe, sources: Sources, *, seed: int) -> MixedPlan:
    """The plan of a recipe.

    Args:
        recipe: what the data set is made of.
        sources: of what it is made.
        seed: of all randomness; that of each set follows from it and its number.

    Raises:
        InputError: if a set has no source.
    """
    plans: list[Plan] = []
    for number, each in enumerate(recipe.sets):
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        prefix = f"{number}_"
        if isinstance(each, ClipsSet):
            if not sources.highspeed:
                raise InputError("the recipe has a set of `clips`; name one of about 240 frames a second with `--highspeed`")
            plans.append(ClipPlan(sources.highspeed, each.response, each.blur, own, scale=each.scale, prefix=prefix))
            continue
        if not sources.photos:
            raise InputError(f"the recipe has a set of `{each.kind}`; name sharp photos, or folders of them")
        if isinstance(each, DynamicSet):
            files_of = (sources.photos, sources.cutouts, sources.highspeed)
            plans.append(ScenePlan(*files_of, each.blur, own, each.count, recipe.size, prefix=prefix))
        else:
            frames = each.frames if isinstance(each, SequencesSet) else 1
            plans.append(StillsPlan(sources.photos, each.blur, own, each.count, (recipe.size,) * 2, num_frames=frames, prefix=prefix))
    return MixedPlan(tuple(plans))
