"""Blurry and sharp pairs from clips: the recipe of the GoPro data set, also for clips of ordinary rates.

Source: Nah et al. (CVPR 2017), section 2. M successive frames of a 240 fps camera are averaged in linear light, M odd, and
the middle one is the truth; several M give several strengths of blur.

Decided, where the paper is silent:
- A clip that is much slower than 240 fps has too few frames to average. Its exposure lasts M / 240 s all the same, is centred
  on a real frame (the truth is never interpolated), and is filled with frames interpolated along the optical flow, so many
  that nothing moves more than a pixel from one to the next.
- Exposures of a sequence do not overlap, and follow each other at equal distances; where frames are left out, a new
  sequence begins.
- Left out are exposures that reach over a cut or a gap in time, or over frames between which the flow of both directions
  disagrees, those in which nothing moves, and those whose truth is not sharp: duller than the clip's sharpest tenth, or
  blurred by its own motion (`unblur.synth.sharpness`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.flow import MIN_BIDIRECTIONAL_SIDE, bidirectional_flow, grey
from unblur.pixels import as_8_bit
from unblur.synth.camera import CameraRanges, develop, draw_factor, raise_highlights
from unblur.synth.exposure import gather
from unblur.synth.interpolate import Interpolator
from unblur.synth.response import Response
from unblur.synth.sharpness import blurred_fraction, detail
from unblur.synth.sources import Clip, Moment

__all__ = ["Analysis", "BlurredMoment", "VideoBlur", "Window", "analyse", "blur_clip", "plan_windows"]

_LOOKED_AT = 640  # longer side, pixels, at which a clip is analysed
_AS_FAST = 0.8  # share of the latent rate from which a clip counts as fast enough
_MOST_INSTANTS = 65


@dataclass(frozen=True, kw_only=True)
class VideoBlur(CameraRanges):
    """How pairs are made from clips. The camera's faults are those of `CameraRanges`, all off unless asked for.

    Attributes:
        frames_per_blur: the M of the paper, odd, in frames of `latent_rate`.
        latent_rate: frames a second in which M counts, for clips that are slower than that. Faster ones count in their own.
        interpolate: `auto` for clips slower than 0.8 `latent_rate`, `always`, or `never`: then M counts the clip's own frames.
        largest_disagreement: share of the pixels whose flow may disagree before a span is dropped (interpolation only).
        least_detail: share of the detail of the clip's sharpest tenth that a truth must have.
        max_blurred: largest fraction of a sharp frame that its own motion blurred.
        least_motion: pixels (at 640 for the longer side) that the fastest part must move over the exposure.
        shortest: pairs that a sequence must have.
    """

    frames_per_blur: tuple[int, ...] = (7, 9, 11, 13)
    latent_rate: float = 240.0
    interpolate: Literal["auto", "always", "never"] = "auto"
    largest_disagreement: float = 0.03
    least_detail: float = 0.8
    max_blurred: float = 0.005
    least_motion: float = 1.0
    shortest: int = 1
    noise_probability: float = 0.0
    jpeg_probability: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.frames_per_blur or any(count < 1 or count % 2 == 0 for count in self.frames_per_blur):
            raise InputError(f"a blur is made of an odd number of frames, so that one lies in the middle; got {self.frames_per_blur}")

    def exposure(self, rate: float, count: int) -> float:
        """How many frame intervals of a clip of `rate` the shutter is open for M = `count`."""
        slow = rate < _AS_FAST * self.latent_rate
        return count * rate / self.latent_rate if slow and self.interpolate != "never" else float(count)

    def interpolates(self, rate: float) -> bool:
        """Whether frames between those of a clip of `rate` are needed."""
        return self.interpolate == "always" or (self.interpolate == "auto" and rate < _AS_FAST * self.latent_rate)


@dataclass(frozen=True, eq=False)
class Analysis:
    """What is known of a clip's N frames and the N − 1 spans between them before any is blurred.

    Attributes:
        size: height and width of the frames.
        numbers: (N,) of the frames in the clip.
        detail: (N,) see `unblur.synth.sharpness.detail`.
        blurred: (N,) fraction of the frame that its own motion blurred.
        speed: (N - 1,) pixels that nearly the fastest part moves, at 640 pixels for the longer side.
        disagreement: (N - 1,) share of the pixels whose flow does not lead back.
        broken: (N - 1,) a cut or a gap in time.
    """

    size: tuple[int, int]
    numbers: NDArray[np.intp]
    detail: NDArray[np.float64]
    blurred: NDArray[np.float64]
    speed: NDArray[np.float64]
    disagreement: NDArray[np.float64]
    broken: NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """One exposure to be made.

    Attributes:
        sequence: its name, without the clip's: M and a number that rises where frames were left out.
        place: number of the pair in the sequence, 0 first.
        count: M.
        centre: index of the truth among the frames analysed.
        instants: (T,) times that are averaged, in frame intervals from the first frame analysed.
    """

    sequence: str
    place: int
    count: int
    centre: int
    instants: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class BlurredMoment:
    """A pair: its window, the number of the truth in the clip, and (H, W, 3) RGB of 8 bit."""

    window: Window
    number: int
    blurry: NDArray[np.uint8]
    sharp: NDArray[np.uint8]


def analyse(clip: Clip, *, progress: Callable[[int], None] | None = None) -> Analysis:
    """Read a clip once and say which frames are sharp and between which of them flow can be trusted.

    Args:
        clip: what to read.
        progress: called with the number of frames read.

    Raises:
        InputError: if it has fewer than two frames, or they are too small.
        UnreadableError: if it is damaged.
    """
    size = (0, 0)
    numbers, seconds, details, blurred, spans = [], [], [], [], []
    before: NDArray[Any] | None = None
    flow = np.zeros((1, 1, 2), np.float32)
    for moment in clip:
        size = moment.pixels.shape[:2]
        small = _small(moment.pixels)
        if min(small.shape[:2]) < MIN_BIDIRECTIONAL_SIDE:
            raise InputError(
                f"the frames of `{clip.path}` are {size[1]}×{size[0]}; at least {MIN_BIDIRECTIONAL_SIDE} pixels a side are needed"
            )
        if before is not None:
            span = bidirectional_flow(before, small)
            flow = span.forward
            spans.append((span.speed, span.disagreement, span.is_cut))
            blurred.append(blurred_fraction(grey(before), flow))
        numbers.append(moment.number)
        seconds.append(moment.seconds)
        details.append(detail(grey(small)))
        before = small
        if progress is not None:
            progress(len(numbers))
    if before is None or not spans:
        raise InputError(f"`{clip.path}` has {len(numbers)} frame(s) in the part asked for; at least 2 are needed")
    blurred.append(blurred_fraction(grey(before), flow))
    speed, disagreement, cut = (np.array(column) for column in zip(*spans, strict=True))
    steps = np.diff(seconds)
    gap = np.abs(steps - np.median(steps)) > 0.5 * np.median(steps)
    return Analysis(
        size, np.array(numbers), np.array(details), np.array(blurred), speed.astype(np.float64), disagreement, cut.astype(np.bool_) | gap
    )


def plan_windows(seen: Analysis, *, rate: float, blur: VideoBlur) -> tuple[list[Window], Counter[str]]:
    """Lay exposures over the frames of a clip.

    Args:
        seen: the clip.
        rate: its frames a second.
        blur: what is wanted.

    Returns:
        The exposures, and how many were left out for each reason.
    """
    windows: list[Window] = []
    left_out: Counter[str] = Counter()
    for count in blur.frames_per_blur:
        sequences: list[list[Window]] = []
        exposure = blur.exposure(rate, count)
        stride = int(np.ceil(exposure - 1e-9))
        centre, before = 0, None
        while centre < len(seen.numbers):
            instants = _instants(seen, centre, exposure=exposure, count=count, between=blur.interpolates(rate))
            reason = _objection(seen, centre, instants, blur=blur, between=blur.interpolates(rate))
            if reason is None:
                if before is None or seen.broken[before:centre].any():  # neighbours in a sequence show one scene
                    sequences.append([])
                run = sequences[-1]
                run.append(Window(f"m{count:02d}_{len(sequences) - 1:02d}", len(run), count, centre, tuple(instants)))
                centre, before = centre + stride, centre
            else:
                left_out[reason] += 1
                centre, before = centre + 1, None
        for run in sequences:
            if len(run) < blur.shortest:
                left_out["sequence too short"] += len(run)
            else:
                windows += run
    return windows, left_out


def blur_clip(
    clip: Clip, windows: Sequence[Window], *, response: Response, blur: VideoBlur, seed: Sequence[int]
) -> Iterator[BlurredMoment]:
    """Read a clip again and make the exposures; each is a pure function of the clip, its window and the seed.

    Args:
        clip: the clip that was analysed.
        windows: exposures of `plan_windows`.
        response: the curve of the camera that took the clip.
        blur: what is wanted.
        seed: of all randomness, which only the camera's faults have.
    """
    waiting = sorted(windows, key=lambda window: (window.instants[-1], window.count))
    held: dict[int, Moment] = {}
    between: dict[int, Interpolator] = {}
    for index, moment in enumerate(clip):
        held[index] = moment
        while waiting and max(waiting[0].instants[-1], waiting[0].centre) <= index:
            window = waiting.pop(0)
            generator = np.random.default_rng([*seed, window.count, window.centre])
            gain = draw_factor(generator, share=blur.highlight_probability, bounds=blur.highlight_gain)
            light = gather((_latent(held, between, time) for time in window.instants), response=response, gain=gain)
            middle = held[window.centre]
            yield BlurredMoment(
                window,
                middle.number,
                develop([light], generator, response=response, camera=blur)[0],
                _truth(middle.pixels, response=response, gain=gain),
            )
        needed = min((int(window.instants[0]) for window in waiting), default=index + 1)
        held = {number: each for number, each in held.items() if number >= needed}
        between = {number: each for number, each in between.items() if number >= needed}
        if not waiting:
            return


def _truth(pixels: NDArray[Any], *, response: Response, gain: float) -> NDArray[np.uint8]:
    if gain > 1:
        return response.encode_8bit(raise_highlights(response.decode(pixels), gain=gain))
    return as_8_bit(pixels)


def _latent(held: dict[int, Moment], between: dict[int, Interpolator], time: float) -> NDArray[Any]:
    """The frame at a time, in frame intervals; flow is estimated once a span."""
    before = int(np.floor(time))
    if time == before:
        return held[before].pixels
    if before not in between:
        between[before] = Interpolator(bidirectional_flow(held[before].pixels, held[before + 1].pixels))
    return between[before].at(time - before)


def _instants(seen: Analysis, centre: int, *, exposure: float, count: int, between: bool) -> NDArray[np.float64]:
    """Middles of equal parts of the exposure, the truth among them: M of them, or so many that nothing jumps."""
    steps = count
    if between:
        # At full size: the analysis saw the clip at a smaller one.
        wide = max(seen.size) / min(_LOOKED_AT, max(seen.size))
        travelled = _travelled(seen, centre, exposure=exposure) * wide
        steps = int(min(max(steps, 2 * np.ceil(travelled / 2) + 1), max(_MOST_INSTANTS, count)))
    times = centre + ((np.arange(steps) + 0.5) / steps - 0.5) * exposure
    times[steps // 2] = centre  # free of rounding: the truth itself
    return np.round(times) if not between else times


def _travelled(seen: Analysis, centre: int, *, exposure: float) -> float:
    """Pixels, at the size of the analysis, that nearly the fastest part moves over an exposure."""
    edges = np.arange(len(seen.speed) + 1)
    covered = np.minimum(edges[1:], centre + exposure / 2) - np.maximum(edges[:-1], centre - exposure / 2)
    return float((np.clip(covered, 0, 1) * seen.speed).sum())


def _objection(seen: Analysis, centre: int, instants: NDArray[np.float64], *, blur: VideoBlur, between: bool) -> str | None:
    """Why an exposure cannot be used, in words for the manifest; None if it can."""
    first, last = int(np.floor(instants[0])), int(np.ceil(instants[-1]))
    if first < 0 or last >= len(seen.numbers):
        return "reaches over the end"
    spans = slice(first, last)
    if seen.broken[spans].any():
        return "cut or gap in time"
    if between and (seen.disagreement[spans] > blur.largest_disagreement).any():
        return "flow disagrees"
    if seen.detail[centre] < blur.least_detail * np.percentile(seen.detail, 90):
        return "truth not sharp"
    if seen.blurred[centre] > blur.max_blurred:
        return "truth blurred by its motion"
    if _travelled(seen, centre, exposure=float(instants[-1] - instants[0])) < blur.least_motion:
        return "nothing moves"
    return None


def _small(pixels: NDArray[Any]) -> NDArray[Any]:
    scale = _LOOKED_AT / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
