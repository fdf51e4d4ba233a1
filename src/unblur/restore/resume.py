"""Which network, precision and views a clip is gone on with that was stopped: those that it was begun with, unless others were asked for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from unblur.errors import DeviceError
from unblur.io.frame_folder import folder_work_of, frames_identity
from unblur.io.journal import work_of
from unblur.restore.batch import Job
from unblur.restore.deblurrer import Deblurrer, source_identity
from unblur.restore.precision import Precision
from unblur.restore.self_ensemble import COUNTS

__all__ = ["Loader", "Settings", "settings_of_stopped"]


@dataclass(frozen=True)
class Settings:
    """What a network is loaded with.

    Attributes:
        model: name of built-in weights, or path of a file or run.
        precision: of the arithmetic.
        self_ensemble: see `unblur.restore.self_ensemble`.
    """

    model: str
    precision: Precision
    self_ensemble: int


def settings_of_stopped(source: Path, target: Path, *, frames: Sequence[Path] = ()) -> Settings | None:
    """The settings with which `source` was being restored to `target` when it was stopped; None if it was not, or has changed since.

    Args:
        source: file of the clip, or folder of its frames.
        target: file, or folder.
        frames: of a clip whose frames are pictures.
    """
    work = folder_work_of(target) if frames else work_of(target)
    if work is None:
        return None
    try:
        if work.get("source") != (frames_identity(frames) if frames else source_identity(source)):
            return None
    except OSError:
        return None
    return _settings(work.get("settings"))


class Loader:
    """Gives the network for each job, loaded once for the same settings.

    Args:
        load: loads a network.
        default: the settings for a job that is not gone on with.
        asked: names of the settings that the user has chosen, which hold for all jobs.
    """

    def __init__(self, load: Callable[[Settings], Deblurrer], *, default: Callable[[Job], Settings], asked: Collection[str]) -> None:
        self._load, self._default, self._asked = load, default, asked
        self._loaded: dict[Settings, Deblurrer] = {}

    def __call__(self, job: Job) -> Deblurrer:
        default = self._default(job)
        kept = settings_of_stopped(job.source, job.target, frames=job.frames) if job.kind == "video" else None
        if kept is None:
            return self.load(default)
        same = {name: value for name, value in vars(kept).items() if name not in self._asked}
        try:
            return self.load(replace(default, **same))
        except DeviceError:
            if "precision" not in same:
                raise
            return self.load(replace(default, **same | {"precision": default.precision}))  # another machine

    def load(self, settings: Settings) -> Deblurrer:
        """The network for settings, loaded at the first call for them."""
        if settings not in self._loaded:
            self._loaded[settings] = self._load(settings)
        return self._loaded[settings]


def _settings(found: Any) -> Settings | None:  # noqa: ANN401 - of a file that anyone can have written
    if not isinstance(found, dict):
        return None
    model, precision, self_ensemble = (found.get(name) for name in ("model", "precision", "self_ensemble"))
    if (
        not isinstance(model, str)
        or not model
        or precision not in get_args(Precision)
        or not isinstance(self_ensemble, int)
        or self_ensemble not in COUNTS
    ):
        return None
    return Settings(model, cast(Precision, precision), self_ensemble)
