"""Measure models on data sets by protocols: one row a picture, and nothing is measured twice."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

import unblur
from unblur.bench.contender import Contender, Picture, Restored
from unblur.bench.crops import Gallery
from unblur.bench.datasets import DataSet
from unblur.bench.extras import Extra, open_extra
from unblur.bench.fit import check_fit
from unblur.bench.rows import FILE, ClipRow, ModelRow, PictureRow, Row, append, read_rows
from unblur.data.layouts import Sample
from unblur.errors import InputError, OutputError
from unblur.io.image import read_rgb
from unblur.io.whole import make_folder, written_whole
from unblur.metrics import Protocol, warping_error
from unblur.pixels import to_float, to_levels, to_tensor

__all__ = ["PICTURES", "Progress", "new_model", "open_run", "read_picture", "run_bench", "safe_name", "save_picture", "saved_picture"]

PICTURES = "pictures"
"""Folder of a run in which restored pictures are kept."""

Progress = Callable[[str, int, int], None]
"""Called after each picture: what is measured, how many of its pictures are done, and how many there are."""

Before = dict[tuple[Path, str], dict[str, float]]
"""What protocols say of blurry pictures, so that several models do not measure them again."""


def run_bench(
    contenders: Iterable[Contender],
    data_sets: Sequence[DataSet],
    protocols: Sequence[Protocol],
    *,
    run: Path,
    extras: Sequence[str] = (),
    metric_weights: Path | None = None,
    temporal: bool = False,
    crops: int = 8,
    save_pictures: bool = False,
    pairs: Sequence[tuple[DataSet, Protocol]] = (),
    progress: Progress | None = None,
) -> list[Row]:
    """Measure every model on every data set by every protocol, and add the rows to a run.

    A row that the run has already is not made again: the same weights and arguments of the network, pictures, protocol, device and precision, by the
    same version of the program. A run that was
    stopped goes on where it was.

    Args:
        contenders: the models; they may be loaded one by one, as they are asked for.
        data_sets: the data.
        protocols: by which to measure; each picture is restored once for all of them.
        run: folder, made if it is not there.
        extras: measures beside those of the protocols, see `unblur.bench.extras`.
        metric_weights: folder with the weights that these need.
        temporal: also measure the warping error of clips.
        save_pictures: keep every restored picture, see `saved_picture`; those that were measured before and are not there are restored again.
        pairs: more data sets, each with the protocol by which it alone is measured.
        crops: pictures of which a crop is kept for the report, those with the lowest PSNR of each model and data set.
        progress: see `Progress`.

    Returns:
        All rows of the run, old ones too.

    Raises:
        InputError: if a picture cannot be read, does not fit its truth, or a network of several frames meets data without clips. What data and
            protocols show by themselves is found before the first method is loaded.
        OutputError: if `run` is the folder of something else.
    """
    plan = [*((data, protocol) for data in data_sets for protocol in protocols), *pairs]
    check_fit([], plan)
    opened = [open_extra(name, weights=metric_weights) for name in extras]
    open_run(run)
    there: dict[tuple[object, ...], set[str]] = {}
    for row in read_rows(run, mend=True):
        if not isinstance(row, ModelRow):
            there.setdefault(row.key, set()).update(row.extras if isinstance(row, PictureRow) else ())
    keeping = _Keeping(Gallery(run, most=crops), run / PICTURES if save_pictures else None)
    before: Before = {}
    for contender in contenders:
        append(run, new_model(contender, run))
        for data in {data.name: data for data, _ in plan}.values():
            if contender.data not in (None, data.name):
                continue
            if contender.needs_clips and not data.clips:
                raise InputError(
                    f"`{contender.name}` looks at {contender.cost.frames} frames, but `{data.name}` has no clips: "
                    "put the frames of each clip into a folder of its own"
                )
            by = list(dict.fromkeys(protocol for other, protocol in plan if other.name == data.name))
            _Measuring(contender, data, by, opened, there, before, run, keeping, temporal, progress).all()
    return read_rows(run)


def open_run(run: Path) -> None:
    """Make the folder of a run, or see that it is one.

    Raises:
        OutputError: if it is a file, or the folder of something else, or cannot be written to.
    """
    if run.is_dir() and any(run.iterdir()) and not (run / FILE).is_file():
        raise OutputError(f"`{run}` holds other things than a run; name another folder")
    make_folder(run)
    (run / FILE).touch()


def read_picture(path: Path) -> Picture:
    """Read a picture as (H, W, 3), RGB in [0, 1]; grey is spread over the channels, opacity left out."""
    return to_float(read_rgb(path))


def saved_picture(folder: Path, *, method: str, which: Sequence[str], data: str, sample: Sample) -> Path:
    """Where a restored picture is kept: `METHOD-DIGEST/DATA/SEQUENCE/NAME.png`, the digest being that of weights, device, precision and way.

    Args:
        folder: of the pictures of a run.
        method: its name.
        which: what it is, as `which` of `unblur.bench.contender.Contender` and of the rows.
        data: name of the data set.
        sample: of which it is.
    """
    digest = hashlib.sha256("|".join(which).encode()).hexdigest()[:8]
    last = method.rstrip("/").rpartition("/")[2].removesuffix(".safetensors")
    name = sample.reference.name if sample.reference.suffix.lower() == ".png" else f"{sample.reference.name}.png"
    return folder.joinpath(*(safe_name(part) for part in (f"{last}-{digest}", data, sample.sequence)), name)


def safe_name(text: str) -> str:
    """Name of a folder for any text, such as that of a data set."""
    return re.sub(r"[^\w.+-]+", "-", text).strip(".") or "data"


def save_picture(picture: Picture, target: Path | None) -> None:
    """Write a picture as PNG of 8 bit, whole; nothing if there is no target."""
    if target is not None:
        with written_whole(target, overwrite=True) as partial:
            PillowImage.fromarray(to_levels(picture, np.uint8)).save(partial)


@dataclass(frozen=True)
class _Keeping:
    """What a run keeps to be looked at: crops, and the folder of restored pictures, if these are kept as well."""

    gallery: Gallery
    pictures: Path | None


class _Measuring:
    """One model on one data set."""

    def __init__(
        self,
        contender: Contender,
        data: DataSet,
        protocols: Sequence[Protocol],
        extras: Sequence[Extra],
        there: dict[tuple[object, ...], set[str]],
        before: Before,
        run: Path,
        keeping: _Keeping,
        temporal: bool,  # noqa: FBT001 - private, and all are given by place
        progress: Progress | None,
    ) -> None:
        self.contender, self.data, self.protocols, self.extras = contender, data, protocols, extras
        self.there, self.before, self.run, self.keeping, self.temporal, self.progress = (
            there,
            before,
            run,
            keeping,
            temporal and data.clips,
            progress,
        )
        self.done = 0

    def all(self) -> None:
        for sequence, samples in self.data.sequences().items():
            if self.contender.needs_clips or self.temporal:
                self._group(sequence, samples)
            else:
                for place, sample in enumerate(samples):
                    self._group(sequence, [sample], chosen_in=len(samples), first=place)

    def _group(self, sequence: str, samples: list[Sample], *, chosen_in: int | None = None, first: int = 0) -> None:
        """Measure samples that are restored together: one picture, or a clip."""
        clip = chosen_in is None
        blurry = [_digest([sample.reference]) for sample in samples]
        whole = hashlib.sha256("".join(blurry).encode()).hexdigest()
        wanted: list[tuple[int, Protocol, PictureRow]] = []
        wanted_at_all = False
        for protocol in self.protocols:
            chosen = protocol.frames.select(len(samples) if clip else chosen_in or 1)
            for place, sample in enumerate(samples):
                if first + place not in chosen:
                    continue
                wanted_at_all = True
                row = self._row(sample, protocol, whole if self.contender.needs_clips else blurry[place])
                if row.key not in self.there or set(row.extras) - self.there[row.key]:
                    wanted.append((place, protocol, row))
        over_time = None
        if self.temporal and len(samples) > 1:
            sharp = _digest([sample.sharp[0] for sample in samples])
            over_time = self._clip_row(sequence, blurry_sha256=whole, sharp_sha256=sharp)
        if over_time is not None and over_time.key in self.there:
            over_time = None
        unsaved = (
            [sample for sample in samples if (file := self._saved(sample)) is not None and not file.is_file()] if wanted_at_all else []
        )
        if wanted or over_time is not None or unsaved:
            shown = [read_picture(sample.reference) for sample in samples]
            restored = list(self.contender.restore(shown, samples))
            for place, sample in enumerate(samples):
                if sample in unsaved:
                    save_picture(restored[place].picture, self._saved(sample))
                own = [(protocol, row) for at, protocol, row in wanted if at == place]
                if own:
                    self._measure(sample, own, shown[place], restored[place])
            if over_time is not None:
                self._over_time(samples, restored, over_time)
        self.done += len(samples)
        if self.progress is not None:
            self.progress(f"{self.contender.name} on {self.data.name}", self.done, len(self.data.samples))

    def _row(self, sample: Sample, protocol: Protocol, blurry_sha256: str) -> PictureRow:
        return PictureRow(
            model=self.contender.name,
            model_sha256=self.contender.sha256,
            arguments_sha256=self.contender.arguments_sha256,
            version=unblur.__version__,
            data=self.data.name,
            sequence=sample.sequence,
            frame=sample.frame,
            name=sample.reference.name,
            blurry_sha256=blurry_sha256,
            sharp_sha256=_digest(sample.sharp),
            protocol=protocol.id,
            device=self.contender.device,
            precision=self.contender.precision,
            way=self.contender.way,
            self_ensemble=self.contender.self_ensemble,
            width=0,
            height=0,
            measures={},
            before={},
            extras=dict.fromkeys((name for extra in self.extras for name in extra.names), 0.0),
            seconds=0.0,
            peak_bytes=0,
            kept_input=0.0,
        )

    def _saved(self, sample: Sample) -> Path | None:
        """Where the restored picture of a sample is to be kept; None if it is not."""
        if self.keeping.pictures is None:
            return None
        method, which = self.contender.name, self.contender.which
        return saved_picture(self.keeping.pictures, method=method, which=which, data=self.data.name, sample=sample)

    def _clip_row(self, sequence: str, *, blurry_sha256: str, sharp_sha256: str) -> ClipRow:
        return ClipRow(
            model=self.contender.name,
            model_sha256=self.contender.sha256,
            arguments_sha256=self.contender.arguments_sha256,
            version=unblur.__version__,
            data=self.data.name,
            sequence=sequence,
            blurry_sha256=blurry_sha256,
            sharp_sha256=sharp_sha256,
            device=self.contender.device,
            precision=self.contender.precision,
            way=self.contender.way,
            self_ensemble=self.contender.self_ensemble,
            warping_error=0.0,
            warping_error_sharp=0.0,
            visible=0.0,
        )

    def _measure(self, sample: Sample, wanted: list[tuple[Protocol, PictureRow]], blurry: Picture, restored: Restored) -> None:
        """Fill rows of one picture in and write them."""
        made: list[PictureRow] = []
        sharp = read_picture(sample.sharp[len(sample.sharp) // 2])
        beside = [zip(extra.names, extra.measure(_tensor(restored.picture), _tensor(sharp)), strict=True) for extra in self.extras]
        extras = {name: value for pairs in beside for name, value in pairs}
        for protocol, row in wanted:
            if len(sample.sharp) > 1 and not protocol.several_truths:
                raise InputError(f"`{sample.reference}` has {len(sample.sharp)} truths; measure it by `kohler`, not by `{protocol.name}`")
            known = (sample.reference, protocol.id)
            if known not in self.before:  # measured once for all models
                self.before[known] = _by(protocol, blurry, sample)
            before, after = self.before[known], _by(protocol, restored.picture, sample)
            made.append(
                row.model_copy(
                    update={
                        "width": blurry.shape[1],
                        "height": blurry.shape[0],
                        "measures": after,
                        "before": before,
                        "extras": extras,
                        "seconds": restored.seconds,
                        "peak_bytes": restored.peak_bytes,
                        "kept_input": restored.kept_input,
                    }
                )
            )
        self.keeping.gallery.keep(made[0], blurry, restored.picture, sharp)
        append(self.run, made)
        for row in made:
            self.there.setdefault(row.key, set()).update(row.extras)

    def _over_time(self, samples: list[Sample], restored: list[Restored], row: ClipRow) -> None:
        sharp = [_tensor(read_picture(sample.sharp[0])) for sample in samples]
        found = warping_error([_tensor(each.picture) for each in restored], sharp)
        filled = {
            "warping_error": found.error,
            "visible": found.visible,
            "warping_error_sharp": warping_error(sharp, sharp).error,
        }
        append(self.run, [row.model_copy(update=filled)])
        self.there[row.key] = set()


def new_model(contender: Contender, run: Path) -> list[ModelRow]:
    """The row of a method, unless the run has it."""
    row = ModelRow(
        model=contender.name,
        model_sha256=contender.sha256,
        arguments_sha256=contender.arguments_sha256,
        system=contender.system,
        parameters=contender.cost.parameters,
        multiply_adds=contender.cost.multiply_adds * contender.self_ensemble,
        frames=contender.cost.frames,
        device=contender.device,
        precision=contender.precision,
        way=contender.way,
        self_ensemble=contender.self_ensemble,
        torch=torch.__version__,
        version=unblur.__version__,
    )
    return [] if row in read_rows(run) else [row]


def _digest(paths: Iterable[Path]) -> str:
    """sha256 of a file; of several, that of their digests."""
    found: list[str] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                found.append(hashlib.file_digest(file, "sha256").hexdigest())
        except FileNotFoundError as error:
            raise InputError(f"`{path}` is missing") from error
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def _by(protocol: Protocol, picture: Picture, sample: Sample) -> dict[str, float]:
    """Measure a picture against the truth of a sample, or its truths."""
    if protocol.several_truths:
        return protocol.measure(_tensor(picture), (_tensor(read_picture(path)) for path in sample.sharp))
    return protocol.measure(_tensor(picture), _tensor(read_picture(sample.sharp[0])))


def _tensor(picture: Picture) -> Tensor:
    return to_tensor(picture).double()
