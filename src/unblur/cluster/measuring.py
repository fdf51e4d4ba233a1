"""`unblur bench` on a cluster: a unit is a model on one sequence of a data set, or on a few pictures where each is measured by itself.

A unit measures into a run of its own inside the run, which is gone on with by the next attempt or the next command. When all are done, their rows, crops and
pictures are taken into the run, in the order in which one machine would have made them.
"""

import functools
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unblur.bench.contender import BLURRY, Contender, open_contender
from unblur.bench.crops import Gallery
from unblur.bench.datasets import DataSet
from unblur.bench.fit import Method
from unblur.bench.rows import Row, append, read_rows
from unblur.bench.run import PICTURES, Progress, open_run, run_bench
from unblur.cluster.results import HANG_AFTER, results_of
from unblur.cluster.schedule import Frames, Say, Work, unseen_message
from unblur.data.layouts import Sample
from unblur.errors import InputError, UnblurError
from unblur.metrics import Protocol
from unblur.restore.precision import Device, Precision
from unblur.weights import is_name
from unblur.weights.run import is_run

__all__ = ["Asked", "MeasureWork", "absolute", "bench_on_cluster", "take_part", "works_of"]

PICTURES_A_UNIT = 8
"""Pictures in a unit, where pictures are measured one by one."""


@dataclass(frozen=True)
class Asked:
    """What holds for all models of a run; see `open_contender` and `run_bench`."""

    device: Device = "auto"
    precision: Precision = "auto"
    as_tool: bool = False
    alone: bool = False
    self_ensemble: int = 1
    networks: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    metric_weights: Path | None = None
    temporal: bool = False
    crops: int = 8
    save_pictures: bool = False


@dataclass(frozen=True)
class MeasureWork(Work):
    """A model on a part of a data set.

    Attributes:
        model: as it was asked for.
        path: the same, if it is one, from wherever it is read.
        published: whether it is a published checkpoint.
        asked: how.
        data: with the samples of the part alone.
        protocols: by which to measure.
        run_folder: of the run.
        called: what the rows call it; None for the name that one machine would choose.
    """

    model: str
    path: str
    published: bool
    asked: Asked
    data: DataSet
    protocols: tuple[Protocol, ...]
    run_folder: Path
    called: str | None = None

    @property
    def part(self) -> Path:
        """The run of this unit."""
        samples = [(sample.sequence, sample.frame, str(sample.reference)) for sample in self.data.samples]
        facts = (self.called or self.model, self.published, repr(self.asked), self.data.name, [each.id for each in self.protocols], samples)
        return self.run_folder / f".part-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"

    def run(self, say: Say, *, attempt: int) -> UnblurError | None:
        """Measure the pictures of the part; the result is None, or what is wrong with the data or the model."""
        del attempt  # what an earlier one has measured is in the part
        asked = self.asked
        if not self.run_folder.is_dir():
            return InputError(unseen_message(self.run_folder, what="data and run"))
        try:
            open_run(self.part)
            if not read_rows(self.part, mend=True):
                append(self.part, read_rows(self.run_folder))  # what is there is not measured again
            run_bench(
                [_contender(self.model, self.path, self.published, asked, self.called)],
                [self.data],
                self.protocols,
                run=self.part,
                extras=asked.extras,
                metric_weights=asked.metric_weights,
                temporal=asked.temporal,
                crops=asked.crops,
                save_pictures=asked.save_pictures,
                progress=lambda _, done, total: say(Frames(done, total)),
            )
        except UnblurError as error:
            return error
        return None


def works_of(
    methods: Sequence[tuple[Method, bool]], plan: Sequence[tuple[DataSet, Protocol]], *, asked: Asked, run: Path
) -> list[MeasureWork]:
    """The units of a run, in the order in which one machine measures.

    Args:
        methods: the models, and whether each is a published checkpoint.
        plan: the data, each with a protocol.
        asked: how.
        run: folder of the run.
    """
    works = []
    for method, published in methods:
        is_file = published or (method.name != BLURRY and not is_name(method.name) and Path(method.name).exists())
        path = str(Path(method.name).absolute()) if is_file else method.name
        for data in {data.name: data for data, _ in plan}.values():
            protocols = tuple(dict.fromkeys(protocol for other, protocol in plan if other.name == data.name))
            for samples in data.sequences().values():
                whole = method.frames > 1 or (asked.temporal and data.clips)
                works += [
                    MeasureWork(method.name, path, published, asked, replace(data, samples=part), protocols, run.absolute())
                    for part in _parts(tuple(map(absolute, samples)), protocols, whole=whole)
                ]
    return works


def bench_on_cluster(
    works: Sequence[MeasureWork], *, address: str, threads: int = 1, hang_after: float = HANG_AFTER, progress: Progress | None = None
) -> list[Row]:
    """Measure on a cluster, and add the rows to the run.

    Args:
        works: the units, all of one run.
        address: see `unblur.cluster.connect.connected`.
        threads: processors of each worker.
        hang_after: seconds after which a unit that reports no picture is tried elsewhere.
        progress: see `Progress`; counts the pictures of all units.

    Returns:
        All rows of the run, as `run_bench` does.

    Raises:
        UnblurError: what `run_bench` raises of any unit, or if one was lost in every attempt. What was measured is kept, and the same
            call goes on from there.
    """
    folder = works[0].run_folder
    open_run(folder)
    read_rows(folder, mend=True)
    results_of(
        works,
        names=[f"`{work.model}` on `{work.data.name}`" for work in works],
        counts=[len(work.data.samples) for work in works],
        address=address,
        threads=threads,
        gpus=works[0].asked.device != "cpu",
        hang_after=hang_after,
        progress=None if progress is None else lambda done, total: progress("all models", done, total),
    )
    for work in works:
        take_part(work)
    return read_rows(folder)


def take_part(work: MeasureWork) -> None:
    """Take what a unit has measured into the run."""
    folder, part = work.run_folder, work.part
    there = {row.model_dump_json() for row in read_rows(folder)}
    append(folder, [row for row in read_rows(part) if row.model_dump_json() not in there])
    Gallery(folder, most=work.asked.crops).take_from(part)
    for picture in sorted((part / PICTURES).rglob("*.png")):
        target = folder / picture.relative_to(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.replace(target)
    shutil.rmtree(part)


def _parts(samples: tuple[Sample, ...], protocols: Sequence[Protocol], *, whole: bool) -> Iterator[tuple[Sample, ...]]:
    """A sequence in parts: as a whole if its frames are restored or chosen together."""
    count = len(samples)
    if whole or any(protocol.frames.select(count) != tuple(range(count)) for protocol in protocols):
        yield samples
        return
    for begin in range(0, count, PICTURES_A_UNIT):
        yield samples[begin : begin + PICTURES_A_UNIT]


def absolute(sample: Sample) -> Sample:
    """The same sample wherever it is read."""
    return replace(sample, blurry=tuple(map(Path.absolute, sample.blurry)), sharp=tuple(map(Path.absolute, sample.sharp)))


@functools.lru_cache(maxsize=1)
def _contender(model: str, path: str, published: bool, asked: Asked, called: str | None) -> Contender:  # noqa: FBT001 - private
    return open_contender(
        path,
        called=called or (None if not published and is_run(path) else model),
        published=published,
        device=asked.device,
        precision=asked.precision,
        as_tool=asked.as_tool,
        alone=asked.alone,
        self_ensemble=asked.self_ensemble,
        networks=asked.networks,
    )
