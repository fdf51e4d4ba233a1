"""What there is to know about a clip before its frames are read."""

import contextlib
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.buffer import Buffer
from av.codec import codecs_available
from av.container import InputContainer
from av.error import FFmpegError, PatchWelcomeError
from av.sidedata.sidedata import SideData, Type
from av.stream import Disposition, Stream
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.boxes import boxes_of, read_box
from unblur.io.colour import Colour, bit_depth
from unblur.io.containers import chosen_video, exact, has_unknown_video, is_attached_picture, is_picture, open_media
from unblur.io.dolby_vision import profile_of
from unblur.io.tags import timecode_of

__all__ = [
    "ClipInfo",
    "LightLevel",
    "MasteringDisplay",
    "StreamInfo",
    "check_not_encrypted",
    "describe",
    "is_sound",
    "is_video",
    "side_data",
]

PROBED_PACKETS = 600
"""Packets of video that are tried for a first picture: several seconds, more than there are between two key frames of a broadcast."""

FRAMES_SEEN = 5
"""Frames by which interlaced video is told. In film at the rate of television, two of five frames are."""

_USUAL = (
    "title artist album_artist composer album date comment genre copyright grouping lyrics description synopsis show episode_id network keywords "
    "season_number episode_sort media_type hd_video gapless_playback compilation track disc tmpo location creation_time encoder duration "
    "major_brand minor_version compatible_brands"
)
USUAL_TAGS = set(_USUAL.split())
"""Tags for which MP4 has a place of its own, and those that are written anew."""

DOLBY_VISION_TAGS = ("dvh1", "dvhe")
"""Names of HEVC with Dolby Vision that nothing else can show."""

INTERLACED_ORDERS = (2, 3, 4, 5)
"""FFmpeg's codes of field order for everything but progressive (1) and unknown (0)."""

ENCRYPTED, KEY_TAG = "encv", "enc_key_id"
"""Name of encrypted video in MP4, and FFmpeg's tag of the key of such a stream in Matroska."""

NO_KEY = "the video of `{}` is encrypted (DRM), and cannot be read without its key"

CONVERT = "convert it first with the program that made it"

TOP_FIRST = (2, 5)
"""Those of them that show the upper field first."""

RAW_STREAMS = ("h264", "hevc", "m4v", "mpegvideo", "vc1", "dirac", "obu", "vvc")
"""FFmpeg's names of demuxers of bare video, for which it assumes 25 frames a second whatever the stream itself says."""

REORDERED = ("h264", "hevc", "vvc")
"""Codecs whose order of presentation FFmpeg does not work out for a container that has times of decoding only (AVI)."""


@dataclass(frozen=True)
class MasteringDisplay:
    """The screen on which an HDR clip was graded (SMPTE ST 2086): CIE xy of red, green, blue and white; luminance in cd/m²."""

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True)
class LightLevel:
    """Content light level of an HDR clip (CTA-861.3): of the brightest pixel and of the brightest frame's mean, in cd/m²."""

    brightest_pixel: int
    brightest_frame: int


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a file: `type` is video, audio, subtitle, data or attachment; `codec` FFmpeg's name, empty if it has none."""

    index: int
    type: str
    codec: str
    time_base: Fraction
    start: Fraction | None
    language: str
    title: str
    attached_picture: bool

    def __str__(self) -> str:
        kind = "cover picture" if self.attached_picture else self.type
        words = [self.language, self.codec, f"“{self.title}”" if self.title else ""]
        extra = ", ".join(word for word in words if word and word != "und")
        return f"{kind} stream {self.index}" + (f" ({extra})" if extra else "")


ENCODERS_OWN = (bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"), bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"))
"""Identifiers of user data in which x264 and x265 say their version and settings."""

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class ClipInfo:
    """A clip as it is in its file.

    Attributes:
        path: the file.
        container: FFmpeg's names of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
        video_index: which stream of the file is the video; other streams, further video among them, are in `streams`.
        codec: FFmpeg's name of the codec, such as `h264`.
        profile: FFmpeg's name of its profile, empty if unknown.
        width: of the frames as they are coded, before rotation.
        height: of the frames as they are coded, before rotation.
        pixel_format: FFmpeg's name.
        bit_depth: of a sample; more than 8 means that frames are given in 16 bits.
        colour: tags of the stream.
        time_base: seconds in one tick of the frames' times.
        times_by_order: the file has times in the order of decoding only: the n-th frame is shown at the n-th of them.
        average_rate: frames in a second, None if unknown. The rate need not be constant.
        start_pts: time of the first frame, in ticks. Seconds of a preview are counted from it.
        duration: seconds, None if the file does not say.
        frame_count: what the file says, or else duration × rate; None if neither is known. Only reading tells for sure.
        sample_aspect_ratio: width of a pixel by its height, None if unknown.
        rotation: degrees by which players turn the frames, counter-clockwise.
        display_matrix: the same as the file has it (nine numbers), with mirroring; None if there is none.
        interlaced: frames hold two fields of different times.
        top_field_first: which of them is shown first, None if unknown.
        timecode: of the first frame, empty if there is none.
        mastering: HDR mastering display, if any.
        light: HDR content light level, if any.
        dolby_vision: the stream has Dolby Vision metadata.
        dolby_profile: which (`unblur.io.dolby_vision`), 0 if unknown.
        has_layers: the stream has further layers, such as the picture of the other eye (MV-HEVC), which are not kept.
        alpha_beside: the transparency is in pictures beside those of the video (VP8 and VP9), which are not kept.
        has_free_tags: the file has tags with names of their maker's choice, such as `com.apple.quicktime.make` or `prompt`.
        streams: every stream of the file.
    """

    path: Path
    container: str
    video_index: int
    codec: str
    profile: str
    width: int
    height: int
    pixel_format: str
    bit_depth: int
    colour: Colour
    time_base: Fraction
    times_by_order: bool
    average_rate: Fraction | None
    start_pts: int
    duration: Fraction | None
    frame_count: int | None
    sample_aspect_ratio: Fraction | None
    rotation: int
    display_matrix: tuple[int, ...] | None
    interlaced: bool
    top_field_first: bool | None
    timecode: str
    mastering: MasteringDisplay | None
    light: LightLevel | None
    dolby_vision: bool
    dolby_profile: int
    has_layers: bool
    alpha_beside: bool
    has_free_tags: bool
    streams: tuple[StreamInfo, ...]

    @property
    def is_rgb(self) -> bool:
        """Whether the samples are red, green and blue, not luma and chroma."""
        described = VideoFormat(self.pixel_format, 16, 16)
        return described.is_rgb or described.has_palette

    @property
    def has_alpha(self) -> bool:
        """Whether the frames have transparency."""
        return self.alpha_beside or any(component.is_alpha for component in VideoFormat(self.pixel_format, 16, 16).components)

    @property
    def alpha_decoder(self) -> str | None:
        """The decoder that reads opacity beside the pictures of VP8 and VP9, which FFmpeg's own ones pass over; None without such, or if it is not there."""
        name = ALPHA_DECODERS.get(self.codec) if self.alpha_beside else None
        return name if name in codecs_available else None

    @property
    def has_readable_alpha(self) -> bool:
        """Whether a plane of decoded frames is their opacity."""
        described = VideoFormat(self.pixel_format, 16, 16)
        return self.alpha_decoder is not None or (self.has_alpha and not self.alpha_beside and described.is_planar and not described.is_rgb)


def describe(path: Path) -> ClipInfo:
    """Open a clip, decode its first frame and say what it is.

    Raises:
        UnreadableError: if the file is missing, empty, damaged from the start, or has no video (sound only, a picture).
        UnsupportedError: if it is Dolby Vision of profile 5; if it is sound, but encrypted or in a form that FFmpeg does not decode, or if its frames cannot be converted to RGB.
    """
    with open_media(path) as container:
        stream = chosen_video(container)
        if stream is None and has_unknown_video(container):
            raise UnsupportedError(f"the video of `{path}` is encrypted (DRM), or in a form that FFmpeg does not decode; {CONVERT}")
        if stream is None:
            what = "only sound" if container.streams.audio else "no video"
            raise UnreadableError(f"`{path}` holds {what}; name a video file")
        if stream.codec_context.codec_tag == ENCRYPTED or KEY_TAG in stream.metadata:
            raise UnsupportedError(NO_KEY.format(path))
        frames, is_supported = _first_frames(container, stream)
        if not is_supported:
            codec = stream.codec_context.codec.canonical_name
            raise UnsupportedError(f"the video of `{path}` is in a form of {codec} that FFmpeg does not decode; {CONVERT}")
        if not frames:
            raise UnreadableError(f"`{path}` is damaged: no picture of its video can be decoded")
        if _needs_dolby_vision(path, stream, frames[0]):
            raise UnsupportedError(
                f"`{path}` is Dolby Vision of profile 5, whose colours are wrong without its metadata, which cannot be kept; "
                "restore a version in HDR10 or in profile 8"
            )
        return _describe(path, container, stream, frames)


def is_video(path: Path) -> bool:
    """Tell by its content whether a file is a video. Covers, photos (HEIF too), animated GIFs and sound are not. Never raises."""
    try:
        with open_media(path) as container:
            return chosen_video(container) is not None or (not is_picture(container) and has_unknown_video(container))
    except UnreadableError:
        return False


def check_not_encrypted(path: Path) -> None:
    """Refuse an MP4 file whose encrypted video keeps FFmpeg from opening it, as in fragments.

    Raises:
        UnsupportedError: if it is one.
    """
    moov = read_box(path, b"moov")
    described = [track.child(b"mdia", b"minf", b"stbl", b"stsd") for track in (moov.all(b"trak") if moov is not None else [])]
    if any(kind == ENCRYPTED.encode() for each in described if each is not None for kind, _, _ in boxes_of(each.body[8:])):
        raise UnsupportedError(NO_KEY.format(path))


def is_sound(path: Path) -> bool:
    """Tell by its content whether a file, which is no video, holds sound: such as can be decoded, or of a kind that has no decoder. Never raises."""
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                return False
            return container.streams.audio[0].codec_context is None or next(container.decode(audio=0), None) is not None
    except (UnreadableError, FFmpegError):
        return False


def side_data(frame: VideoFrame, kind: Type) -> bytes | None:
    """Give one kind of side data of a frame, None if it has none. What an encoder says of itself in user data (SEI) does not count."""
    try:
        if kind == Type.SEI_UNREGISTERED:
            listed: list[SideData] = list(frame.side_data)  # type: ignore[arg-type]  # as below
            messages = (bytes(each) for each in listed if each.type == kind)
            return next((data for data in messages if data[:16] not in ENCODERS_OWN), None)
        found: Buffer | None = frame.side_data.get(kind)  # type: ignore[call-overload]  # the stub of PyAV 18 is wrong
    except ValueError:  # PyAV 18 cannot list side data of a kind that is newer than itself
        return None
    return None if found is None else bytes(found)


def _first_frames(container: InputContainer, stream: VideoStream) -> tuple[list[VideoFrame], bool]:
    """Decode the first frames, as many as there are of `FRAMES_SEEN`; also tell whether the decoder knows this form of its codec."""
    stream.codec_context.thread_type = "SLICE"  # frame threads would decode far ahead for these few frames
    frames: list[VideoFrame] = []
    is_supported = True
    with contextlib.suppress(FFmpegError):
        for number, packet in enumerate(container.demux(stream)):
            try:
                frames += stream.decode(packet)
            except PatchWelcomeError:
                is_supported = False
            except FFmpegError:
                pass  # a later packet may start well; the reader counts what fails
            if len(frames) >= FRAMES_SEEN or number >= PROBED_PACKETS:
                break
    return frames[:FRAMES_SEEN], is_supported or bool(frames)


def _needs_dolby_vision(path: Path, stream: VideoStream, frame: VideoFrame) -> bool:
    """Tell whether a clip is Dolby Vision of profile 5: of its metadata (FFmpeg's AVDOVIMetadata), or of the record in MP4."""
    data = side_data(frame, Type.DOVI_METADATA)
    if data is not None and len(data) > 16:
        at = struct.unpack_from("=Q", data)[0] + 4  # of the profile of the metadata, which is 0 in profile 5 alone
        if len(data) > at and data[at] == 0:
            return True
    if stream.codec_context.codec_tag not in DOLBY_VISION_TAGS:
        return False
    head = bytes(read_box(path, b"moov") or b"")
    at = head.find(b"dvcC")
    return at >= 0 and head[at + 6] >> 1 == 5  # after the kind: two bytes of version, and seven bits of the profile


def _first_dts(path: Path, index: int) -> int | None:
    with open_media(path) as container:
        return next((packet.dts for packet in container.demux(container.streams[index]) if packet.size), None)


def _describe(path: Path, container: InputContainer, stream: VideoStream, frames: list[VideoFrame]) -> ClipInfo:
    frame = frames[0]
    context = stream.codec_context
    time_base = exact(stream.time_base)
    if time_base is None:
        raise UnsupportedError(f"`{path}` does not say in which unit its times are; remux it, for example to Matroska")
    pixel_format = frame.format.name
    rate = exact(stream.average_rate) or exact(stream.guessed_rate)
    if container.format.name in RAW_STREAMS:
        rate = exact(stream.guessed_rate) or rate
    by_order = container.format.name == "avi" and context.codec.canonical_name in REORDERED
    duration = _duration(container, stream, time_base)
    count = stream.frames or (round(duration * rate) if duration and rate else 0)
    matrix = side_data(frame, Type.DISPLAYMATRIX)
    colour = Colour(
        primaries=_said(frame.color_primaries, context.color_primaries, silent=2),
        transfer=_said(frame.color_trc, context.color_trc, silent=2),
        matrix=_said(frame.colorspace, context.colorspace, silent=2),
        range=_said(frame.color_range, context.color_range, silent=0),
    )
    start = _first_dts(path, stream.index) if by_order else frame.pts if frame.pts is not None else frame.dts
    return ClipInfo(
        path=path,
        container=container.format.name,
        video_index=stream.index,
        codec=context.codec.canonical_name,
        profile=context.profile or "",
        width=frame.width,
        height=frame.height,
        pixel_format=pixel_format,
        bit_depth=bit_depth(pixel_format),
        colour=colour,
        time_base=time_base,
        times_by_order=by_order,
        average_rate=rate,
        start_pts=start if start is not None else 0,
        duration=duration,
        frame_count=count or None,
        sample_aspect_ratio=exact(stream.sample_aspect_ratio),
        rotation=frame.rotation,
        display_matrix=struct.unpack("=9i", matrix) if matrix is not None and len(matrix) == 36 else None,
        interlaced=context.field_order in INTERLACED_ORDERS or sum(each.interlaced_frame for each in frames) >= min(2, len(frames)),
        top_field_first=context.field_order in TOP_FIRST if context.field_order in INTERLACED_ORDERS else None,
        timecode=timecode_of(container, stream),
        mastering=_mastering(side_data(frame, Type.MASTERING_DISPLAY_METADATA)),
        light=_light(side_data(frame, Type.CONTENT_LIGHT_LEVEL)),
        dolby_vision=side_data(frame, Type.DOVI_RPU_BUFFER) is not None or side_data(frame, Type.DOVI_METADATA) is not None,
        dolby_profile=profile_of(side_data(frame, Type.DOVI_METADATA)),
        has_layers=bool(stream.disposition & Disposition.multilayer),
        alpha_beside=stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE", "0")) == "1",
        has_free_tags=any(key.casefold().partition("-")[0] not in USUAL_TAGS for key in container.metadata),
        streams=tuple(_describe_stream(each) for each in container.streams),
    )


def _describe_stream(stream: Stream) -> StreamInfo:
    time_base = exact(stream.time_base) or Fraction(1, 1_000_000)
    context = stream.codec_context
    return StreamInfo(
        index=stream.index,
        type=stream.type,
        codec=context.codec.canonical_name if context is not None else (getattr(stream, "name", None) or ""),
        time_base=time_base,
        start=stream.start_time * time_base if stream.start_time is not None else None,
        language=stream.metadata.get("language", ""),
        title=stream.metadata.get("title", ""),
        attached_picture=stream.type == "video" and is_attached_picture(stream),
    )


def _duration(container: InputContainer, stream: VideoStream, time_base: Fraction) -> Fraction | None:
    if stream.duration:
        return stream.duration * time_base
    return Fraction(container.duration, 1_000_000) if container.duration else None


def _said(of_frame: int, of_stream: int, *, silent: int) -> int:
    return int(of_frame) if int(of_frame) != silent else int(of_stream)


def _mastering(data: bytes | None) -> MasteringDisplay | None:
    """Read FFmpeg's structure AVMasteringDisplayMetadata: ten rationals and two flags that say what of it is valid."""
    if data is None or len(data) < 88:
        return None
    numbers = struct.unpack("=22i", data[:88])
    if not (numbers[20] and numbers[21]) or not all(numbers[1:20:2]):
        return None
    values = [Fraction(numbers[i], numbers[i + 1]) for i in range(0, 20, 2)]
    red, green, blue, white = ((values[i], values[i + 1]) for i in range(0, 8, 2))
    return MasteringDisplay(red=red, green=green, blue=blue, white=white, darkest=values[8], brightest=values[9])


def _light(data: bytes | None) -> LightLevel | None:
    if data is None or len(data) < 8:
        return None
    pixel, frame = struct.unpack("=2I", data[:8])
    return LightLevel(brightest_pixel=pixel, brightest_frame=frame) if pixel or frame else None
