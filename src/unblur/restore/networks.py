"""Which network restores which file or picture: as it was asked for, or chosen by kind, by time, and by what a stopped clip was begun with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unblur.errors import InputError
from unblur.io.kind import Kind
from unblur.restore.batch import Job, Options
from unblur.restore.checks import as_path, check_number, check_whole
from unblur.restore.choose import (
    Choice,
    PhotoChoice,
    choose,
    fusion_seconds_a_pixel,
    photo_choice,
    pixels_of,
    seconds_a_pixel,
    usual_seconds_a_pixel,
)
from unblur.restore.deblurrer import SMALLEST_TILE, Deblurrer
from unblur.restore.load import load_network
from unblur.restore.observer import Observer
from unblur.restore.precision import Device, Precision, check_precision, choose_device
from unblur.restore.resume import Loader, Settings
from unblur.restore.runtimes import Runtime, check_runtime
from unblur.restore.self_ensemble import check_self_ensemble
from unblur.weights import Quality, best_for, by_quality, card_of

__all__ = ["Chosen", "Networks", "Request"]


@dataclass(frozen=True)
class Request:
    """What is asked of the networks; see `unblur.restore.api.restore`.

    Raises:
        InputError: if something of it cannot be used, or contradicts something else.
        DeviceError: if the device is not there.
        WeightsError: if there is no such quality.
    """

    model: str | Path = "auto"
    weights: str | Path | None = None
    quality: Quality = "best"
    self_ensemble: int | None = None
    single_scale: bool = False
    skip_sharp: bool = False
    device: Device = "auto"
    precision: Precision = "auto"
    tile: int | None = None
    threads: int | None = None
    time_limit: float | None = None
    network: str | None = None
    runtime: Runtime = "torch"

    def __post_init__(self) -> None:
        as_path(self.model)
        by_quality("photo", quality=self.quality)  # which says so if there is none
        if self.quality != "best" and not (self.chooses and self.time_limit is None):
            raise InputError("`quality` chooses among the built-in weights; leave out `model`, `weights` and `time_limit`")
        if self.weights is not None:
            as_path(self.weights)
            if self.model != "auto" or self.time_limit is not None:
                raise InputError("`weights` is the network to take; leave out `model` and `time_limit`")
        if self.network is not None and (self.model == "auto" or self.weights is not None):
            raise InputError("`network` says of which network your own weights are; give them as `model`")
        if self.time_limit is not None:
            check_number("time_limit", self.time_limit, least=0)
            if self.model != "auto" or self.self_ensemble is not None:
                raise InputError("`time_limit` chooses the weights and the views; leave out `model` and `self_ensemble`")
        if self.self_ensemble is not None:
            check_self_ensemble(self.self_ensemble)
        if self.tile is not None:
            check_whole("tile", self.tile, least=SMALLEST_TILE)
        if self.threads is not None:
            check_whole("threads", self.threads, least=1)
        check_precision(self.precision)
        check_runtime(self.runtime)
        if self.runtime != "torch" and (self.model == "auto" or self.weights is not None):
            raise InputError("another runtime than torch computes one network: name it by `model`")
        choose_device(self.device)

    @property
    def chooses(self) -> bool:
        """Whether built-in weights are to be chosen."""
        return self.model == "auto" and self.weights is None

    @property
    def asked(self) -> list[str]:
        """Names of the settings that hold for all files, also for clips that were begun with others, see `unblur.restore.resume.Loader`."""
        asked = {
            "model": not self.chooses or self.quality != "best",
            "precision": self.precision != "auto",
            "self_ensemble": self.self_ensemble is not None,
        }
        return [name for name, is_asked in asked.items() if is_asked]


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one file, so that another process takes the same.

    Attributes:
        choice: by the request, or its time limit.
        photo: by the size of a photo.
    """

    choice: Choice
    photo: PhotoChoice | None


class Networks:
    """Loads the networks of a request, each once, and chooses one for each file or picture.

    Args:
        request: what is asked of them.
        observer: hears what is loaded and chosen.
    """

    def __init__(self, request: Request, *, observer: Observer | None = None) -> None:
        if not isinstance(observer, Observer | None):
            raise InputError(f"an observer is an `unblur.Observer`, got {type(observer).__name__}")
        self._request, self._observer = request, observer or Observer()
        named = str(request.model if request.weights is None else request.weights)
        photo, video = (best_for(kind, quality=request.quality) if request.chooses else named for kind in ("photo", "video"))
        self._choice = Choice(photo, video, request.self_ensemble or 1)
        self._photos: dict[Path, PhotoChoice] = {}
        self._loader = Loader(self._load_and_tell, default=self._settings, asked=request.asked)
        self._speed = cache(lambda name: usual_seconds_a_pixel(self._loader.load(self._settings_of(name))))

    def choose(self, jobs: Iterable[Job], *, options: Options, scale: float | None) -> None:
        """Choose for all files of a run: by the time limit, or each photo's weights and scale by how long they would take here.

        Args:
            jobs: the files.
            options: how they are restored.
            scale: as for `choice_for_photo`.
        """
        if self._request.time_limit is not None:
            jobs = list(jobs)
            self.choose_within(pixels_of(jobs, options=options), fuses=options.temporal_fusion)
        elif self._request.chooses:
            for job in jobs:
                if job.kind == "photo":
                    self._photos[job.source] = self.choice_for_photo(pixels_of([job], options=options).get("photo", 0.0), scale=scale)

    @property
    def takes_clips(self) -> bool:
        """Whether the network that was asked for looks at several frames.

        Raises:
            WeightsError: if there are no such weights.
        """
        return not self._request.chooses and self._request.weights is None and card_of(self._request.model).kind == "video"

    def choice_for_photo(self, pixels: float, *, scale: float | None) -> PhotoChoice:
        """Weights and scale for a photo of so many pixels.

        Args:
            pixels: of the photo.
            scale: the only one that may be taken; None for any.
        """
        if scale is not None:
            check_number("scale", scale, above=0, most=1)
        if not self._request.chooses or self._request.time_limit is not None:
            return PhotoChoice(self._choice.photo, scale or 1.0)
        return photo_choice(pixels, speed=self._speed, scale=scale, quality=self._request.quality)

    def choose_within(self, work: Mapping[Kind, float], *, fuses: bool) -> None:
        """Choose weights and views by the time limit of the request.

        Args:
            work: pixels of all photos, and of all frames of all videos.
            fuses: whether frames are put together with their neighbours.
        """
        seconds = 60 * (self._request.time_limit or 0.0)
        with self._observer.preparing("seeing how fast it goes here"):
            self._choice = choose(
                work,
                time_limit=seconds,
                speed=lambda name: seconds_a_pixel(self._load(Settings(name, self._request.precision, 1))),
                fusion_seconds=fusion_seconds_a_pixel() if fuses and work.get("video") else 0.0,
            )
        if work:
            self._observer.chosen(self._choice.summary(work, time_limit=seconds))

    def for_job(self, job: Job) -> Deblurrer:
        """The network for a file.

        Raises:
            UnblurError: if it cannot be loaded.
        """
        return self._loader(job)

    def for_photo(self, choice: PhotoChoice) -> Deblurrer:
        """The network of a choice."""
        return self._loader.load(self._settings_of(choice.weights))

    def for_kind(self, kind: Kind) -> Deblurrer:
        """The network for photos, or for clips, where their size does not count."""
        return self._loader.load(self._settings_of(self._choice.weights(kind)))

    def photo_choice_of(self, job: Job) -> PhotoChoice | None:
        """What was chosen for a photo; None for a clip, and where nothing was to be chosen."""
        return self._photos.get(job.source)

    def chosen_for(self, job: Job) -> Chosen:
        """What was chosen for a file."""
        return Chosen(self._choice, self._photos.get(job.source))

    def use(self, chosen: Chosen, job: Job) -> None:
        """Take for a file what another process has chosen."""
        self._choice = chosen.choice
        if chosen.photo is not None:
            self._photos[job.source] = chosen.photo

    def _settings(self, job: Job) -> Settings:
        photo = self._photos.get(job.source)
        return self._settings_of(photo.weights if photo else self._choice.weights(job.kind))

    def _settings_of(self, weights: str) -> Settings:
        return Settings(weights, self._request.precision, self._choice.self_ensemble)

    def _load_and_tell(self, settings: Settings) -> Deblurrer:
        with self._observer.preparing("loading the network"):
            made = self._load(settings)
        self._observer.loaded(made)
        return made

    def _load(self, settings: Settings) -> Deblurrer:
        request = self._request
        return load_network(
            settings.model if request.weights is None else None,
            weights=request.weights,
            device=request.device,
            precision=settings.precision,
            tile=request.tile,
            skip_sharp=request.skip_sharp,
            self_ensemble=settings.self_ensemble,
            single_scale=request.single_scale,
            threads=request.threads,
            network=request.network,
            runtime=request.runtime,
        )
