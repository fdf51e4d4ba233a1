"""VP9 of 10 and 12 bit, which the libvpx that comes with PyAV does not write, by an `ffmpeg` executable that does.

It is looked for on the PATH, and then in the package imageio-ffmpeg (the extra `vp9`). Raw frames go into the process, which writes IVF into a temporary
file: so nothing has to be read while frames are written. IVF numbers its frames; their times are those that the frames came with.
"""

import contextlib
import functools
import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import av
from av.codec import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unblur.errors import OutputError
from unblur.io.colour import Colour
from unblur.io.optional import INSTALL, optional

__all__ = ["HOW_TO_KEEP", "NAME", "Executable", "ExternalEncoder", "deep_vp9"]

NAME = "libvpx-vp9"
"""FFmpeg's name of the encoder."""

HOW_TO_KEEP = f"to keep it, install an `ffmpeg` that writes VP9 of 10 bit, or {INSTALL['vp9']}"

_PATIENCE = 60
"""Seconds after which an executable that does not say what it can do is passed over."""


@dataclass(frozen=True)
class Executable:
    """An `ffmpeg` that writes VP9 of more than 8 bits.

    Attributes:
        path: of the file.
        formats: pixel formats that its encoder takes, by FFmpeg's names.
    """

    path: Path
    formats: tuple[str, ...]


def deep_vp9() -> Executable | None:
    """The first `ffmpeg` that writes VP9 of 10 bit: on the PATH, or of the package imageio-ffmpeg; None if there is none."""
    for path in (_on_path(), _of_package()):
        formats = () if path is None else _formats(path)
        if path is not None and "yuv420p10le" in formats:
            return Executable(path, formats)
    return None


class ExternalEncoder:
    """Encodes VP9 as an encoder of PyAV does, but that it gives all packets when it is flushed, after which it can be used again.

    It is a context manager: when its block ends, no process is left.

    Args:
        executable: the `ffmpeg` to run.
        pixel_format: of the frames.
        size: width and height of the frames.
        colour: tags of the stream.
        time_base: of the frames' times, in seconds.
        rate: frames per second, for the rate control.
        options: of the encoder.
    """

    def __init__(
        self,
        executable: Path,
        *,
        pixel_format: str,
        size: tuple[int, int],
        colour: Colour,
        time_base: Fraction,
        rate: Fraction,
        options: Mapping[str, str],
    ) -> None:
        self._executable = executable
        self._command = _command(executable, pixel_format=pixel_format, size=size, colour=colour, rate=rate, options=options)
        packer = CodecContext.create("rawvideo", "w")
        assert isinstance(packer, VideoCodecContext)
        packer.width, packer.height, packer.pix_fmt, packer.framerate = *size, pixel_format, rate
        self._packer = packer
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = contextlib.ExitStack()
        self._pts: array[int] = array("q")
        self._time_base = time_base

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def encode(self, frame: VideoFrame | None) -> "list[Packet[VideoStream]]":
        """Add a frame, which gives no packet yet; None ends the stream and gives the packets of all frames.

        Raises:
            OutputError: if the executable fails.
        """
        if frame is None:
            return [] if self._process is None else self._flush()
        if self._process is None:
            self._begin()
        assert self._process is not None
        assert self._process.stdin is not None
        assert frame.pts is not None
        self._pts.append(frame.pts)
        try:
            for packed in self._packer.encode(frame):
                self._process.stdin.write(packed)
        except OSError as error:
            raise self._failed() from error
        return []

    def _begin(self) -> None:
        self._written = self._closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - `_end` closes it
        self._said = self._closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - as above
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed list of arguments, and no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=self._written,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for this program, which ends the other
            )
        except OSError as error:
            raise OutputError(f"cannot run `{self._executable}`: {error.strerror or error}; {_ADVICE}") from error

    def _flush(self) -> "list[Packet[VideoStream]]":
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.close()
        except OSError as error:
            raise self._failed() from error
        if process.wait():
            raise self._failed()
        packets = _packets(self._written)
        if len(packets) != len(self._pts):
            raise OutputError(f"`{self._executable}` gave {len(packets)} frames of VP9 for {len(self._pts)}; {_ADVICE}")
        for packet, pts in zip(packets, self._pts, strict=True):
            packet.pts = packet.dts = pts
            packet.time_base = self._time_base
        self._end()
        return packets

    def _failed(self) -> OutputError:
        """The error to be raised, with what the process said last."""
        assert self._process is not None
        self._process.kill()
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        lines = lines or [f"it ended with code {code}, perhaps since `{tempfile.gettempdir()}` has no room left"]
        self._end()
        return OutputError(f"`{self._executable}` cannot encode the video as VP9: {lines[-1]}; {_ADVICE}")

    def _end(self) -> None:
        """Let nothing of the process remain."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
        self._closing.close()
        self._pts = array("q")


_ADVICE = "install another FFmpeg, or choose another codec, such as `--codec hevc`"


def _on_path() -> Path | None:
    found = shutil.which("ffmpeg")
    # On Windows the working folder counts as well, in which anything may lie.
    return Path(found) if found and Path(found).is_absolute() else None


def _of_package() -> Path | None:
    package = optional("imageio_ffmpeg")
    if package is None:
        return None
    try:
        return Path(package.get_ffmpeg_exe())
    except RuntimeError:  # a package without an executable for this system
        return None


@functools.cache
def _formats(executable: Path) -> tuple[str, ...]:
    """Pixel formats that an executable writes VP9 in; none if it does not."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed list of arguments, and no shell
            [executable, "-hide_banner", "-h", f"encoder={NAME}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    listed = (line.partition(":")[2] for line in done.stdout.splitlines() if line.strip().startswith("Supported pixel formats:"))
    return tuple(next(listed, "").split())


def _command(
    executable: Path, *, pixel_format: str, size: tuple[int, int], colour: Colour, rate: Fraction, options: Mapping[str, str]
) -> list[str]:
    width, height = size
    tags = {"color_primaries": colour.primaries, "color_trc": colour.transfer, "colorspace": colour.matrix, "color_range": colour.range}
    said = [part for name, code in tags.items() if code != (0 if name == "color_range" else 2) for part in (f"-{name}", str(code))]
    given = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-video_size", f"{width}x{height}", "-framerate", str(rate), *said, "-i", "pipe:0"]
    of_encoder = [part for name, value in options.items() for part in (f"-{name}:v", value)]
    written = ["-c:v", NAME, "-pix_fmt", pixel_format, *said, *of_encoder, "-f", "ivf", "pipe:1"]
    return [str(executable), "-hide_banner", "-nostdin", "-loglevel", "error", *given, *written]


def _packets(file: IO[bytes]) -> "list[Packet[VideoStream]]":
    file.seek(0)
    try:
        with av.open(file, "r", format="ivf") as container:
            return [packet for packet in container.demux(video=0) if packet.size]
    except FFmpegError:
        return []
