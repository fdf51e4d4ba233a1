"""`unblur` removes motion blur from photos and videos.

    import unblur

    unblur.restore("clip.mp4")                       # as the command does
    sharper = unblur.restore(picture).picture

    deblurrer = unblur.load()                        # keeps the weights for many calls
    sharper = deblurrer.photo(picture)

Importing this package imports nothing heavy; torch is brought in when something is restored or loaded.
"""

from typing import TYPE_CHECKING

from unblur.errors import UnblurError

if TYPE_CHECKING:
    from unblur.restore.api import load, restore
    from unblur.restore.auto import AutoDeblurrer
    from unblur.restore.deblurrer import Deblurrer
    from unblur.restore.observer import Observer
    from unblur.restore.report import Outcome, PhotoReport, Report, VideoReport

__all__ = [
    "AutoDeblurrer",
    "Deblurrer",
    "Observer",
    "Outcome",
    "PhotoReport",
    "Report",
    "UnblurError",
    "VideoReport",
    "__version__",
    "load",
    "restore",
]

__version__ = "0.1.0"

_PLACES = {
    "AutoDeblurrer": "unblur.restore.auto",
    "Deblurrer": "unblur.restore.deblurrer",
    "Observer": "unblur.restore.observer",
    "Outcome": "unblur.restore.report",
    "PhotoReport": "unblur.restore.report",
    "Report": "unblur.restore.report",
    "VideoReport": "unblur.restore.report",
    "load": "unblur.restore.api",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "restore":
        return import_module("unblur.restore")  # the package can be called, see there
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'unblur' has no attribute {name!r}")
