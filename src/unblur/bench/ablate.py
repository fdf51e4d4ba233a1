"""Published ablations, done again: every row trained at a budget, measured, and set beside the published table.

The studies are data (`studies.yaml`): a row is the arguments of a network and the place of its published numbers. How a row is
trained is handed in, so that a study knows nothing of training. Absolute numbers of a small budget say nothing about the
published ones; what is compared are the differences to the study's reference row.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import yaml

from unblur.bench.contender import contender_of
from unblur.bench.datasets import DataSet
from unblur.bench.published import find
from unblur.bench.rows import PictureRow
from unblur.bench.run import Progress, run_bench
from unblur.errors import InputError
from unblur.metrics import Protocol
from unblur.models.base import Net
from unblur.restore.precision import Device, Precision

__all__ = ["Comparison", "Loss", "Study", "StudyRow", "TrainRow", "Verdict", "compare", "read_study", "run_study", "studies"]

TrainRow = Callable[[str, Mapping[str, Any], int], Net]
"""Trains a row: name of the network, arguments of its constructor, steps -> the trained network."""

Loss = Literal["multiscale_content", "multiscale_mse", "mse", "l1"]
Verdict = Literal["reference", "same sign", "other sign", "within noise", "not learnt"]

_NOISE = 0.05
"""dB by which two trainings of one network differ easily; the least that a single training can show."""


@dataclass(frozen=True)
class StudyRow:
    """A row of a study.

    Attributes:
        name: as the published table has it.
        arguments: of the network's constructor.
        published_psnr: dB.
        published_ssim: its form is not stated.
    """

    name: str
    arguments: dict[str, Any]
    published_psnr: float
    published_ssim: float


@dataclass(frozen=True)
class Study:
    """A published ablation.

    Attributes:
        name: such as `mscnn-codecs`.
        system: name of the network.
        question: what it asks.
        source: paper and table.
        data: that the published numbers were measured on.
        reference: the row that the others are compared with.
        loss: by which the source trains.
        rows: in the order of the table.
    """

    name: str
    system: str
    question: str
    source: str
    data: str
    reference: str
    loss: Loss
    rows: tuple[StudyRow, ...]


@dataclass(frozen=True)
class Comparison:
    """A row, measured, beside its published numbers.

    Attributes:
        row: the row.
        means: measured, by the protocol, averaged over seeds.
        blurry_psnr: of the input, dB.
        spread: largest minus smallest PSNR over the seeds; None for a single seed.
        measured_difference: PSNR minus that of the reference row, dB.
        published_difference: the same of the published numbers.
        verdict: whether both differences have the same sign. `within noise` if the measured one is smaller than the spread of
            either row over the seeds, or, with a single seed, than 0.05 dB, below which a single training says nothing. `not
            learnt` if the row or the reference is no better than the blurry input: then the difference says nothing about deblurring.
    """

    row: StudyRow
    means: dict[str, float]
    blurry_psnr: float
    spread: float | None
    measured_difference: float
    published_difference: float
    verdict: Verdict


def studies() -> list[str]:
    """Names that `read_study` takes, in the order of the file."""
    return list(_document())


def read_study(name: str, *, small: bool = False) -> Study:
    """A study by its name.

    Args:
        name: one of `studies()`.
        small: with narrow networks, for a processor; what they show is about narrow networks.

    Raises:
        InputError: if there is no such study.

    Example:
        >>> [row.published_psnr for row in read_study("deepdeblur-scales").rows]
        [28.93, 29.23, 29.08]
    """
    if name not in _document():
        raise InputError(f"there is no study `{name}`; choose from {', '.join(studies())}")
    study = _document()[name]
    where = study["published"]
    published = {
        row.row: row
        for row in find(system=study["system"])
        if (row.source, row.table) == (where["source"], where["table"]) and row.row in study["rows"]
    }
    narrow: dict[str, Any] = study["small"] if small else {}
    return Study(
        name=name,
        system=study["system"],
        question=study["question"],
        source=f"{where['source']}, {where['table']}",
        data=next(iter(published.values())).data,
        reference=study["reference"],
        loss=study["loss"],
        rows=tuple(
            StudyRow(row, {**narrow, **arguments}, published[row].values["psnr"], published[row].values["ssim"])
            for row, arguments in study["rows"].items()
        ),
    )


def run_study(
    study: Study,
    train_rows: Sequence[TrainRow],
    data: DataSet,
    protocol: Protocol,
    *,
    steps: int,
    run: Path,
    device: Device = "auto",
    precision: Precision = "fp32",
    progress: Progress | None = None,
) -> list[Comparison]:
    """Train and measure every row, and compare.

    Args:
        study: what to train.
        train_rows: how, once for each seed.
        data: what to measure on; it must not be what is trained on.
        protocol: by which.
        steps: of each training.
        run: folder for the rows, see `unblur.bench.run`; a model is called `STUDY: ROW, seed N`.
        device: where to measure.
        precision: of measuring.
        progress: told after each picture.

    Raises:
        InputError: if there is nothing to train by.
    """
    if not train_rows:
        raise InputError("a study needs at least one way to train its rows")
    measured: dict[str, list[dict[str, float]]] = {}
    blurry = -math.inf
    for row in study.rows:
        for seed, train_row in enumerate(train_rows):
            called = f"{study.name}: {row.name}, seed {seed}"
            net = train_row(study.system, row.arguments, steps)
            contender = contender_of(net, name=called, system=study.system, arguments=row.arguments, device=device, precision=precision)
            lines = run_bench([contender], [data], [protocol], run=run, progress=progress)
            own = [
                line
                for line in lines
                if isinstance(line, PictureRow)
                and (line.model_sha256, line.data, line.protocol) == (contender.sha256, data.name, protocol.id)
            ]
            average = protocol.average([line.measures for line in own], sequences=[line.sequence for line in own])
            measured.setdefault(row.name, []).append(average.means)
            blurry = protocol.average([line.before for line in own], sequences=[line.sequence for line in own]).means["psnr"]
    return compare(study, measured, blurry_psnr=blurry)


def compare(study: Study, measured: Mapping[str, Sequence[Mapping[str, float]]], *, blurry_psnr: float) -> list[Comparison]:
    """Set measured means of each row, one a seed, beside the published numbers, difference by difference.

    Args:
        study: what was measured.
        measured: for each row of it the means of each seed.
        blurry_psnr: of the input, by the same protocol.

    Raises:
        InputError: if a row of the study was not measured.
    """
    missing = [row.name for row in study.rows if not measured.get(row.name)]
    if missing:
        raise InputError(f"study `{study.name}`: not measured are {', '.join(missing)}")
    psnr = {name: fmean(means["psnr"] for means in seeds) for name, seeds in measured.items()}
    spreads = {name: _spread([means["psnr"] for means in seeds]) for name, seeds in measured.items()}
    reference = next(row for row in study.rows if row.name == study.reference)
    found: list[Comparison] = []
    for row in study.rows:
        ours = psnr[row.name] - psnr[reference.name]
        theirs = row.published_psnr - reference.published_psnr
        noise = max((each for each in (spreads[row.name], spreads[reference.name]) if each is not None), default=_NOISE)
        verdict: Verdict = "same sign" if (ours > 0) == (theirs > 0) else "other sign"
        if row.name == reference.name:
            verdict = "reference"
        elif min(psnr[row.name], psnr[reference.name]) <= blurry_psnr:
            verdict = "not learnt"
        elif abs(ours) <= noise:
            verdict = "within noise"
        means = {measure: fmean(each[measure] for each in measured[row.name]) for measure in measured[row.name][0]}
        found.append(Comparison(row, means, blurry_psnr, spreads[row.name], ours, theirs, verdict))
    return found


def _spread(values: Sequence[float]) -> float | None:
    return max(values) - min(values) if len(values) > 1 else None


@cache
def _document() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = yaml.safe_load((files("unblur.bench") / "studies.yaml").read_text(encoding="utf-8"))
    return document
