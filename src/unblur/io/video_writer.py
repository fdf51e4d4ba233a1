"""Writing restored frames at the times of their source, with everything else of the source beside them."""

import contextlib
import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np
from av.codec import CodecContext
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unblur.errors import OutputError, ShapeError, VerifyError
from unblur.io import encoders
from unblur.io.clip_info import ClipInfo, describe, side_data
from unblur.io.colour import PixelConverter, Pixels, with_alpha
from unblur.io.encoders import CONTAINERS, Encoding, choose_encoding
from unblur.io.external_encoder import ExternalEncoder
from unblur.io.journal import FrameStore, Journal, difference, frames_of, journal_of
from unblur.io.scheduling import scheduling_kept
from unblur.io.segments import SegmentEncoder
from unblur.io.streams import StreamCopier
from unblur.io.verify import Expected, verify_video
from unblur.io.video_reader import Frame, VideoReader
from unblur.io.whole import output_error, written_whole
from unblur.io.x264 import reproducible
from unblur.pixels import as_8_bit, as_16_bit

__all__ = ["VideoWriter"]

MAX_TIMESCALE = 2**31 - 1
"""Largest number of ticks a second that QuickTime can write."""

CARRIED_BY = {
    Type.A53_CC: (
        ("libx264", "libx264rgb", "libx265"),
        "captions inside the frames are not kept by this codec; choose h264 or hevc to keep them",
    ),
    Type.SEI_UNREGISTERED: (
        ("libx264", "libx264rgb"),  # x265 writes it under an identifier of its own
        "data inside the frames, such as a camera's date and exposure, is not kept by this codec; choose h264 to keep it",
    ),
    Type.DYNAMIC_HDR_PLUS: ((), "HDR10+ metadata is not kept; the HDR mastering metadata is"),
}
"""Encoders that write each kind of side data of single frames, and what to say of the others."""

KEEPS_TIMES = ("mov", "matroska")
"""Containers whose times count from the start of playing; in others they are those of a broadcast's clock."""


_DISCARDED = "{count} frame(s) that an earlier run has finished are discarded: {why}"


class VideoWriter:
    """Writes a clip that differs from its source in the pixels only.

        with VideoReader(source) as clip, VideoWriter(target, clip) as out:
            for frame in clip:
                out.write(restore(frame.pixels), frame)

    The file appears under its name when the block ends well and what was written has been read again and found equal
    (`verify_video`); after any exception nothing of it is left. One thread may write; the reader may run in another.

    Kept are the size, the time of every frame, bit depth and chroma where the codec allows, colour tags, HDR mastering metadata,
    captions, rotation, aspect of the pixels, titles, languages, chapters, timecode, and every other stream byte for byte; between MP4 and
    QuickTime files all that their header says (`unblur.io.moov`). Sound that the container does not hold becomes PCM.
    What the container or codec cannot hold is named in `notes`.

    When the reader reads a part of the clip, so does the writer: other streams are cut to the packets that begin in that part,
    and times are shifted so that the first frame is at 0. Times of a source that runs on a clock of its own (MPEG-TS, AVI, ...)
    are shifted so that it starts at 0.

    Args:
        target: the file; its suffix decides the container (`.mp4`, `.m4v`, `.mov`, `.mkv`, `.webm`).
        source: the reader from which the frames come.
        codec: h264, hevc, vp9, av1, prores or ffv1; None for that of the source where possible.
        quality: 1 (small) to 100 (lossless, where the codec can); None is visually lossless. See `choose_encoding`.
        overwrite: replace `target` if it exists.
        verify: read the file again and compare it.
        work: what is done to which clip, as JSON has it. Then what is finished is kept (`unblur.io.journal`): if the block ends before
            the clip is whole, it stays, and the next writer for the same target and work begins with it. None keeps nothing.

    Attributes:
        begin_at: time of the first frame to be written, in ticks of the source; None if it is the first of the reader's.
        discarded: which frames that an earlier run has finished are not used, and why, in a sentence; empty if all are.

    Raises:
        OutputError: if the target exists, its suffix is not known, its folder refuses it, the codec does not fit, its container can hold the
            sound in no way, or the disk is full (the last while writing).
        InputError: if the codec or quality is not known.
        VerifyError: when the block ends, if the file does not hold what was written; it is discarded.
    """

    def __init__(
        self,
        target: Path,
        source: VideoReader,
        *,
        codec: str | None = None,
        quality: float | None = None,
        overwrite: bool = False,
        verify: bool = True,
        work: dict[str, Any] | None = None,
    ) -> None:
        self.target = Path(target)
        container = CONTAINERS.get(self.target.suffix.lower())
        if container is None:
            raise OutputError(f"`{target}`: videos are written as {', '.join(CONTAINERS)}; choose one of these suffixes")
        self.info: ClipInfo = source.info
        self.encoding: Encoding = choose_encoding(self.info, container=container, codec=codec, quality=quality)
        self.expected = Expected(self.info.width, self.info.height, self.info.time_base)
        self._container = container
        self._overwrite = overwrite
        self._verify = verify
        self._reader = source
        self._converter = PixelConverter(
            self.encoding.pixel_format, colour=self.encoding.colour, width=self.info.width, height=self.info.height
        )
        self._held: VideoFrame | None = None
        self._losses: dict[str, None] = {}  # in order, each once
        self._started = False
        self._container_has_hdr = False
        self._shift = 0
        self._copier: StreamCopier | None = None
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._session: AbstractContextManager[None] | None = None
        self._work = None if self.encoding.alpha_format else work  # opacity stands beside the packets, which a journal does not keep
        self._journal: Journal | None = None
        self._store: FrameStore | None = None
        self._encoder: SegmentEncoder | None = None
        self._external: ExternalEncoder | None = None
        self._before = 0  # frames of earlier runs
        self.begin_at: int | None = None
        self.discarded = ""

    @property
    def dropped_streams(self) -> tuple[str, ...]:
        """Streams of the source that the container cannot hold, in words."""
        return tuple(self._copier.dropped) if self._copier is not None else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what the codec and the container cannot keep; complete when the block has ended."""
        said = (note for note in self.encoding.notes if note != encoders.HDR_NOTE or not self._container_has_hdr)
        return (*said, *self._losses, *(self._copier.notes if self._copier is not None else ()))

    @property
    def frames_before(self) -> int:
        """Frames that were there when the writing began, from an earlier writer."""
        return self._before

    def time_before(self, count: int) -> int:
        """Time of the frame that comes `count` frames before `begin_at`, or of the first, in ticks of the source."""
        assert self.begin_at is not None
        return self.expected.pts[max(self._before - count, 0)] + self._shift if count else self.begin_at

    def __enter__(self) -> Self:
        self._session = self._writing()
        self._session.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        assert self._session is not None
        return self._session.__exit__(kind, error, trace)

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Write a restored frame at the time of the frame that it was restored from.

        Args:
            pixels: the restored frame, of the same type and range as `frame.pixels`.
            frame: its source; frames must come in their order.

        Raises:
            ShapeError: if the pixels have another shape or type than the clip's.
            ValueError: if the frame is not later than the one before.
            OutputError: if the disk is full or the encoder fails.

        Shape:
            pixels (H, W, 3)
        """
        shape = (self.info.height, self.info.width, 3)
        dtype = np.uint8 if self.info.bit_depth == 8 else np.uint16
        if pixels.shape != shape or pixels.dtype != dtype:
            raise ShapeError(f"a frame of this clip is {shape} of {np.dtype(dtype)}, got {pixels.shape} of {pixels.dtype}")
        if self.expected.pts and frame.pts - self._shift <= self.expected.pts[-1]:
            raise ValueError(f"frames must be written in their order, got time {frame.pts} after {self.expected.pts[-1] + self._shift}")
        if self.begin_at is not None and len(self.expected.pts) == self._before and frame.pts != self.begin_at:
            self._forget()
            raise OutputError(f"`{self.target}` cannot be gone on with where it was stopped; give the same command again to begin anew")
        with self._said_plainly():
            encoded = self._converter.to_frame(self._at_depth(pixels), carried=frame.carried)
            if self.encoding.alpha_format is not None:
                encoded = with_alpha(encoded, frame.alpha, self.encoding.alpha_format)
            self._take(encoded, frame)
        if self._store is not None:
            self._store.add(frame.pts, self._converter.samples_of(encoded))

    def _take(self, encoded: VideoFrame, frame: Frame) -> None:
        """Encode the frame before this one, and hold this one until the next is known."""
        if not self._started:
            self._start(frame.pts)
        encoded.pts = frame.pts - self._shift
        encoded.time_base = self.info.time_base
        encoded.duration = frame.duration
        self._note_losses(frame)
        self._encode_held(until=encoded.pts)
        self._held = encoded
        self.expected.pts.append(encoded.pts)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with contextlib.ExitStack() as kept:
            with written_whole(self.target, overwrite=self._overwrite, inputs=(self.info.path,)) as partial:
                if self._work is not None:
                    work = self._work | self._own_work()
                    self._journal, self._store = Journal(journal_of(self.target), work=work), FrameStore(frames_of(self.target), work=work)
                    self.discarded = _discarded(self._journal, self._store)
                    kept.callback(self._keep)
                with contextlib.ExitStack() as stack:
                    with self._said_plainly():
                        self._open(partial, stack)
                    yield
                    with self._said_plainly():
                        self._finish(partial)
                if self._verify:
                    try:
                        verify_video(partial, self.expected, name=self.target)
                    except VerifyError:
                        self._forget()
                        raise
            self._forget()

    def _own_work(self) -> dict[str, Any]:
        """What of the encoding must be the same for packets of two encoders to make one stream."""
        info, encoding = self.info, self.encoding
        return {
            "encoder": [encoding.encoder, encoding.pixel_format, encoding.options, repr(encoding.colour), str(encoding.rate)],
            "clip": [info.width, info.height, str(info.time_base)],
        }

    def _forget(self) -> None:
        """Delete what is kept of finished frames."""
        if self._journal is not None and self._store is not None:
            self._journal.start_anew()
            self._store.clear()

    def _keep(self) -> None:
        """Keep what is finished for the next run; of a run that has just begun, nothing."""
        if self._journal is None or self._store is None:
            return
        keeps = not (self._journal.is_empty and self._store.is_empty)
        if keeps:
            self._store.save()
        self._journal.close(delete=not keeps)
        self._store.close()

    def _open(self, partial: Path, stack: contextlib.ExitStack) -> None:
        self._open_output(str(partial.absolute()), stack)
        assert self._output is not None
        assert self._copier is not None
        self._copier.add_streams()
        self.expected.streams = self._copier.copied
        self._output.metadata.update(self._copier.metadata())
        if self._journal is not None and self._store is not None:
            self._replay(self._journal, self._store)

    def _open_output(self, file: str | BinaryIO, stack: contextlib.ExitStack) -> None:
        """Open the output, with a stream for the video."""
        if self.encoding.encoder == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only; this library takes its log level from nowhere else
        if self.encoding.executable is not None:
            self._external = stack.enter_context(self._external_encoder(self.encoding.executable))
        self._output = av.open(file, "w", format=self._container, container_options=self._muxer_options())
        stack.callback(self._abandon)
        self._copier = StreamCopier(self.info, self._output, container=self._container, suffix=self.target.suffix)
        stack.callback(self._copier.close)
        self._stream = self._add_video(self._output, self._copier)

    def _replay(self, journal: Journal, store: FrameStore) -> None:
        """Write what earlier runs have finished, if the packets of this one's encoder can follow it."""
        if journal.pts:
            self._start(journal.start["first"])
            assert self._encoder is not None
            if journal.start["extradata"] != self._encoder.extradata:
                self.discarded = _DISCARDED.format(count=len(journal.pts), why="the encoder is another version")
                self._forget()
        if journal.pts:
            assert self._stream is not None
            assert self._encoder is not None
            try:
                for packet in journal.replay(self._stream):
                    packet.time_base = self.info.time_base
                    self._send(packet)
            except (FFmpegError, OverflowError) as error:
                if isinstance(error, OSError | MemoryError):
                    raise
                raise OutputError(f"`{self.target}` cannot be gone on with; remove `{journal.path}` to begin anew") from error
            self.expected.pts.extend(sorted(journal.pts))
            self._encoder.resume(journal.pts, delay=journal.delay)
        elif store.is_empty:
            return
        last = self.expected.pts[-1] + self._shift if self.expected.pts else None
        frames = iter(self._reader) if last is None else self._reader.frames_from(last + 1)
        following = next(frames, None)
        for pts, samples in store.frames(after=last):
            encoded = self._converter.from_samples(samples, carried=following.carried) if following and following.pts == pts else None
            if encoded is None or following is None:
                store.drop_last()
                break
            self._take(encoded, following)
            last, following = pts, next(frames, None)
        self._reader.close()
        self._before = len(self.expected.pts)
        if last is not None:
            self.begin_at = last + 1 if following is None else following.pts

    def _configure(self, context: VideoCodecContext) -> None:
        """Set up an encoder for the frames of this clip, or describe what it gives."""
        encoding, info = self.encoding, self.info
        context.framerate = encoding.rate
        if context.is_encoder:
            context.options = dict(encoding.options)
            if encoding.encoder in ("libx264", "libx264rgb") and (parameters := reproducible(encoding.options.get("x264-params", ""))):
                context.options = {**encoding.options, "x264-params": parameters}
            context.time_base = info.time_base
            context.thread_count = 0
        context.width, context.height = info.width, info.height
        context.pix_fmt = encoding.alpha_format or encoding.pixel_format
        context.color_primaries = encoding.colour.primaries
        context.color_trc = encoding.colour.transfer
        context.colorspace = encoding.colour.matrix
        context.color_range = encoding.colour.range
        if info.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = info.sample_aspect_ratio
        if encoding.encoder == "libx265" and self._container in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the tag that Apple's players ask for; others take both

    def _external_encoder(self, executable: Path) -> ExternalEncoder:
        encoding, info = self.encoding, self.info
        return ExternalEncoder(
            executable,
            pixel_format=encoding.pixel_format,
            size=(info.width, info.height),
            colour=encoding.colour,
            time_base=info.time_base,
            rate=encoding.rate,
            options=encoding.options,
        )

    def _add_video(self, output: OutputContainer, copier: StreamCopier) -> VideoStream:
        encoding, info = self.encoding, self.info
        described = copier.described_video(encoding.encoder, dolby_vision=encoding.dolby_vision, always=self._external is not None)
        if described is None:
            stream = output.add_stream(encoding.encoder, rate=encoding.rate, options=encoding.options)
            assert isinstance(stream, VideoStream)
            stream.time_base = info.time_base  # of the encoder as well, or times are rounded to the frame rate
            self._configure(stream.codec_context)
        else:
            added: Stream = output.add_stream_from_template(described, opaque=True)
            assert isinstance(added, VideoStream)
            stream = added
            stream.time_base = info.time_base
            self._configure(stream.codec_context)
            stream.codec_context.extradata = None if self._external else self._extradata()
        if info.display_matrix is not None:
            stream.set_display_matrix(info.display_matrix)
        stream.metadata.update(copier.video_metadata())
        if encoding.alpha_format is not None and encoding.encoder == "libvpx-vp9":
            stream.metadata["alpha_mode"] = "1"  # by which decoders know that it stands beside the pictures
        timecode = copier.timecode()
        if timecode and not self._reader.is_part:
            stream.metadata.update({"timecode": timecode} | copier.reel_name())
        elif timecode:
            self._losses["the timecode is not kept, since it is that of the first frame of the whole clip"] = None
        stream.disposition = Disposition(copier.video_disposition())
        return stream

    def _extradata(self) -> bytes | None:
        """What the encoder says to decoders before the first packet."""
        return self._opened_encoder(Flags.global_header).extradata

    def _opened_encoder(self, flags: int) -> VideoCodecContext:
        encoder = CodecContext.create(self.encoding.encoder, "w")
        assert isinstance(encoder, VideoCodecContext)
        self._configure(encoder)
        encoder.flags |= flags
        with scheduling_kept():
            encoder.open()
        return encoder

    def _muxer_options(self) -> dict[str, str]:
        if self._container not in ("mp4", "mov"):
            return {}
        # In a timescale that all streams share, the silence or blank before a stream's start is exact; the default is a millisecond.
        own = self.info.time_base.denominator
        shared = own
        for stream in self.info.streams:
            wider = math.lcm(shared, stream.time_base.denominator)
            shared = wider if wider <= MAX_TIMESCALE else shared
        options = {
            "video_track_timescale": str(own),
            "movie_timescale": str(shared),
            "strict": "unofficial",
        }  # the last for spherical video
        if self.info.container.startswith("mov"):
            return options  # its tags are carried as they are
        # Tags with names of any kind survive only in the list of free keys, which cannot stand beside a cover.
        has_cover = any(stream.attached_picture for stream in self.info.streams)
        return options if has_cover or not self.info.has_free_tags else options | {"movflags": "+use_metadata_tags"}

    def _start(self, first: int) -> None:
        """Begin with the frame at a time of the source."""
        assert self._copier is not None
        unit, reader = self.info.time_base, self._reader
        begin = end = None
        self._shift = self._shift_from(first)
        if reader.is_part:
            begin = first * unit
            end = None if reader.end is None else self.info.start_pts * unit + reader.end
        shift = self._shift * unit
        self._copier.start(shift=shift, begin=begin, end=end)
        self._copier.copy_chapters(shift=shift, begin=begin, end=end)
        self._begin_encoding()

    def _shift_from(self, first: int) -> int:
        """Ticks by which the times of a clip move whose first frame is at `first`."""
        if self._reader.is_part:
            return first
        if self.info.container.startswith(KEEPS_TIMES):
            return 0
        unit = self.info.time_base
        starts = [stream.start for stream in self.info.streams if stream.start is not None]
        return math.floor(min([*starts, first * unit]) / unit)

    def _begin_encoding(self) -> None:
        assert self._output is not None
        assert self._stream is not None
        with scheduling_kept():
            self._output.start_encoding()
        self._encoder = SegmentEncoder(self._stream, name=self.encoding.encoder, another=self._another, length=int(encoders.KEY_EVERY))
        self._started = True

    def _another(self) -> VideoCodecContext | ExternalEncoder:
        """An encoder for one segment."""
        if self._external is not None:
            return self._external
        assert self._stream is not None
        return self._opened_encoder(self._stream.codec_context.flags)

    def _note_losses(self, frame: Frame) -> None:
        if frame.carried is None:
            return
        for kind, (carriers, note) in CARRIED_BY.items():
            if self.encoding.encoder not in carriers and side_data(frame.carried, kind) is not None:
                self._losses[note] = None

    def _encode_held(self, *, until: int | None) -> None:
        """Encode the frame that waits for the next one: only then is it known how long it is shown."""
        if self._held is None:
            return
        assert self._encoder is not None
        assert self._held.pts is not None
        if until is not None:
            self._held.duration = until - self._held.pts
        self._mux(self._encoder.encode(self._held))
        self._held = None
        if self._encoder.is_complete:
            self._end_segment()

    def _end_segment(self) -> None:
        """Finish the segment, and keep it."""
        assert self._encoder is not None
        self._mux(self._encoder.end_segment())
        if self._journal is not None and self._store is not None:
            self._journal.end_segment()
            self._store.clear()

    def _mux(self, packets: "list[Packet[VideoStream]]") -> None:
        for packet in packets:
            if self._journal is not None:
                if not self._journal.start:
                    assert self._encoder is not None
                    self._journal.start = {"first": self.expected.pts[0] + self._shift, "extradata": self._encoder.extradata}
                self._journal.add(packet)
            self._send(packet)

    def _send(self, packet: "Packet[VideoStream]") -> None:
        assert self._output is not None
        assert self._copier is not None
        stamp = packet.dts if packet.dts is not None else packet.pts
        self._output.mux_one(packet)
        if stamp is not None:
            self._copier.copy_until((stamp + self._shift) * self.info.time_base)

    def _finish(self, partial: Path) -> None:
        if not self.expected.pts:
            raise OutputError(f"no frame was written to `{self.target}`")
        assert self._encoder is not None
        assert self._output is not None
        assert self._copier is not None
        self._encode_held(until=None)
        self._mux(self._encoder.end_segment())
        self._copier.copy_until(None)
        output, self._output = self._output, None
        output.close()
        timecode = "" if self._reader.is_part else self._copier.timecode()
        self._copier.complete(partial, timecode=timecode, dolby_vision=self.encoding.dolby_vision)
        if encoders.HDR_NOTE in self.encoding.notes:
            written = describe(partial)
            self._container_has_hdr = (written.mastering, written.light) == (self.info.mastering, self.info.light)

    def _at_depth(self, pixels: NDArray[Any]) -> Pixels:
        """Give 8-bit pixels in 16 bits or the other way round, where the encoder needs it."""
        if pixels.dtype == self._converter.dtype:
            contiguous: Pixels = np.ascontiguousarray(pixels)
            return contiguous
        return as_16_bit(pixels) if pixels.dtype == np.uint8 else as_8_bit(pixels)

    def _abandon(self) -> None:
        """Close an output that was not finished; its end need not, and on a full disk cannot, be written."""
        if self._output is not None:
            with contextlib.suppress(FFmpegError):
                self._output.close()
            self._output = None

    @contextlib.contextmanager
    def _said_plainly(self) -> Iterator[None]:
        try:
            yield
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            if isinstance(error, OSError):
                raise output_error(self.target, error) from error
            raise OutputError(f"`{self.target}` cannot be encoded with {self.encoding.encoder}: {error.strerror}") from error


def _discarded(journal: Journal, store: FrameStore) -> str:
    """Which finished frames cannot be used, and why."""
    senseless = [f"`{each.path}`" for each in (journal, store) if each.is_senseless]
    if senseless:
        return f"{' and '.join(senseless)} cannot be what this version has written; the clip is begun anew"
    count = journal.other_frames + store.other_frames
    work = journal.other_work or store.other_work
    return _DISCARDED.format(count=count, why=difference(work, journal.work)) if work is not None and count else ""
