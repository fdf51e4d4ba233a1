"""Tags, flags and the timecode of a clip: what is carried of them, and what of that a finished file does not have."""

import re
from collections.abc import Mapping

from av.container import InputContainer
from av.stream import Disposition, Stream

__all__ = ["FORGOTTEN_TAGS", "TIMECODE_KEYS", "kept_tags", "lost_flags", "lost_tags", "same_timecode", "timecode_of"]

TIMECODE_KEYS = ("timecode", "TIMECODE")

FORGOTTEN_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "timecode", "alpha_mode"}
"""Tags about the old file that the muxer writes anew or that would be wrong."""

FORGOTTEN_PREFIXES = ("bps", "number_of_", "_statistics_")

WITHOUT_NOTE = {"language", "handler_name", "vendor_id", "reel_name", "filename", "mimetype"}
"""Tags of streams that are no words of the user's, or are looked at elsewhere."""

OTHER_NAMES = {"title": "name"}
"""Names under which FFmpeg reads tags of streams in MP4 and QuickTime again."""

OF_THE_FILE = ("default", "attached_pic", "timed_thumbnails", "still_image", "metadata", "dependent", "multilayer")
"""Flags that say how a container plays or holds a stream, and nothing of its content."""


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that stay true of a restored clip."""
    return {
        key: value for key, value in tags.items() if _plain(key) not in FORGOTTEN_TAGS and not _plain(key).startswith(FORGOTTEN_PREFIXES)
    }


def lost_tags(before: Mapping[str, str], after: Mapping[str, str], *, of_stream: bool = False) -> list[str]:
    """Names of tags that are carried and are not in the finished file, whatever their value there.

    Args:
        before: of the source, or one of its streams.
        after: of the result, or its stream.
        of_stream: whether they are of a stream.
    """
    there = {_plain(key) for key in after}
    wanted = [key for key in kept_tags(before) if not of_stream or _plain(key) not in WITHOUT_NOTE]
    return [key for key in wanted if _plain(key) not in there and OTHER_NAMES.get(_plain(key)) not in there]


def lost_flags(before: Stream, after: Stream) -> list[str]:
    """Names of flags that say what a stream is for, such as `comment` or `hearing_impaired`, that the stream in the result does not have."""
    lost = int(before.disposition) & ~int(after.disposition)
    return [each.name for each in Disposition if each.name and int(each) & lost and each.name not in OF_THE_FILE]


def timecode_of(container: InputContainer, stream: Stream) -> str:
    """The timecode of the first frame: that of the video, or of the file (DV, MXF, Matroska), or of another stream; empty if there is none."""
    places = (stream.metadata, container.metadata, *(each.metadata for each in container.streams))
    return next((tags[key] for tags in places for key in TIMECODE_KEYS if key in tags), "")


def same_timecode(one: str, other: str) -> bool:
    """Whether two timecodes name the same frame, in whatever digits they are written.

    Example:
        >>> same_timecode("01:00:00;02", "01:00:00:002"), same_timecode("01:00:00:02", ""), same_timecode("none", "")
        (True, False, False)
    """
    return one == other or (bool(_numbers(one)) and _numbers(one) == _numbers(other))


def _numbers(timecode: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", timecode)]


def _plain(key: str) -> str:
    """The name of a tag without the language that FFmpeg adds to it, whose case the containers change."""
    return key.casefold().partition("-")[0]
