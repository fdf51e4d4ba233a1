"""Opening media files, and what the releases of PyAV call differently."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from unblur.errors import UnreadableError

__all__ = ["can_hold", "chosen_video", "exact", "has_unknown_video", "is_attached_picture", "is_picture", "open_media", "seconds"]

FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,ivf,rm,dv,h264,hevc,av1,obu,m4v,"
    "yuv4mpegpipe,wtv,gxf,swf,dirac,vc1,mjpeg,mp3,wav,flac,aac,aiff,caf"
)
"""Containers that are opened, by FFmpeg's names. Playlists are not among them: they lead FFmpeg to other files and hosts, and
neither are pictures and text files, which FFmpeg would also play. Sound files are, to say that there is no video in them."""

PICTURE_BRANDS = {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "mif2", "mif3", "msf1", "avif", "avis", "crx "}
PICTURE_BRANDS |= {"avci", "avcs", "vvic", "vvis", "j2ki", "j2is", "jpeg", "jpgs", "unif", "geo1"}
"""Brands of photos (HEIF, AVIF, Canon raw) that are kept in the container of MP4."""

JPEG = b"\xff\xd8"
"""Begin of a JPEG picture. FFmpeg finds a picture anywhere in the first bytes and takes the file for a film of such pictures."""


def exact(value: object) -> Fraction | None:
    """Read a rational number of PyAV.

    PyAV 18 gives a `Fraction` or None, PyAV 19 an `AVRational` that is 0/1 where nothing is known.

    Example:
        >>> exact(Fraction(1, 25)), exact(None)
        (Fraction(1, 25), None)
    """
    numerator = getattr(value, "numerator", 0)
    denominator = getattr(value, "denominator", 0)
    return Fraction(numerator, denominator) if numerator and denominator else None


def seconds(value: float | Fraction) -> Fraction:
    """Take a number of seconds as its author wrote it: 0.1 is one tenth, not the binary fraction next to it.

    Example:
        >>> seconds(0.1)
        Fraction(1, 10)
    """
    return value if isinstance(value, Fraction) else Fraction(str(value))


def open_media(path: Path) -> InputContainer:
    """Open a file for reading; the caller closes it.

    Raises:
        UnreadableError: if it is not there, empty, or nothing that this program knows as video or sound.
    """
    try:
        if path.is_dir():
            raise UnreadableError(f"`{path}` is a folder; name a video file")
        if path.stat().st_size == 0:
            raise UnreadableError(f"`{path}` is empty (0 bytes); copy it again from where it came from")
        return _opened(path)
    except FileNotFoundError as error:
        raise UnreadableError(f"there is no file `{path}`") from error
    except PermissionError as error:
        raise UnreadableError(f"no permission to read `{path}`") from error
    except (FFmpegError, OSError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        if _begins_like_mp4(path):
            raise UnreadableError(
                f"`{path}` is broken off: the index that belongs at its end is missing; a recording that was cut short must be repaired first"
            ) from error
        raise UnreadableError(f"`{path}` is not a video that can be read") from error


def chosen_video(container: InputContainer) -> VideoStream | None:
    """Give the video stream to restore: the default one, and of several such the largest. Cover pictures do not count."""
    if is_picture(container):
        return None
    streams = [stream for stream in container.streams.video if not is_attached_picture(stream) and stream.codec_context is not None]

    def rank(stream: VideoStream) -> tuple[bool, int, int]:
        area = stream.codec_context.width * stream.codec_context.height
        return bool(stream.disposition & Disposition.default), area, -stream.index

    return max(streams, key=rank, default=None)


def is_picture(container: InputContainer) -> bool:
    """Tell whether a file is a photo in the container of MP4."""
    return container.metadata.get("major_brand", "") in PICTURE_BRANDS


def has_unknown_video(container: InputContainer) -> bool:
    """Tell whether a file has video that FFmpeg has no decoder for."""
    known = {stream.index for stream in container.streams.video if stream.codec_context is not None}
    return any(stream.index not in known and not is_attached_picture(stream) for stream in container.streams.video)


def is_attached_picture(stream: Stream) -> bool:
    """Tell whether a stream is a cover or a thumbnail and not video."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image))


def can_hold(stream: Stream, *, container: str) -> bool:
    """Tell whether FFmpeg writes the packets of a stream as they are into a container.

    It is tried in a file of its own, since a refusal comes with the header and would spoil the whole output. What FFmpeg takes and then leaves out
    or writes without a name does not count: covers in QuickTime, attachments in WebM, data in all but Matroska's family.
    """
    if (stream.type == "attachment" and container != "matroska") or (stream.type == "data" and container in ("mp4", "mov")):
        return False
    if container == "mov" and stream.type == "video" and is_attached_picture(stream):
        return False
    return muxed_head(stream, container=container) is not None


def muxed_head(stream: Stream, *, container: str) -> bytes | None:
    """What FFmpeg writes before the first packet of a file of this stream alone; None if the container does not take it."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=container) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (FFmpegError, ValueError, LookupError):
        return None
    return file.getvalue()


def _opened(path: Path) -> InputContainer:
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    name = os.fspath(path.absolute())  # an absolute name cannot be mistaken for a protocol such as `http:`
    try:
        opened = av.open(name, "r", container_options=options)
    except UnicodeDecodeError:
        # Titles in an old encoding. PyAV 19 always reads them this way and no longer knows the argument.
        opened = av.open(name, "r", container_options=options, metadata_errors="surrogateescape")
    if opened.format.name == "mjpeg" and not _begins_with(path, JPEG):
        opened.close()
        raise ValueError("a JPEG picture inside another file")  # PDF, raw files of cameras
    return opened


def _begins_with(path: Path, head: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(head)) == head


def _begins_like_mp4(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(12)[4:8] in (b"ftyp", b"mdat", b"wide", b"moov")
    except (OSError, ValueError):
        return False
