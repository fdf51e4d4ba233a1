"""Makes small clips to read: their frames carry their number as a grey level, so that lost or swapped frames show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from unblur.io.scheduling import scheduling_kept
from unblur.io.video import Interlaced, VideoReader, VideoWriter

WIDTH, HEIGHT = 64, 48
MILLISECOND = Fraction(1, 1000)


def copy(
    source: Path,
    target: Path,
    *,
    start: float = 0,
    duration: float | None = None,
    interlaced: Interlaced = "refuse",
    **options,
) -> VideoWriter:
    reader = VideoReader(source, start=start, duration=duration, interlaced=interlaced)
    with reader as clip, VideoWriter(target, clip, **options) as out:
        for frame in clip:
            out.write(frame.pixels, frame)
    return out


@dataclass
class Sound:
    """A track of sound: a tone that starts `start` samples after time 0."""

    language: str = "eng"
    title: str = ""
    codec: str = "aac"
    seconds: float = 0.6
    start: int = 0
    rate: int = 48000
    layout: str = "mono"


@dataclass
class Clip:
    """A clip to be made; the defaults are an ordinary one."""

    pts: Sequence[int] = tuple(range(0, 600, 40))
    time_base: Fraction = MILLISECOND
    encoder: str = "libx264"
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (WIDTH, HEIGHT)
    options: dict[str, str] = field(default_factory=lambda: {"crf": "10", "preset": "ultrafast", "x264-params": "log-level=error"})
    container: dict[str, str] = field(default_factory=dict)
    colour: tuple[int, int, int, int] = (2, 2, 2, 0)  # primaries, transfer, matrix, range
    rotation: int = 0
    aspect: Fraction | None = None
    last_duration: int = 0
    sounds: Sequence[Sound] = ()
    subtitles: str = ""  # a codec: mov_text, subrip
    data: bool = False
    cover: bool = False
    attachment: bool = False
    chapters: bool = False
    timecode: str = ""
    title: str = ""  # of the video stream
    tags: dict[str, str] = field(default_factory=dict)
    picture: np.ndarray | None = None  # instead of numbered frames

    def make(self, path: Path) -> Path:
        with scheduling_kept(), av.open(str(path), "w", container_options=self.container) as out:
            video = self._video(out)
            sounds = [self._sound_stream(out, sound) for sound in self.sounds]
            subtitles = self._subtitle_stream(out)
            cover = out.add_stream("mjpeg", rate=1) if self.cover and path.suffix != ".mkv" else None
            if cover is not None:
                cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
                cover.disposition = av.stream.Disposition.attached_pic
            elif self.cover:
                out.add_attachment("cover.jpg", "image/jpeg", jpeg())
            data = out.add_data_stream("klv") if self.data else None
            if self.attachment:
                out.add_attachment("font.ttf", "application/x-truetype-font", b"not really a font")
            if self.chapters:
                out.set_chapters(chapters())
            out.metadata.update(self.tags)
            if cover is not None:
                packet = av.Packet(jpeg())
                packet.stream, packet.pts, packet.dts, packet.time_base, packet.is_keyframe = cover, 0, 0, MILLISECOND, True
                out.mux(packet)
            for sound, stream in zip(self.sounds, sounds, strict=True):
                out.mux(sound_packets(sound, stream))
            if subtitles is not None:
                for start, text in ((100, "one"), (300, "two")):
                    out.mux(subtitle_packet(subtitles, text, start=start))
            if data is not None:
                for i in range(4):
                    packet = av.Packet(b"position %d" % i)
                    packet.stream, packet.pts, packet.dts, packet.time_base = data, 100 * i, 100 * i, MILLISECOND
                    out.mux(packet)
            out.mux(self._video_packets(video))
        return path

    def _video(self, out):
        rate = Fraction(25)
        stream = out.add_stream(self.encoder, rate=rate, options=dict(self.options))
        context = stream.codec_context
        stream.time_base = context.time_base = self.time_base
        context.width, context.height = self.size
        context.pix_fmt = self.pixel_format
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = self.colour
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.rotation:
            stream.set_display_rotation(self.rotation)
        if self.title:
            stream.metadata["title"] = self.title
        if self.timecode:
            stream.metadata["timecode"] = self.timecode
        return stream

    def _video_packets(self, stream):
        packets = []
        for number, pts in enumerate(self.pts):
            frame = self._frame(number)
            frame.pts, frame.time_base = pts, self.time_base
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            if len(self.pts) <= 2:
                packet.dts = packet.pts  # x265 leaves these to chance
            if self.last_duration and packet.pts == self.pts[-1]:
                packet.duration = self.last_duration
        return packets

    def _frame(self, number: int):
        if self.picture is not None:
            return self.picture
        width, height = self.size
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), level(number), np.uint8), "rgb24")
        return frame.reformat(format=self.pixel_format, dst_colorspace=5, dst_color_range=1)

    def _sound_stream(self, out, sound: Sound):
        stream = out.add_stream(sound.codec, rate=sound.rate)
        stream.layout = "stereo" if sound.codec == "pcm_bluray" else sound.layout
        if sound.codec == "wmav2":
            stream.bit_rate = 64000
        stream.metadata["language"] = sound.language
        if sound.title:
            stream.metadata["title"] = sound.title
        return stream

    def _subtitle_stream(self, out):
        if not self.subtitles:
            return None
        stream = out.add_stream(self.subtitles)
        stream.codec_context.subtitle_header = b"[Script Info]\n"
        stream.time_base = MILLISECOND
        stream.metadata["language"] = "deu"
        return stream


def level(number: int) -> int:
    """Grey level of frame `number`."""
    return 30 + 8 * (number % 24)


def number_of(pixels: np.ndarray) -> int:
    """Number of a frame, from its grey level."""
    grey = pixels.mean() / (257 if pixels.dtype == np.uint16 else 1)
    return round((grey - 30) / 8)


def sound_packets(sound: Sound, stream) -> list:
    size = 960 if "opus" in sound.codec else 1024
    kind = {"aac": "fltp", "libopus": "flt"}.get(sound.codec, "s16")  # the encoder converts it to its own
    channels = av.AudioLayout(sound.layout).nb_channels
    packets = []
    for i in range(int(sound.seconds * sound.rate / size)):
        tone = 0.3 * np.sin((np.arange(size) + i * size) / (9 + len(sound.language + sound.title)))[None]
        samples = (tone * 32767).astype(np.int16) if kind == "s16" else tone.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, channels, axis=1) if kind == "s16" else samples, format=kind, layout=sound.layout
        )
        frame.sample_rate = sound.rate
        frame.pts = sound.start + i * size
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def subtitle_packet(stream, text: str, *, start: int):
    data = text.encode()
    if stream.codec_context.name == "mov_text":
        data = len(data).to_bytes(2, "big") + data
    packet = av.Packet(data)
    packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = stream, start, start, 150, MILLISECOND
    return packet


def chapters() -> list[dict]:
    unit = MILLISECOND
    return [
        {"id": 1, "start": 0, "end": 200, "time_base": unit, "metadata": {"title": "before"}},
        {"id": 2, "start": 200, "end": 600, "time_base": unit, "metadata": {"title": "after"}},
    ]


def jpeg() -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 16, 16, "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 90, np.uint8), "rgb24").reformat(format="yuvj420p")
    return bytes(context.encode(frame)[0])
