"""What a number in a table means: a named, versioned way to measure restored pictures and average the results."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from unblur.errors import InputError
from unblur.layers.check import check_shape
from unblur.metrics.align import Aligned, align_homography, align_translation
from unblur.metrics.pictures import checked_pair, crop_border, luma, to_8_bit
from unblur.metrics.psnr import psnr
from unblur.metrics.ssim import ms_ssim, ssim, ssim_3d, ssim_y

__all__ = ["SSIM_FORMS", "Average", "Frames", "Protocol", "SsimForm", "finite_mean"]

SsimForm = Literal["ssim", "ssim_3d", "ssim_y", "mssim"]
"""Names under which results carry the forms of SSIM: `metrics.ssim`, `ssim_3d`, `ssim_y`, and `ms_ssim` in MeTriX form."""

SSIM_FORMS: tuple[SsimForm, ...] = ("ssim", "ssim_3d", "ssim_y", "mssim")


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Which frames of a sequence are measured, by zero-based index.

    Attributes:
        first: first frame.
        skip_last: frames left out at the end.
        step: distance from one to the next.
        only: exactly these frames instead; the other attributes do not matter then.
    """

    first: int = 0
    skip_last: int = 0
    step: int = 1
    only: tuple[int, ...] | None = None

    def select(self, count: int) -> tuple[int, ...]:
        """Indices to measure in a sequence of `count` frames.

        Raises:
            InputError: if the sequence is too short to hold them.

        Example:
            >>> Frames(first=9, step=10).select(30)
            (9, 19, 29)
        """
        chosen = self.only if self.only is not None else tuple(range(self.first, count - self.skip_last, self.step))
        if not chosen or max(chosen) >= count:
            wanted = (
                f"a frame at index {max(chosen)}" if chosen else f"frames from index {self.first} on, without the last {self.skip_last}"
            )
            raise InputError(f"a sequence of {count} frames is too short: the protocol measures {wanted}")
        return chosen


@dataclass(frozen=True)
class Average:
    """Averaged results.

    Attributes:
        protocol: name and version, such as `gopro-skimage@1`.
        means: mean of each measure over what is finite; infinite only if every picture's value is.
        infinite: for each measure, how many pictures had an infinite value (a PSNR of identical pictures).
        pictures: pictures averaged.
        sequences: sequences averaged, or None where pictures are averaged at once.
    """

    protocol: str
    means: dict[str, float]
    infinite: dict[str, int]
    pictures: int
    sequences: int | None


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way to measure; `unblur.metrics.protocols` holds the ones that have a name.

    Whoever changes a field (`dataclasses.replace`) should change the name too, so that the id stays true.

    Attributes:
        name: lower case, words joined by hyphens.
        version: raised whenever a number could change.
        source: whose numbers this reproduces, and what was decided where that source is silent.
        ssim_forms: the forms of SSIM that belong to the protocol, the one to compare first.
        round_to_8_bit: whether both pictures are clamped and rounded to 256 levels first; if not, they are clamped.
        colour: what PSNR is measured on: all of RGB together, or grey (0.299, 0.587, 0.114).
        border: pixels cut off each side before anything else.
        alignment: how the restored picture is brought onto the truth. `homography` measures where the truth is
            covered; `translation` measures everywhere, with zeros in both pictures where it is not.
        several_truths: whether a picture may have several truths; the best value of each measure counts.
        frames: which frames of a sequence are measured.
        averaging: over all pictures at once, or within each sequence and then over sequences.

    Raises:
        InputError: if `border` is negative, or `mssim`, which has no masked form, is asked for after a homography.
    """

    name: str
    version: int
    source: str
    ssim_forms: tuple[SsimForm, ...] = ("ssim",)
    round_to_8_bit: bool = True
    colour: Literal["rgb", "grey"] = "rgb"
    border: int = 0
    alignment: Literal["none", "homography", "translation"] = "none"
    several_truths: bool = False
    frames: Frames = Frames()
    averaging: Literal["pictures", "sequences"] = "pictures"

    def __post_init__(self) -> None:
        if self.alignment == "homography" and "mssim" in self.ssim_forms:
            raise InputError(f"protocol {self.name}: mssim has no masked form, at its coarse scales a mask would leave nothing")
        if self.border < 0:
            raise InputError(f"protocol {self.name}: border must not be negative, got {self.border}")

    @property
    def id(self) -> str:
        """Name and version, to be printed beside every number."""
        return f"{self.name}@{self.version}"

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the protocol's own measures, PSNR first."""
        return ("psnr", *self.ssim_forms)

    def measure(self, restored: Tensor, sharp: Tensor | Iterable[Tensor], *, every_form: bool = False) -> dict[str, float]:
        """Measure one picture.

        Args:
            restored: the picture.
            sharp: its truth, in [0, 1]. With `several_truths`: a batch of them, or an iterable of single ones, which
                is read one by one, so that not all need to be in memory.
            every_form: also measure the forms of SSIM that do not belong to the protocol, to print them side by side;
                `mssim` only if both sides have 161 pixels or more.

        Returns:
            Measure name to value, the protocol's own first. With a homography also `aligned`: 1.0, or 0.0 where no
            alignment was found and the picture was measured in place.

        Shape:
            restored (1, 3, H, W); sharp (1, 3, H, W), or (T, 3, H, W), or T times (1, 3, H, W)

        Raises:
            ShapeError: if the shapes do not fit each other or are too small for the measures.
            InputError: if a picture is not of a floating type or not finite, `sharp` leaves [0, 1], there is no
                truth, or there are several and the protocol takes one.
        """
        check_shape(restored, (1, 3, "H", "W"), name="restored")
        best: dict[str, float] = {}
        truths = 0
        for truth in _one_by_one(sharp):
            truths += 1
            if truths > 1 and not self.several_truths:
                raise InputError(f"{self.id} compares with one truth, but several were given; measure picture by picture")
            row = self._compare(restored, truth, every_form=every_form)
            best = {measure: max(value, best.get(measure, -math.inf)) for measure, value in row.items()}
        if not truths:
            raise InputError(f"{self.id} needs a truth to compare with, none was given")
        return best

    def average(self, rows: Iterable[Mapping[str, float]], *, sequences: Sequence[str] | None = None) -> Average:
        """Average what `measure` returned for the pictures of a data set.

        Infinite values (PSNR of identical pictures) are left out of the means and counted; with `averaging` by
        sequence, a sequence of which every value is infinite is left out of the mean in the same way.

        Args:
            rows: one a picture, all with the same measures.
            sequences: for each row the name of its sequence; needed where the protocol averages by sequence.

        Raises:
            InputError: if there are no rows, rows differ in their measures or hold NaN, or `sequences` is missing or
                does not have one entry a row.
        """
        rows = list(rows)
        if not rows:
            raise InputError(f"{self.id}: there is nothing to average")
        names = tuple(rows[0])
        for index, row in enumerate(rows):
            if set(row) != set(names):
                raise InputError(f"{self.id}: row {index} has measures {sorted(row)}, row 0 has {sorted(names)}; measure all in one way")
            if any(math.isnan(value) for value in row.values()):
                raise InputError(f"{self.id}: row {index} holds NaN: {dict(row)}")
        groups: list[list[Mapping[str, float]]] = [rows]
        if self.averaging == "sequences":
            if sequences is None or len(sequences) != len(rows):
                raise InputError(f"{self.id} averages by sequence: give `sequences`, one name for each of the {len(rows)} rows")
            members: dict[str, list[Mapping[str, float]]] = {}
            for sequence, row in zip(sequences, rows, strict=True):
                members.setdefault(sequence, []).append(row)
            groups = list(members.values())
        return Average(
            protocol=self.id,
            means={name: finite_mean([finite_mean([row[name] for row in group]) for group in groups]) for name in names},
            infinite={name: sum(math.isinf(row[name]) for row in rows) for name in names},
            pictures=len(rows),
            sequences=len(groups) if self.averaging == "sequences" else None,
        )

    def _compare(self, restored: Tensor, truth: Tensor, *, every_form: bool) -> dict[str, float]:
        """Measures against one truth."""
        check_shape(truth, (1, 3, "H", "W"), name="sharp")
        restored, truth = (crop_border(self._levels(picture), self.border) for picture in checked_pair(restored, truth))
        row: dict[str, float] = {}
        mask: Tensor | None = None
        if self.alignment != "none":
            aligned = self._align(restored, truth)
            restored, truth = aligned.restored, aligned.sharp
            if self.alignment == "homography":
                mask = aligned.mask
                row["aligned"] = float(aligned.found)
        measured = (restored, truth) if self.colour == "rgb" else (luma(restored), luma(truth))
        values = {"psnr": psnr(*measured, mask=mask).item()}
        for form in self.ssim_forms:
            values[form] = _similarity(form, restored, truth, mask)
        for form in SSIM_FORMS if every_form else ():
            if form not in values and _applies(form, truth, mask):
                values[form] = _similarity(form, restored, truth, mask)
        return values | row

    def _levels(self, picture: Tensor) -> Tensor:
        return to_8_bit(picture) if self.round_to_8_bit else picture.clamp(0, 1)

    def _align(self, restored: Tensor, truth: Tensor) -> Aligned:
        return align_homography(restored, truth) if self.alignment == "homography" else align_translation(restored, truth)


def _one_by_one(sharp: Tensor | Iterable[Tensor]) -> Iterable[Tensor]:
    if not isinstance(sharp, Tensor):
        return sharp
    check_shape(sharp, ("T", 3, "H", "W"), name="sharp")
    return (sharp[index : index + 1] for index in range(sharp.shape[0]))


def _similarity(form: SsimForm, restored: Tensor, truth: Tensor, mask: Tensor | None) -> float:
    match form:
        case "ssim":
            return ssim(restored, truth, mask=mask).item()
        case "ssim_3d":
            return ssim_3d(restored, truth, mask=mask).item()
        case "ssim_y":
            return ssim_y(restored, truth, mask=mask).item()
        case "mssim":
            return ms_ssim(restored, truth, form="metrix").item()


def _applies(form: SsimForm, truth: Tensor, mask: Tensor | None) -> bool:
    return form != "mssim" or (mask is None and min(truth.shape[-2:]) >= 161)


def finite_mean(values: list[float]) -> float:
    """Mean of the finite values; the first one if none is."""
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else values[0]
