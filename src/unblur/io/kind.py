"""What a path holds, judged by content and not by name."""

import stat
from pathlib import Path
from typing import Literal

from unblur.errors import UnreadableError
from unblur.io.animation import is_animation
from unblur.io.clip_info import check_not_encrypted, is_sound, is_video
from unblur.io.image import is_image

__all__ = ["Kind", "kind_of"]

Kind = Literal["photo", "video", "folder"]


def kind_of(path: Path) -> Kind:
    """Whether `path` is a photo, a video or a folder; an animation is a video.

    Raises:
        UnreadableError: if it does not exist, cannot be read, is empty, or is neither.
        UnsupportedError: if it is an encrypted video.
    """
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            return "folder"
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableError(f"`{path}` is not a regular file")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableError(f"there is no file or folder `{path}`") from error
    except OSError as error:
        raise UnreadableError(f"cannot read `{path}`: {error.strerror or error}") from error
    if about.st_size == 0:
        raise UnreadableError(f"`{path}` is empty")
    if is_image(path):
        return "video" if is_animation(path) else "photo"
    if is_video(path):
        return "video"
    if is_sound(path):
        raise UnreadableError(f"`{path}` holds sound and no picture: there is nothing to restore")
    check_not_encrypted(path)
    raise UnreadableError(f"`{path}` is neither a photo nor a video that can be read")
