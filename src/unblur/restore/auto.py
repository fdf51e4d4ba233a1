"""The weights that `unblur.restore` takes, kept ready for many calls: photo or video weights, by what is given."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from unblur.io.video import Interlaced
from unblur.restore.batch import Job
from unblur.restore.checks import as_path
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.networks import Networks
from unblur.restore.report import PhotoReport, Picture, VideoReport
from unblur.restore.runner import pixels_in

__all__ = ["AutoDeblurrer"]


class AutoDeblurrer:
    """Restores pictures and clips as a `Deblurrer` does, each with the built-in weights for its kind. Made by `unblur.load`.

    Networks are loaded when they are first used.

    Args:
        networks: loads and chooses them.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    @property
    def for_photos(self) -> Deblurrer:
        """The restorer with the network for photos, where their size does not ask for a faster one."""
        return self._networks.for_kind("photo")

    @property
    def for_videos(self) -> Deblurrer:
        """The restorer with the network for clips."""
        return self._networks.for_kind("video")

    def photo(self, image: Picture, *, strength: float = 1.0, scale: float | None = None) -> Picture:
        """As `Deblurrer.photo`; without a `scale`, large pictures are restored at a smaller one where they would take more than half a minute."""
        return self.photo_report(image, strength=strength, scale=scale).picture

    def photo_report(self, image: Picture, *, strength: float = 1.0, scale: float | None = None) -> PhotoReport[Picture]:
        """As `Deblurrer.photo_report`."""
        choice = self._networks.choice_for_photo(pixels_in(image), scale=scale)
        return self._networks.for_photo(choice).photo_report(image, strength=strength, scale=choice.scale)

    def video(
        self,
        source: str | Path,
        target: str | Path,
        *,
        strength: float = 1.0,
        temporal_fusion: bool = True,
        start: float = 0.0,
        duration: float | None = None,
        interlaced: Interlaced = "refuse",
        codec: str | None = None,
        file_quality: int | None = None,
        overwrite: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> VideoReport:
        """As `Deblurrer.video`; a clip that was stopped is gone on with by the network with which it was begun."""
        job = Job(as_path(source), as_path(target), "video")
        return self._networks.for_job(job).video(
            job.source,
            job.target,
            strength=strength,
            temporal_fusion=temporal_fusion,
            start=start,
            duration=duration,
            interlaced=interlaced,
            codec=codec,
            file_quality=file_quality,
            overwrite=overwrite,
            progress=progress,
            notify=notify,
        )

    def frames(self, frames: Iterable[NDArray[Any]], *, strength: float = 1.0, temporal_fusion: bool = True) -> Iterator[NDArray[Any]]:
        """As `Deblurrer.frames`."""
        return self.for_videos.frames(frames, strength=strength, temporal_fusion=temporal_fusion)
