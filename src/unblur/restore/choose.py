"""Which built-in network, and how many views of everything, for the time there is."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from unblur.errors import UnblurError
from unblur.io.animation import animation_of, is_animation
from unblur.io.clip_info import describe
from unblur.io.frame_folder import frame_targets
from unblur.io.image import size_of
from unblur.io.kind import Kind
from unblur.restore.batch import Job, Options
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.machine import measured_once
from unblur.restore.multi_scale import area
from unblur.restore.noise import like_pictures
from unblur.restore.self_ensemble import COUNTS
from unblur.restore.stream import Stream
from unblur.restore.temporal_fusion import fuse_frames
from unblur.weights import FASTEST, Quality, by_quality, digest_of

__all__ = [
    "FILE_FACTOR",
    "PHOTO_SECONDS",
    "Choice",
    "PhotoChoice",
    "choose",
    "photo_choice",
    "pixels_of",
    "seconds_a_pixel",
    "usual_seconds_a_pixel",
]

PHOTO_SECONDS = 30.0
"""How long a photo may take, about, with the weights that are taken by themselves."""
SCALES = (0.75, 0.6, 0.5, 0.4, 0.33, 0.25)
"""Below 1, at which a photo is restored by itself where its own takes too long."""
LEAST_PIXELS = 600_000
"""Least pixels of a photo that is restored at a smaller scale; with fewer, more is lost than by faster weights."""

_SIDE = 512  # pixels of what is restored to see how fast it goes
_SMALL = 256  # the same of what is timed once a machine
_FRAMES = 3
FILE_FACTOR = 1.2
"""Times the network's seconds: files are read and written, too (`python -m benchmarks.restoring`: 5 to 19 % for clips)."""


@dataclass(frozen=True)
class Choice:
    """What to restore with.

    Attributes:
        photo: built-in weights for photos.
        video: built-in weights for videos.
        self_ensemble: see `unblur.restore.self_ensemble`.
        seconds: that it will take, about.
    """

    photo: str
    video: str
    self_ensemble: int
    seconds: float = 0.0

    def weights(self, kind: Kind) -> str:
        """Name of the weights for a kind of file."""
        return self.video if kind == "video" else self.photo

    def summary(self, kinds: Iterable[Kind], *, time_limit: float) -> str:
        """The choice in a sentence, with the options that make it, for `kinds` of files."""
        weights = " and ".join(f"`--model {name}`" for name in dict.fromkeys(map(self.weights, kinds)))
        minutes = f"about {self.seconds / 60:.1f} minutes"
        late = f", though the fastest there is for {time_limit / 60:g}" if self.seconds > time_limit else ""
        return f"taking {weights} with `--self-ensemble {self.self_ensemble}`: {minutes}{late}"


@dataclass(frozen=True)
class PhotoChoice:
    """What to restore one photo with.

    Attributes:
        weights: built-in ones.
        scale: see `Deblurrer.photo`.
        full_seconds: about how long the best weights would take at full scale, if that is left out; None if it is not.
        quality: that was asked for; no better weights are meant by the best.
    """

    weights: str
    scale: float = 1.0
    full_seconds: float | None = None
    quality: Quality = "best"

    def note(self) -> str:
        """What is taken, and what it would take to get the best; empty if that is taken."""
        if self.full_seconds is None:
            return ""
        best = by_quality("photo", quality=self.quality)[0]
        taken = f"`--model {self.weights}`" + (f" at {self.scale:.2g} of the photo's size" if self.scale < 1 else "")
        return f"taking {taken}; `--model {best} --scale 1` would take about {self.full_seconds:.0f} s here"


def photo_choice(pixels: float, *, speed: Callable[[str], float], scale: float | None = None, quality: Quality = "best") -> PhotoChoice:
    """The best built-in weights for a photo, at the largest scale at which they take `PHOTO_SECONDS` here.

    Where that leaves fewer than `LEAST_PIXELS` of a larger photo, the same of the next faster weights, and in the end the fastest at the photo's own scale.

    Args:
        pixels: of the photo.
        speed: gives the seconds a pixel of built-in weights.
        scale: the only one that may be taken; None for any.
        quality: of the best weights that may be taken.
    """
    best, *faster = by_quality("photo", quality=quality)
    if not faster or pixels * speed(best) <= PHOTO_SECONDS:
        return PhotoChoice(best, scale or 1.0, quality=quality)
    full = pixels * speed(best)
    for name in (best, *faster):
        for each in (scale,) if scale else (1.0, *SCALES):
            enough = each in (1.0, scale) or pixels * each**2 >= LEAST_PIXELS
            if enough and pixels * speed(name) * each**2 <= PHOTO_SECONDS:
                return PhotoChoice(name, each, full, quality)
    return PhotoChoice(faster[-1], scale or 1.0, full, quality)


def choose(work: Mapping[Kind, float], *, time_limit: float, speed: Callable[[str], float], fusion_seconds: float = 0.0) -> Choice:
    """The best choice that will be done in time, or the fastest if none will.

    More views are better than fewer, and weights are ranked by `unblur.weights.by_quality`; `swift` restores videos frame by frame. Photos get the
    fastest ones before videos do.

    Args:
        work: pixels of all photos, and of all frames of all videos.
        time_limit: seconds.
        speed: gives the seconds a pixel of built-in weights, for one view.
        fusion_seconds: seconds a pixel of videos beside that, with however many views.
    """
    known = cache(speed)
    (photo, *faster), videos = by_quality("photo"), by_quality("video")
    best = [Choice(photo, videos[0], self_ensemble) for self_ensemble in reversed(COUNTS)]
    for choice in (*best, *(Choice(name, videos[0], 1) for name in faster), *(Choice(FASTEST, video, 1) for video in videos[1:])):
        seconds = fusion_seconds * work.get("video", 0.0)
        seconds += sum(FILE_FACTOR * choice.self_ensemble * pixels * known(choice.weights(kind)) for kind, pixels in work.items() if pixels)
        if seconds <= time_limit:
            break
    return replace(choice, seconds=seconds)


def pixels_of(jobs: Iterable[Job], *, options: Options) -> dict[Kind, float]:
    """The work that is left, pixels by kind; files that cannot be read are none."""
    pixels: dict[Kind, float] = defaultdict(float)
    for job in jobs:
        try:
            if job.frames:
                left = sum(options.overwrite or not target.exists() for target in frame_targets(job.frames, job.target))
                pixels[job.kind] += left * float(np.prod(size_of(job.frames[0])))
                continue
            if job.in_batch and job.target.exists() and not options.overwrite:
                continue
            pixels[job.kind] += _pixels_of_clip(job, options) if job.kind == "video" else float(np.prod(size_of(job.source)))
        except (UnblurError, OSError):
            continue  # said when its turn comes
    return pixels


def usual_seconds_a_pixel(deblurrer: Deblurrer) -> float:
    """`seconds_a_pixel`, measured once a machine for built-in weights, so that the same is chosen in each run (`unblur.restore.machine`)."""
    card, setup = deblurrer.card, deblurrer.setup
    known = {
        "weights": digest_of(card) if card else "",
        "device": str(setup.device),
        "precision": setup.precision,
        "self_ensemble": str(setup.self_ensemble),
        "threads": str(setup.threads.most),
        "scale_step": str(deblurrer.scale_step),
    }
    return measured_once("seconds-a-pixel", lambda: seconds_a_pixel(deblurrer, side=_SMALL), kind=float, known=known)


def seconds_a_pixel(deblurrer: Deblurrer, *, side: int = _SIDE) -> float:
    """How long a pixel takes, at all sizes together, after a first run that prepares what is only prepared once.

    Args:
        deblurrer: the network, ready to restore.
        side: of the picture that is timed, pixels, raised to the network's multiple.
    """
    generator = torch.Generator().manual_seed(0)
    side, _ = deblurrer.net.fit_size(side, side)
    stream = Stream(deblurrer.net, setup=deblurrer.setup, tile=side, halo=0, is_cut=lambda _: False)
    seconds = []
    for _ in range(1 + stream.delay + _FRAMES):
        (frame,) = like_pictures(1, side, side, generator=generator)  # white noise is not blurred, and may be left alone in no time
        began = time.monotonic()
        stream.push(frame)
        deblurrer.setup.wait()
        seconds.append(time.monotonic() - began)
    return min(seconds[-_FRAMES:]) / side**2 * area(side, side, step=deblurrer.scale_step)


def fusion_seconds_a_pixel() -> float:
    """How long it takes to put a frame of a video together with its neighbours, a pixel."""
    generator = np.random.default_rng(0)
    frame, *neighbours = generator.integers(0, 256, (3, _SIDE, _SIDE, 3), np.uint8)
    seconds = []
    for _ in range(_FRAMES):
        began = time.monotonic()
        fuse_frames(frame, neighbours)
        seconds.append(time.monotonic() - began)
    return min(seconds) / _SIDE**2


def _pixels_of_clip(job: Job, options: Options) -> float:
    if is_animation(job.source):
        found = animation_of(job.source)
        return float(found.pictures * found.width * found.height)
    info = describe(job.source)
    frames = float(info.frame_count or 0)
    if info.duration and (options.start or options.duration is not None):
        left = max(float(info.duration) - options.start, 0.0)
        frames *= min(left if options.duration is None else options.duration, left) / float(info.duration)
    return frames * info.width * info.height
