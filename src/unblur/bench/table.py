"""Rows of runs, averaged as their protocol says."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from unblur.bench.rows import ClipRow, ModelRow, PictureRow, Row, Way, which
from unblur.errors import InputError
from unblur.metrics import protocols
from unblur.metrics.protocol import finite_mean

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True)
class Summary:
    """One model on one data set by one protocol.

    Attributes:
        model: its name.
        system: its network.
        data: name of the data set.
        protocol: name and version.
        pictures: measured.
        means: of the measures, by the protocol's averaging, and of extras over the pictures where they are finite.
        gain: mean PSNR minus that of the blurry pictures, dB.
        infinite: pictures with an infinite PSNR, which are left out of the mean.
        seconds: median of a picture.
        peak_bytes: largest of a picture.
        parameters: of the network.
        multiply_adds: for one frame of 1280x720.
        frames: that go in for one that comes out.
        device: where it ran.
        precision: of the arithmetic.
        way: `network`, `tool` or `alone`.
        self_ensemble: mirrored and turned ones of which the mean is taken.
        warping_error: mean over clips, None if it was not measured.
        warping_error_sharp: of the sharp clips.
        model_sha256: of the weights.
        arguments_sha256: of the arguments of the network.
        version: of the program that measured.
    """

    model: str
    system: str
    data: str
    protocol: str
    pictures: int
    means: dict[str, float]
    gain: float
    infinite: int
    seconds: float
    peak_bytes: int
    parameters: int
    multiply_adds: int
    frames: int
    device: str
    precision: str
    way: Way
    self_ensemble: int
    warping_error: float | None
    warping_error_sharp: float | None
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


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Average the rows of one run or several, by data set and protocol, the best PSNR first.

    Rows of the same weights on another device, in another precision or another way, by another version or of a network with other arguments are
    a line of their own.

    Raises:
        InputError: if the rows lack the model that they belong to, or were measured by a protocol that is not here.
    """
    models = {row.which: row for row in rows if isinstance(row, ModelRow)}
    groups: dict[tuple[str, str, tuple[str, ...]], dict[tuple[object, ...], PictureRow]] = {}
    for row in rows:
        if isinstance(row, PictureRow):
            key = (row.data, row.protocol, row.which)
            members = groups.setdefault(key, {})
            earlier = members[row.key].extras if row.key in members else {}
            members[row.key] = row.model_copy(update={"extras": earlier | row.extras})
    found: list[Summary] = []
    for (data, called, measured), members in groups.items():
        if measured not in models:
            raise InputError(f"rows of `{next(iter(members.values())).model}` lack their model; was the run's file cut?")
        model, pictures = models[measured], list(members.values())
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
