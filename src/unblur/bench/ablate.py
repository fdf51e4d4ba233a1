"""Studies: rows of recipes, trained alike and measured alike, in one table beside the published numbers.

The studies are data (`studies.yaml`): published ablations, whose rows are compared with a reference row, and systems side by side. How
a row is trained is handed in, so that a study knows nothing of training. Absolute numbers of a small budget say nothing about the
published ones; what is compared are differences.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import yaml

from unblur.bench.contender import open_contender
from unblur.bench.datasets import DataSet
from unblur.bench.published import Published, find
from unblur.bench.rows import PictureRow
from unblur.bench.run import Progress, open_run, run_bench
from unblur.errors import InputError
from unblur.metrics import Protocol
from unblur.restore.precision import Device, Precision

__all__ = [
    "Comparison",
    "Measured",
    "Study",
    "StudyRow",
    "TrainRow",
    "Trained",
    "Verdict",
    "called",
    "compare",
    "folder_of",
    "read_study",
    "run_study",
    "short_changes",
    "studies",
]

Verdict = Literal["reference", "same sign", "other sign", "within noise", "learnt", "not learnt"]

Claim = Literal["", "better", "worse"]

_NOISE = 0.05
"""dB by which two trainings of one network differ easily; the least that a single training can show."""


@dataclass(frozen=True)
class StudyRow:
    """A row of a study.

    Attributes:
        name: as the published table has it; of a twin that of its row, with `, alone`.
        recipe: folder and name of its recipe, such as `mscnn/gopro-codecs-1`.
        arguments: of its network, in place of the recipe's.
        twin_of: the row that this one is the twin of, empty if it is none: the same network without neighbouring frames.
        published: what is published of it, None if nothing is.
        claim: what a source says of it in comparison with the reference where it gives no number, empty if nothing.
    """

    name: str
    recipe: str
    arguments: dict[str, Any]
    twin_of: str
    published: Published | None
    claim: Claim = ""

    @property
    def system(self) -> str:
        """Name of the network."""
        return self.recipe.split("/")[0]


@dataclass(frozen=True)
class Study:
    """Rows to train and measure.

    Attributes:
        name: such as `mscnn-codecs`.
        question: what it asks.
        reference: the row that the others are compared with; empty where systems stand side by side.
        rows: in the order of the table, each before its twin.
        on_clips: whether networks of one frame are trained on middle frames of the sequences that the others see, in short trainings.
        adversary: whether the objectives of the recipes stay as they are in short trainings, with their discriminators.
    """

    name: str
    question: str
    reference: str
    rows: tuple[StudyRow, ...]
    on_clips: bool = False
    adversary: bool = False

    @property
    def sources(self) -> list[str]:
        """Papers and tables that the published numbers are from, and the data that they were measured on."""
        published = [row.published for row in self.rows if row.published is not None]
        return list(dict.fromkeys(f"{row.source}, {row.table}, on {row.data}" for row in published))


@dataclass(frozen=True)
class Trained:
    """A row after its training.

    Attributes:
        run: folder that `unblur.weights` takes.
        steps: taken.
        seconds: that the steps took.
    """

    run: Path
    steps: int
    seconds: float


TrainRow = Callable[[StudyRow, int, str], Trained]
"""Trains a row, or finds that it has been: the row, a seed, and a name for the folder."""


@dataclass(frozen=True)
class Measured:
    """A row, trained by one seed and measured.

    Attributes:
        trained: the training.
        means: by the protocol.
        parameters: of the network.
        multiply_adds: for one frame of 1280x720.
    """

    trained: Trained
    means: dict[str, float]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Comparison:
    """A row, measured, beside its published numbers.

    Attributes:
        row: the row.
        means: measured, by the protocol, averaged over seeds.
        gain: PSNR minus that of the blurry input, dB.
        psnr_range: largest minus smallest PSNR over the seeds; None for a single seed.
        difference: PSNR minus that of the reference row, or of a twin's row that of the twin, dB; None where there is neither.
        published_difference: the same of the published numbers; None where there are none.
        steps: of the training, mean over the seeds.
        seconds: of the training, mean over the seeds.
        parameters: of the network.
        multiply_adds: for one frame of 1280x720.
        verdict: whether both differences have the same sign, or the measured one that of the row's claim. `within noise` if the measured one is smaller than the spread of
            either row over the seeds, or, with a single seed, than 0.05 dB, below which a single training says nothing. `not
            learnt` if the row or the reference is no better than the blurry input: then the difference says nothing about deblurring.
            Where no difference is published or claimed, `learnt` or `not learnt`.
    """

    row: StudyRow
    means: dict[str, float]
    gain: float
    psnr_range: float | None
    difference: float | None
    published_difference: float | None
    steps: float
    seconds: float
    parameters: int
    multiply_adds: int
    verdict: Verdict


def studies() -> list[str]:
    """Names that `read_study` takes, in the order of the file."""
    return list(_document()["studies"])


def read_study(name: str, *, small: bool = False, only: Sequence[str] = ()) -> Study:
    """A study by its name.

    Args:
        name: one of `studies()`.
        small: with narrow networks, for a processor; what they show is about narrow networks.
        only: rows to keep, besides the reference and twins; all if empty.

    Raises:
        InputError: if there is no such study, or no such row.

    Example:
        >>> [row.published.values["psnr"] for row in read_study("deepdeblur-scales").rows]
        [28.93, 29.23, 29.08]
    """
    if name not in _document()["studies"]:
        raise InputError(f"there is no study `{name}`; choose from {', '.join(studies())}")
    study = _document()["studies"][name]
    if unknown := [row for row in only if row not in study["rows"]]:
        raise InputError(f"study `{name}` has no row `{unknown[0]}`; choose from {', '.join(study['rows'])}")
    by_system = study.get("compares") == "systems"
    rows: list[StudyRow] = []
    for called, recipe in study["rows"].items():
        if only and called not in (*only, study.get("reference")):
            continue
        system = recipe.split("/")[0]
        narrow = _document()["small"][system] if small else {}
        published = _published(study["published"], system, None if by_system else called)
        rows.append(StudyRow(called, recipe, narrow, "", published, study.get("claims", {}).get(called, "")))
        if study.get("twins"):
            rows.append(StudyRow(f"{called}, alone", recipe, narrow, called, None))
    on_clips, adversary = study.get("on_clips", False), study.get("adversary", False)
    return Study(name, study["question"], study.get("reference", ""), tuple(rows), on_clips=on_clips, adversary=adversary)


def short_changes(recipe: Mapping[str, Any], *, on_clips: bool = False, adversary: bool = False) -> dict[str, Any]:
    """Changes to a recipe for a training of minutes on samples that are made of photos; see `studies.yaml`.

    Args:
        recipe: all keys of the recipe; one with `flow_weights` begins from these.
        on_clips: as for `Study`.
        adversary: as for `Study`.

    Example:
        >>> own = {"data": {"kind": "pairs"}, "objective": {"kind": "content", "loss": {"l1": 1.0}}, "lr_of": {"flow": 1e-6}}
        >>> short_changes(own)["lr_of"], short_changes(own)["objective"]
        ({'flow': 0.0001}, {'kind': 'content', 'loss': {'l1': 1.0}, 'truths': 'middle'})
    """
    short = _document()["short"]
    several = "frames" in recipe["data"]
    truths = recipe["objective"].get("truths", "middle")
    changes = short["all"] | short["several" if several or on_clips else "one"]
    changes["data"] = short["data"] | changes["data"]
    if several:
        changes["data"]["frames"] = short["unrolled"] if truths == "all" else recipe["data"]["frames"]
    elif on_clips:
        changes["data"] |= short["on_clips"]["data"]
    changes["objective"] = {"kind": "content", "loss": recipe["objective"]["loss"], "truths": truths}
    if adversary:
        changes["data"] |= short["adversary"]["data"]
        changes |= {"crop": short["adversary"]["crop"], "objective": recipe["objective"]}
    changes["lr_of"] = {
        part: short["trained_flow"] if recipe.get("flow_weights") and part.endswith("flow") else short["parts"] for part in recipe["lr_of"]
    }
    return changes


def folder_of(row: StudyRow, *, seed: int) -> str:
    """Name of the folder of a training: that of `w/o Align` by seed 1 is `w-o-align-seed-1`."""
    plain = re.sub(r"[^a-z0-9]+", "-", row.name.lower()).strip("-")
    return f"{plain}-seed-{seed}"


def called(study: Study, row: StudyRow, *, seed: int) -> str:
    """What a run calls a row."""
    return f"{study.name}: {row.name}, seed {seed}"


def run_study(
    study: Study,
    train_row: TrainRow,
    data: DataSet,
    protocol: Protocol,
    *,
    seeds: Sequence[int] = (1,),
    run: Path,
    save_pictures: bool = False,
    device: Device = "auto",
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> list[Comparison]:
    """Train and measure every row, and compare.

    Args:
        study: what to train.
        train_row: how.
        data: what to measure on; it must not be what is trained on.
        protocol: by which.
        seeds: of the trainings of each row.
        run: folder for the rows, see `unblur.bench.run`; a model is called `STUDY: ROW, seed N`.
        save_pictures: keep every restored picture, as `unblur.bench.run.run_bench` does.
        device: where to measure.
        precision: of measuring.
        progress: called after each picture.

    Raises:
        InputError: if there is no seed, or the data do not suit the networks.
        OutputError: if `run` is the folder of something else.
    """
    if not seeds:
        raise InputError("a study needs at least one seed to train its rows by")
    open_run(run)
    measured: dict[str, list[Measured]] = {}
    blurry = 0.0
    for row in study.rows:
        for seed in seeds:
            trained = train_row(row, seed, folder_of(row, seed=seed))
            contender = open_contender(
                str(trained.run),
                called=called(study, row, seed=seed),
                device=device,
                precision=precision,
                alone=bool(row.twin_of),
            )
            lines = run_bench([contender], [data], [protocol], run=run, save_pictures=save_pictures, progress=progress)
            pictures = [line for line in lines if isinstance(line, PictureRow) and line.which == contender.which]
            newest = {(line.sequence, line.frame): line for line in pictures if (line.data, line.protocol) == (data.name, protocol.id)}
            chosen = [(sample.sequence, sample.frame) for sample in data.samples]  # pictures may have changed since the run began
            own = [newest[place] for place in chosen if place in newest]
            means, before = (
                protocol.average(measures, sequences=[line.sequence for line in own]).means
                for measures in ([line.measures for line in own], [line.before for line in own])
            )
            measured.setdefault(row.name, []).append(Measured(trained, means, contender.cost.parameters, contender.cost.multiply_adds))
            blurry = before["psnr"]
    return compare(study, measured, blurry_psnr=blurry)


def compare(study: Study, measured: Mapping[str, Sequence[Measured]], *, blurry_psnr: float) -> list[Comparison]:
    """Set what was measured of each row, once a seed, beside the published numbers, difference by difference.

    Args:
        study: what was measured.
        measured: for each row of it the trainings of each seed.
        blurry_psnr: of the input, by the same protocol, dB.

    Raises:
        InputError: if a row of the study was not measured.
    """
    missing = [row.name for row in study.rows if not measured.get(row.name)]
    if missing:
        raise InputError(f"study `{study.name}`: not measured are {', '.join(missing)}")
    psnr = {name: fmean(each.means["psnr"] for each in seeds) for name, seeds in measured.items()}
    rows = {row.name: row for row in study.rows}
    twins = {row.twin_of: row.name for row in study.rows if row.twin_of}
    found: list[Comparison] = []
    for name, row in rows.items():
        trainings = measured[name]
        other = study.reference or twins.get(name, "")
        difference = psnr[name] - psnr[other] if other else None
        published = _difference(row.published, rows[other].published) if other else None
        found.append(
            Comparison(
                row=row,
                means={measure: fmean(each.means[measure] for each in trainings) for measure in trainings[0].means},
                gain=psnr[name] - blurry_psnr,
                psnr_range=_psnr_range(trainings),
                difference=difference,
                published_difference=published,
                steps=fmean(each.trained.steps for each in trainings),
                seconds=fmean(each.trained.seconds for each in trainings),
                parameters=trainings[0].parameters,
                multiply_adds=trainings[0].multiply_adds,
                verdict=_verdict(
                    is_reference=name == study.reference,
                    learnt=min(psnr[name], psnr[study.reference or name]) > blurry_psnr,
                    ours=difference,
                    theirs=_CLAIMED[row.claim] if published is None else published,
                    noise=max(
                        (each for each in (_psnr_range(trainings), _psnr_range(measured.get(other, ()))) if each is not None),
                        default=_NOISE,
                    ),
                ),
            )
        )
    return found


_CLAIMED: dict[Claim, float | None] = {"": None, "better": 1.0, "worse": -1.0}
"""A difference of the sign that a claim names."""


def _verdict(*, is_reference: bool, learnt: bool, ours: float | None, theirs: float | None, noise: float) -> Verdict:
    if is_reference:
        return "reference"
    if not learnt:
        return "not learnt"
    if ours is None or theirs is None:
        return "learnt"
    if abs(ours) <= noise:
        return "within noise"
    return "same sign" if (ours > 0) == (theirs > 0) else "other sign"


def _difference(row: Published | None, other: Published | None) -> float | None:
    return row.values["psnr"] - other.values["psnr"] if row is not None and other is not None else None


def _psnr_range(seeds: Sequence[Measured]) -> float | None:
    values = [each.means["psnr"] for each in seeds]
    return max(values) - min(values) if len(values) > 1 else None


def _published(tables: Sequence[Mapping[str, str]], system: str, name: str | None) -> Published | None:
    """The published row of a system, in the first of the tables that has it; of that name, if one is given."""
    for table in tables:
        for row in find(data=None):
            if (row.source, row.table, row.system) == (table["source"], table["table"], system) and name in (None, row.row):
                return row
    return None


@cache
def _document() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = yaml.safe_load((files("unblur.bench") / "studies.yaml").read_text(encoding="utf-8"))
    return document
