"""Rows of runs, averaged as their protocol says, and lines of runs that differ by their seed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean, median, stdev

from unblur.bench.contender import BLURRY
from unblur.bench.rows import ClipRow, ModelRow, PictureRow, Row, Way, which
from unblur.errors import InputError
from unblur.metrics import protocols
from unblur.metrics.protocol import finite_mean

__all__ = ["Group", "OfModel", "Summary", "display_names", "grouped", "pictures_of", "summarise"]


@dataclass(frozen=True, kw_only=True)
class OfModel:
    """What one model was measured to be on one data set, of whatever kind the measures are.

    Attributes:
        model: its name.
        data: name of the data set.
        pictures: measured.
        seconds: median of a picture; 0 where nothing was run.
        device: where it ran.
        precision: of the arithmetic.
        way: `network`, `tool`, `alone` or `results`.
        self_ensemble: mirrored and turned ones of which the mean is taken.
        model_sha256: of the weights.
        arguments_sha256: of the arguments of the network.
        version: of the program that measured.
    """

    model: str
    data: str
    pictures: int
    seconds: float
    device: str
    precision: str
    way: Way
    self_ensemble: int
    model_sha256: str
    arguments_sha256: str
    version: str

    @property
    def which(self) -> tuple[str, ...]:
        """As `which` of the rows: what was measured."""
        arguments, version = self.arguments_sha256, self.version
        return which(
            self.model_sha256, self.device, self.precision, self.way, self.self_ensemble, arguments_sha256=arguments, version=version
        )


@dataclass(frozen=True, kw_only=True)
class Summary(OfModel):
    """One model on one data set by one protocol.

    Attributes beside those of `OfModel`:
        system: its network.
        protocol: name and version.
        means: of the measures, by the protocol's averaging, and of extras over the pictures where they are finite.
        gain: mean PSNR minus that of the blurry pictures, dB.
        infinite: pictures with an infinite PSNR, which are left out of the mean.
        peak_bytes: largest of a picture; 0 where nothing was run, see `has_cost`, and so the next two.
        parameters: of the network.
        multiply_adds: for one frame of 1280x720.
        frames: that go in for one that comes out.
        warping_error: mean over clips, None if it was not measured.
        warping_error_sharp: of the sharp clips.
    """

    system: str
    protocol: str
    means: dict[str, float]
    gain: float
    infinite: int
    peak_bytes: int
    parameters: int
    multiply_adds: int
    frames: int
    warping_error: float | None
    warping_error_sharp: float | None

    @property
    def has_cost(self) -> bool:
        """Whether a network was run, so that its time, memory, parameters and multiply-adds are known."""
        return self.system != BLURRY and self.way != "results"


@dataclass(frozen=True)
class Group:
    """A line of a table: one model, or several that differ by their seed, on one data set by one protocol.

    Attributes:
        name: what to call it.
        members: the models, at least one.
    """

    name: str
    members: tuple[Summary, ...]

    @property
    def first(self) -> Summary:
        """One of the models, for what all have in common."""
        return self.members[0]

    def measure(self, name: str) -> tuple[float, float | None]:
        """Mean over the models of a measure, or of `gain`, `warping_error` and the like, and its sample standard deviation; None of a single model.

        Both are not finite if a value is not.
        """
        values = [each.means[name] if name in each.means else float(getattr(each, name)) for each in self.members]
        if not all(map(math.isfinite, values)):
            return (values[0] if len(set(values)) == 1 else math.nan), None
        return fmean(values), stdev(values) if len(values) > 1 else None


def grouped(summaries: Sequence[Summary], *, names: Mapping[tuple[str, ...], str], patterns: Mapping[str, str]) -> list[Group]:
    """Put models together that differ by their seed; every other is a line of its own.

    Args:
        summaries: of all models.
        names: of the models, see `display_names`.
        patterns: of the names of models that are put together, such as `srn-seed-*`, by the name of their line.

    Returns:
        The lines, in the order of the first model of each.

    Raises:
        InputError: if a pattern fits fewer than two models of a data set, or models that differ by more than their weights, or if a model fits
            two patterns.
    """
    lines: dict[tuple[str, str, str], list[Summary]] = {}
    for summary in summaries:
        fitting = [line for line, pattern in patterns.items() if fnmatchcase(names[summary.which], pattern)]
        if len(fitting) > 1:
            raise InputError(
                f"`{names[summary.which]}` fits both `{patterns[fitting[0]]}` and `{patterns[fitting[1]]}`; it can be in one line only"
            )
        key = f"={fitting[0]}" if fitting else "|".join(summary.which)
        lines.setdefault((summary.data, summary.protocol, key), []).append(summary)
    for line, pattern in patterns.items():
        own = [members for (_, _, key), members in lines.items() if key == f"={line}"]
        fewest = min(own, key=len, default=[])
        if len(fewest) < 2:
            what = f"only `{names[fewest[0].which]}` of `{fewest[0].data}`" if fewest else "no model"
            raise InputError(f"`{pattern}` fits {what}; a mean is over two at least. There are: {', '.join(sorted(set(names.values())))}")
        for members in own:
            _refuse_different(line, members)
    return [
        Group(key.removeprefix("=") if key.startswith("=") else names[members[0].which], tuple(members))
        for (_, _, key), members in lines.items()
    ]


def _refuse_different(line: str, members: Sequence[Summary]) -> None:
    """Raise an error unless all models are one network with other weights, measured alike on the same pictures."""
    for what in (
        "system",
        "parameters",
        "multiply_adds",
        "arguments_sha256",
        "device",
        "precision",
        "way",
        "self_ensemble",
        "version",
        "pictures",
    ):
        values = {str(getattr(each, what)) for each in members if what != "system" or each.way != "results"}
        if len(values) > 1:
            raise InputError(
                f"the models of `{line}` differ in `{what}` ({', '.join(sorted(values))}) on `{members[0].data}`; a mean of them says nothing"
            )


def display_names(summaries: Sequence[OfModel]) -> dict[tuple[str, ...], str]:
    """What to call each model: its name without a folder, and what tells it from another of that name."""
    found: dict[tuple[str, ...], str] = {}
    for summary in summaries:
        name = Path(summary.model).stem if summary.model.endswith(".safetensors") else summary.model
        found[summary.which] = name + {"network": "", "tool": ", as the tool", "alone": ", each frame alone", "results": ""}[summary.way]
        found[summary.which] += f", self-ensemble of {summary.self_ensemble}" if summary.self_ensemble > 1 else ""
    plain = dict(found)
    places: dict[tuple[str, ...], set[str]] = {}
    for summary in summaries:
        places.setdefault(summary.which, set()).add(summary.data)
    for identity, name in plain.items():
        same = [other for other, called in plain.items() if called == name and places[other] & places[identity]]
        if len(same) > 1:
            said = (
                (2, identity[2]),
                (1, identity[1]),
                (0, identity[0][:6]),
                (4, f"arguments {identity[4][:6]}"),
                (5, f"unblur {identity[5]}"),
            )
            marks = [mark for place, mark in said if len({other[place] for other in same}) > 1]
            found[identity] = f"{name} ({', '.join(marks)})"
    return found


def pictures_of(rows: Iterable[Row]) -> list[PictureRow]:
    """The pictures, each once, with all extras that were measured of it."""
    found: dict[tuple[object, ...], PictureRow] = {}
    for row in rows:
        if isinstance(row, PictureRow):
            earlier = found[row.key].extras if row.key in found else {}
            found[row.key] = row.model_copy(update={"extras": earlier | row.extras})
    return list(found.values())


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Average the rows of one run or several, by data set and protocol, the best PSNR first.

    Rows of the same weights on another device, in another precision or another way, by another version or of a network with other arguments are
    a line of their own.

    Raises:
        InputError: if the rows lack the model that they belong to, or were measured by a protocol that is not here.
    """
    models = {row.which: row for row in rows if isinstance(row, ModelRow)}
    groups: dict[tuple[str, str, tuple[str, ...]], list[PictureRow]] = {}
    for row in pictures_of(rows):
        groups.setdefault((row.data, row.protocol, row.which), []).append(row)
    found: list[Summary] = []
    for (data, called, measured), pictures in groups.items():
        if measured not in models:
            raise InputError(f"rows of `{pictures[0].model}` lack their model; was the run's file cut?")
        model = models[measured]
        protocol = protocols.get(called)
        sequences = [row.sequence for row in pictures]
        average = protocol.average([row.measures for row in pictures], sequences=sequences)
        before = protocol.average([row.before for row in pictures], sequences=sequences)
        clips = [row for row in rows if isinstance(row, ClipRow) and row.data == data and row.which == measured]
        extras = {
            name: finite_mean([row.extras[name] for row in pictures])
            for name in pictures[0].extras
            if all(name in row.extras for row in pictures)
        }
        found.append(
            Summary(
                model=model.model,
                system=model.system,
                data=data,
                protocol=called,
                pictures=average.pictures,
                means=average.means | extras,
                gain=average.means["psnr"] - before.means["psnr"],
                infinite=average.infinite["psnr"],
                seconds=median(row.seconds for row in pictures),
                peak_bytes=max(row.peak_bytes for row in pictures),
                parameters=model.parameters,
                multiply_adds=model.multiply_adds,
                frames=model.frames,
                device=model.device,
                precision=model.precision,
                way=model.way,
                self_ensemble=model.self_ensemble,
                warping_error=fmean(row.warping_error for row in clips) if clips else None,
                warping_error_sharp=fmean(row.warping_error_sharp for row in clips) if clips else None,
                model_sha256=model.model_sha256,
                arguments_sha256=model.arguments_sha256,
                version=model.version,
            )
        )
    return sorted(found, key=lambda summary: (summary.data, summary.protocol, -summary.means["psnr"]))
