"""`unblur` removes motion blur from photos and videos.

    import unblur

    deblurrer = unblur.load()
    deblurrer.video("clip.mp4", "clip_unblurred.mp4")
    sharper = deblurrer.photo(picture)

Importing this package imports nothing heavy; `load` and `Deblurrer` bring torch in when they are first touched.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unblur.restore.deblurrer import Deblurrer, VideoReport
    from unblur.restore.load import load

__all__ = ["Deblurrer", "VideoReport", "__version__", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "load":
        from unblur.restore.load import load

        return load
    if name in {"Deblurrer", "VideoReport"}:
        from unblur.restore import deblurrer

        return getattr(deblurrer, name)
    raise AttributeError(f"module 'unblur' has no attribute {name!r}")
