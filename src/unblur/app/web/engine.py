"""The networks of the page, kept loaded, and what is asked of them: times, measures, restorations, drawings. For one thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from unblur.app.web.expectation import Measured, measure, sentence
from unblur.app.web.film import frames_at
from unblur.errors import InputError
from unblur.io.image import read_rgb
from unblur.restore.batch import Job, Options, restore_job
from unblur.restore.blurred import BlurMeter
from unblur.restore.choose import FILE_FACTOR, fusion_seconds_a_pixel, usual_seconds_a_pixel
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.inspect import Drawing, inspect_photo
from unblur.restore.load import load_network
from unblur.restore.machine import measured_once
from unblur.restore.networks import Networks, Request
from unblur.restore.precision import Device
from unblur.restore.report import Outcome, PhotoReport
from unblur.weights import FASTEST, Quality, by_quality, card_of

__all__ = ["Engine"]

DRAWN_WITH: dict[Quality, str] = {"best": "swift_best", "good": "swift_best", "fast": "swift_quick"}
"""Weights whose drawings show how a photo was blurred, by quality; those of `best` share the network of `good`."""


class Engine:
    """Restores and measures for the page.

    Args:
        device: where to run.
    """

    def __init__(self, device: Device = "auto") -> None:
        self._device: Device = device
        self._networks: dict[Quality, Networks] = {}
        self._meter: BlurMeter | None = None

    def networks(self, quality: Quality) -> Networks:
        """The networks for photos and clips of a quality, loaded when they are first used."""
        if quality not in self._networks:
            self._networks[quality] = Networks(Request(quality=quality, device=self._device))
        return self._networks[quality]

    def photo_seconds(self, pixels: float, *, quality: Quality) -> float:
        """How long a photo of so many pixels takes here, about."""
        networks = self.networks(quality)
        choice = networks.choice_for_photo(pixels, scale=None)
        return FILE_FACTOR * pixels * choice.scale**2 * usual_seconds_a_pixel(networks.for_photo(choice))

    def clip_seconds(self, pixels: float, *, quality: Quality) -> float:
        """How long clips with so many pixels in all frames take here, about."""
        fusion = measured_once("fusion-seconds-a-pixel", fusion_seconds_a_pixel, kind=float)
        return FILE_FACTOR * pixels * (usual_seconds_a_pixel(self.networks(quality).for_kind("video")) + fusion)

    def expect(self, job: Job, *, quality: Quality) -> str:
        """What to expect, in a sentence; of a clip, by its first frame."""
        picture = read_rgb(job.source) if job.kind == "photo" else _first_frame(job.source)
        kind: Literal["photo", "video"] = "photo" if job.kind == "photo" else "video"
        text = sentence(self.measured(picture), card=card_of(by_quality(kind, quality=quality)[0]))
        return text if kind == "photo" else f"By its first frame: {text}"

    def measured(self, picture: NDArray[Any]) -> Measured:
        """How blurred and noisy a picture is, (H, W, 1 or 3)."""
        if self._meter is None:
            fastest = load_network(FASTEST, device=self._device)
            self._meter = BlurMeter(fastest.net, setup=fastest.setup)  # type: ignore[arg-type]
        return measure(picture, meter=self._meter)

    def photo(self, pixels: NDArray[Any], *, quality: Quality, check: Callable[[], None]) -> tuple[PhotoReport[NDArray[Any]], str]:
        """Restore a photo in full, and give the note on the weights that were taken, as the command does.

        Args:
            pixels: (H, W, 1 or 3).
            quality: of the weights.
            check: called before each tile; what it raises ends the work.
        """
        networks = self.networks(quality)
        choice = networks.choice_for_photo(pixels.shape[0] * pixels.shape[1], scale=None)
        deblurrer = networks.for_photo(choice)
        with _checked(deblurrer, check):
            return deblurrer.photo_report(pixels, scale=choice.scale), choice.note()

    def clip(
        self, job: Job, *, quality: Quality, options: Options, progress: Callable[[int, int | None], None], notify: Callable[[str], None]
    ) -> Outcome:
        """Restore a clip as the command does; one that was stopped is gone on with."""
        return restore_job(self.networks(quality).for_job(job), job, options=options, progress=progress, notify=notify)

    def drawings(self, pixels: NDArray[Any], *, quality: Quality) -> list[Drawing]:
        """What a network has estimated of the middle of a photo: lines of motion, trajectory, and how much each change counts."""
        deblurrer = load_network(DRAWN_WITH[quality], device=self._device)
        return inspect_photo(pixels, net=deblurrer.net, setup=deblurrer.setup)


def _first_frame(path: Path) -> NDArray[Any]:
    for _, pixels in frames_at(path, [0.0]):
        return pixels
    raise InputError(f"`{path}` has no frame that can be read")


@contextmanager
def _checked(deblurrer: Deblurrer, check: Callable[[], None]) -> Iterator[None]:
    handle = deblurrer.net.register_forward_pre_hook(lambda *_: check())
    try:
        yield
    finally:
        handle.remove()
