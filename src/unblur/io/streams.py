"""Copying everything of a clip that is not its video: sound, subtitles, data, covers, chapters, titles."""

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Disposition, Stream
from av.video.stream import VideoStream

from unblur.errors import OutputError
from unblur.io import ebml
from unblur.io.avi import unread_chunks
from unblur.io.clip_info import ClipInfo
from unblur.io.containers import can_hold, exact, is_attached_picture, open_media
from unblur.io.matroska import carried_chapters, chapter_notes, chapters_of, put_chapters, tag_notes
from unblur.io.moov import Header, TrackPair, put_besides
from unblur.io.mpegts import channels_of
from unblur.io.sound import PcmConverter, acm_header, acm_stream, layout_to_name, name_acm, pcm_codec, single_frames
from unblur.io.tags import TIMECODE_KEYS, kept_tags, lost_flags, lost_tags, same_timecode, timecode_of
from unblur.io.track import ROOM, described_stream, languages_of, said_besides

if TYPE_CHECKING:
    from _hashlib import HASH

__all__ = ["CopiedStream", "StreamCopier", "is_counted", "payload", "shown_at"]

IMAGE_TYPES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}

MOV_FAMILY = "mov"
"""First of the names that FFmpeg gives the demuxer of QuickTime and MP4."""

MATROSKA = ("matroska", "webm")

QUICKTIME = ("mp4", "mov")
"""Containers of that family that are written."""

SEEK_BACK = 2_000_000
"""Microseconds before the start of a preview from which on the other streams are read."""


@dataclass
class CopiedStream:
    """What was copied of one stream, to compare with what is found in the output.

    Attributes:
        label: how the stream is called in messages.
        kind: its type, with cover pictures apart.
        codec: FFmpeg's name of the codec.
        time_base: seconds in a tick of the source.
        packets: how many were copied.
        first: time of the first, in seconds of the output.
        last: time of the last, in seconds of the output.
        digest: SHA-256 of their bytes, one after the other.
    """

    label: str
    kind: str
    codec: str
    time_base: Fraction
    packets: int = 0
    first: Fraction | None = None
    last: Fraction | None = None
    digest: "HASH" = field(default_factory=hashlib.sha256)

    def add(self, packet: "Packet[Stream]", time: Fraction | None) -> None:
        """Count a packet."""
        if not is_counted(packet, self.codec):
            return
        self.packets += 1
        self.digest.update(payload(packet, self.codec))
        if time is not None:
            self.first = time if self.first is None else self.first
            self.last = time


class StreamCopier:
    """Copies the other streams of a clip into an output, packet for packet and in step with its video.

    It reads the source through its own handle, so that the frames may be read elsewhere, and holds one packet at a time.

    Args:
        info: the source.
        output: where to; streams are added when `add_streams` is called, before anything is written.
        container: FFmpeg's name of the output's container.
        suffix: of the output, for messages.

    Attributes:
        copied: what was copied, to be compared with what the output holds.
        dropped: streams that the container cannot hold, in words.
        notes: sentences about what is not as in the source.
    """

    def __init__(self, info: ClipInfo, output: OutputContainer, *, container: str, suffix: str) -> None:
        self.copied: list[CopiedStream] = []
        self.dropped: list[str] = []
        self.notes: list[str] = []
        self.has_acm = False
        self._suffix = suffix
        self._info = info
        self._output = output
        self._container = container
        self._closing = contextlib.ExitStack()
        self._source: InputContainer = self._closing.enter_context(open_media(info.path))
        self._header = Header(info.path) if info.container.startswith(MOV_FAMILY) else None
        self._pairs: list[TrackPair] = []
        self._has_shape = container in MATROSKA and info.sample_aspect_ratio not in (None, 1)
        self._languages = self._languages_of_source()
        self._index_of: dict[int, int] = {}
        self._targets: dict[int, tuple[Stream, CopiedStream]] = {}
        self._converters: dict[int, PcmConverter] = {}
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._waiting: Packet[Stream] | None = None
        self._chapters = b""
        self._shift = Fraction(0)
        self._begin: Fraction | None = None
        self._end: Fraction | None = None

    def add_streams(self) -> None:
        """Add the streams that the output's container can hold; the others are named in `dropped`.

        Sound that it does not hold as it is becomes PCM, which is in `notes`.

        Raises:
            OutputError: if sound can be held in no way.
        """
        names = {stream.index: str(stream) for stream in self._info.streams}
        for stream in self._source.streams:
            label = names.get(stream.index, f"stream {stream.index}")
            if stream.index == self._info.video_index or self._is_written_anew(stream):
                continue
            if _has_no_times(stream):
                self.dropped.append(label)
                self.notes.append(f"{label} is not kept: all of it is at one time, and FFmpeg reads none of it")
            elif stream.type == "video" and is_attached_picture(stream) and self._container != "mp4":
                self._attach_picture(stream, label)
            elif can_hold(stream, container=self._container):
                self._add(stream, label)
            elif self._is_carried_by_header(stream):
                self._add_foreign(stream, label)
            elif stream.type == "audio":
                self._add_sound(stream, label)
            else:
                self._drop(stream, label)

    def start(self, *, shift: Fraction, begin: Fraction | None, end: Fraction | None) -> None:
        """Say which part is copied, before the first packet.

        Args:
            shift: seconds that are taken off every time.
            begin: packets before this time of the source are left out, None for none.
            end: packets from this time of the source on are left out, None for none.
        """
        self._shift, self._begin, self._end = shift, begin, end
        wanted = [self._source.streams[index] for index in self._targets]
        if not wanted:
            return
        self._source.streams[self._info.video_index].discard = Discard.all  # not even read, where the container allows
        if begin:
            with contextlib.suppress(FFmpegError):  # what cannot be sought is read from its start
                self._source.seek(max(0, int(begin * 1_000_000) - SEEK_BACK))
        self._packets = self._source.demux(wanted)

    def copy_until(self, time: Fraction | None) -> None:
        """Copy the packets that belong before a time of the source; None copies all that are left."""
        while (packet := self._next()) is not None:
            stamp = _time(packet)
            if time is not None and stamp is not None and stamp > time:
                return
            self._waiting = None
            self._copy(packet)
        if time is None:
            for index, converter in self._converters.items():
                self._convert(converter, None, self._targets[index][1])
                if converter.failures:
                    self.notes.append(f"{converter.failures} damaged part(s) of {self._targets[index][1].label} could not be decoded")
            self._converters = {}
            if self._container in QUICKTIME and self._begin is None and self._end is None:
                empty = [copied.label for _, copied in self._targets.values() if not copied.packets]
                self.notes += [f"{label} has nothing in it, and MP4 and QuickTime keep no such track" for label in empty]

    def complete(self, path: Path, *, timecode: str, dolby_vision: bytes) -> None:
        """Put right in the finished file what its muxer cannot write, and note what it has left out.

        Args:
            path: of the file.
            timecode: that was to be written; empty for none.
            dolby_vision: the record of what the encoder has written; empty for none.
        """
        if self._info.container.startswith("matroska"):
            self.notes += tag_notes(self._info.path)
        if self._chapters:
            put_chapters(path, self._chapters)
        if self._container in MATROSKA and (self.has_acm or self._has_shape or self._languages):
            ebml.change_tracks(path, self._changed_track)
        if self._container in QUICKTIME:
            languages = self._languages if self._header is None else {}
            there = {number + 1: languages[index] for number, index in self._index_of.items() if index in languages}
            dolby_vision = dolby_vision if self._container == "mov" else b""
            if there or dolby_vision:
                put_besides(path, languages=there, dolby_vision=dolby_vision)
        if self._header is not None:
            self._carry_header(self._header, path)
        if self._info.container == "mpegts" and (channels := channels_of(self._info.path)):
            self.notes.append(f"the names of its channels ({_named(channels)}) are not kept")
        if self._info.container == "avi" and (chunks := unread_chunks(self._info.path)):
            self.notes.append(f"data in the file's header ({_named(chunks)}) cannot be kept in `{self._suffix}`")
        with open_media(path) as written:
            self._note_losses(written, timecode)

    def _carry_header(self, header: Header, path: Path) -> None:
        if self._container in QUICKTIME:
            video = self._source.streams[self._info.video_index]
            header.carry_to(path, [TrackPair(video.id, 1, is_video=True), *self._pairs])
            self.notes += header.notes
        elif extras := header.extras():
            named = ", ".join(f"`{kind}`" for kind in extras)
            self.notes.append(f"data in the file's header ({named}) cannot be kept in `{self._suffix}`; write to `.mov` to keep it")

    def _note_losses(self, written: InputContainer, timecode: str) -> None:
        """Say which tags, flags and timecode the muxer has left out; tags of QuickTime that go there as they are do not count."""
        ends = f"cannot be kept in `{self._suffix}`"
        streams = {index: written.streams[number] for number, index in self._index_of.items() if number < len(written.streams)}
        if self._header is None or self._container not in QUICKTIME:
            if lost := lost_tags(self._source.metadata, written.metadata):
                self.notes.append(f"the tag(s) {_named(lost)} {ends}")
            for index, stream in streams.items():
                if lost := lost_tags(self._source.streams[index].metadata, stream.metadata, of_stream=True):
                    self.notes.append(f"the tag(s) {_named(lost)} of {self._info.streams[index]} {ends}")
        for index, stream in streams.items():
            if lost := lost_flags(self._source.streams[index], stream):
                self.notes.append(f"the flag(s) {_named(lost)} of {self._info.streams[index]} {ends}")
        if timecode and not same_timecode(timecode, timecode_of(written, written.streams[0])):
            self.notes.append(f"the timecode {timecode} {ends}, which takes none of this form or at this rate")

    def _languages_of_source(self) -> dict[int, str]:
        """Languages by BCP 47, by the index of the stream."""
        if self._header is not None:
            by_track = self._header.languages()
            return {stream.index: by_track[stream.id] for stream in self._source.streams if stream.id in by_track}
        return languages_of(self._info.path) if self._info.container.startswith("matroska") else {}

    def _changed_track(self, index: int, track: bytes) -> bytes:
        source = self._index_of.get(index)
        aspect = self._info.sample_aspect_ratio if self._has_shape and index == 0 else None
        if source is not None and (aspect is not None or source in self._languages):
            title = self._source.streams[source].metadata.get("title", "")
            track = said_besides(track, title=title, aspect=aspect, language=self._languages.get(source, ""))
        return name_acm(track)

    def _tags_with_room(self, index: int) -> dict[str, str]:
        """Tags of a stream, with room in its title for what `complete` writes into the finished file."""
        tags = kept_tags(self._source.streams[index].metadata)
        if self._container in MATROSKA and (index in self._languages or (index == self._info.video_index and self._has_shape)):
            tags["title"] = tags.get("title", "") + " " * ROOM
        return tags

    def close(self) -> None:
        """Close the source."""
        self._closing.close()

    def described_video(self, encoder: str, *, dolby_vision: bytes, always: bool) -> Stream | None:
        """Give a stream of an encoder's codec with what the source's container says of its video.

        It is None if the container says nothing besides the coding, but for `always`.
        """
        video = self._source.streams[self._info.video_index]
        assert isinstance(video, VideoStream)
        return described_stream(video, encoder=encoder, dolby_vision=dolby_vision, always=always, closing=self._closing)

    def metadata(self) -> dict[str, str]:
        """Give the tags of the file."""
        return kept_tags(self._source.metadata)

    def video_metadata(self) -> dict[str, str]:
        """Give the tags of the video stream, which is the first of the output."""
        self._index_of[0] = self._info.video_index
        return self._tags_with_room(self._info.video_index)

    def reel_name(self) -> dict[str, str]:
        """Give the name of the reel that the timecode counts, as a tag; empty if there is none."""
        tags = (stream.metadata for stream in self._source.streams)
        return next(({"reel_name": each["reel_name"]} for each in tags if "reel_name" in each), {})

    def timecode(self) -> str:
        """Give the timecode that is to be written; empty if there is none, or if it comes with a track that is copied (`rtmd` of Sony's cameras)."""
        video = self._source.streams[self._info.video_index]
        data = [each for each in self._source.streams if each.type == "data" and _has_timecode(each.metadata)]
        is_copied = any(self._is_carried_by_header(each) and not self._is_written_anew(each) for each in data)
        is_said = _has_timecode(video.metadata) or _has_timecode(self._source.metadata)
        return "" if is_copied and not is_said else self._info.timecode

    def video_disposition(self) -> int:
        """Give the flags of the video stream."""
        return int(self._source.streams[self._info.video_index].disposition) & ~int(Disposition.multilayer)

    def copy_chapters(self, *, shift: Fraction, begin: Fraction | None, end: Fraction | None) -> None:
        """Copy the chapters that lie in a part of the clip; call it before anything is written."""
        chapters = []
        for chapter in self._source.chapters():
            unit = exact(chapter["time_base"])
            if unit is None:
                continue
            start, stop = chapter["start"] * unit, chapter["end"] * unit
            if (end is not None and start >= end) or (begin is not None and stop <= begin):
                continue
            start = max(start, begin) if begin is not None else start
            stop = min(stop, end) if end is not None else stop
            chapters.append({**chapter, "start": round((start - shift) / unit), "end": round((stop - shift) / unit), "time_base": unit})
        found = chapters_of(self._info.path) if self._info.container.startswith("matroska") else None
        if found and self._container == "matroska" and not shift and begin is None and end is None:
            self._chapters, notes = carried_chapters(found)
            self.notes += notes
            chapters = _with_room(chapters, len(self._chapters) + ROOM)
        elif found:
            self.notes += chapter_notes(found)
        self._output.set_chapters(chapters)  # type: ignore[arg-type]

    def _next(self) -> "Packet[Stream] | None":
        if self._waiting is None:
            try:
                self._waiting = next((packet for packet in self._packets if packet.size and self._is_wanted(packet)), None)
            except FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                # The source is cut off, which the reader tells: what was there has been copied.
                self._packets = iter(())
        return self._waiting

    def _is_wanted(self, packet: "Packet[Stream]") -> bool:
        if is_attached_picture(packet.stream):
            return True
        time = shown_at(packet)
        if time is None:
            return self._begin is None and self._end is None
        return (self._begin is None or time >= self._begin) and (self._end is None or time < self._end)

    def _copy(self, packet: "Packet[Stream]") -> None:
        target, copied = self._targets[packet.stream.index]
        unit = exact(packet.time_base)
        if self._shift and unit is not None and not is_attached_picture(packet.stream):
            ticks = round(self._shift / unit)
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
        if packet.stream.index in self._converters:
            self._convert(self._converters[packet.stream.index], packet, copied)
            return
        for single in single_frames(packet, copied.codec) if self._container == "mov" else (packet,):
            copied.add(single, shown_at(single))
            single.stream = target
            if copied.kind == "data" and not single.duration:
                single.duration = 1  # the last sample would not be shown at all
            self._output.mux_one(single)

    def _convert(self, converter: PcmConverter, packet: "Packet[Stream] | None", copied: CopiedStream) -> None:
        for converted in converter.convert(packet):
            copied.add(converted, shown_at(converted))
            self._output.mux_one(converted)

    def _add(self, stream: Stream, label: str) -> None:
        layout = ""
        if isinstance(stream, AudioStream) and stream.codec_context.name.startswith("pcm_"):
            layout = self._channels_to_name(stream, label)
        target = self._output.add_stream_from_template(stream, opaque=True)
        if layout:
            cast("AudioStream", target).codec_context.layout = layout
        copied = self._keep(stream, target, label)
        if isinstance(stream, AttachmentStream):
            copied.digest.update(stream.data)  # written with the header, not as packets
            del self._targets[stream.index]
        else:
            self._pairs.append(TrackPair(stream.id, target.index + 1))

    def _channels_to_name(self, stream: AudioStream, label: str) -> str:
        """Give the layout of what becomes PCM whose channels the output has to name and the source does not; empty for that of the source."""
        layout = layout_to_name(stream) if self._container == "mp4" else ""
        if layout is None:
            raise OutputError(f"{label} cannot be kept in `{self._suffix}`, which has to name its channels; {self._way_out(stream)}")
        if layout and stream.codec_context.layout.nb_channels > 2:
            self.notes.append(f"the channels of {label}, which the source does not name, are named as {layout}")
        return layout

    def _is_carried_by_header(self, stream: Stream) -> bool:
        """Tell whether a stream that FFmpeg does not write can go from one QuickTime or MP4 file into another as it is."""
        return self._container in QUICKTIME and self._is_foreign(stream)

    def _is_foreign(self, stream: Stream) -> bool:
        unnamed = stream.type == "data" or (stream.type in ("audio", "subtitle") and stream.codec_context is None)
        return unnamed and self._header is not None and self._header.describes(stream.id)

    def _add_foreign(self, stream: Stream, label: str) -> None:
        """Add a track of data, to be described afterwards as in the source."""
        if self._container == "mp4":
            target: Stream = self._output.add_data_stream("bin_data")
        else:
            target = self._output.add_stream_from_template(_data_template(self._closing))
            target.metadata.clear()
        target.time_base = stream.time_base
        self._keep(stream, target, label)
        self._pairs.append(TrackPair(stream.id, target.index + 1, is_foreign=True))

    def _add_sound(self, stream: Stream, label: str) -> None:
        """Add sound that the muxer does not take: in the words of Windows, or as PCM."""
        if self._container == "matroska" and isinstance(stream, AudioStream) and acm_header(stream):
            target = self._output.add_stream_from_template(acm_stream(stream, self._closing), opaque=True)
            self.has_acm = True
            self._keep(stream, target, label)
            return
        codec = pcm_codec(self._info.path, stream.index)
        if not codec or not isinstance(stream, AudioStream) or not _takes(codec, container=self._container):
            raise OutputError(
                f"{label} cannot be kept in `{self._suffix}`, and a clip is not written without its sound; {self._way_out(stream)}"
            )
        layout = self._channels_to_name(stream, label)
        converter = PcmConverter(stream, self._output, codec)
        if layout:
            converter.target.codec_context.layout = layout
        self._converters[stream.index] = converter
        self._keep(stream, converter.target, label, codec=codec)
        self.notes.append(f"{label} became PCM, without loss, since `{self._suffix}` does not hold {_codec(stream)}")

    def _way_out(self, stream: Stream) -> str:
        """What to do about a stream that the container does not hold."""
        if elsewhere := self._elsewhere(stream):
            return f"write to `{elsewhere}` to keep it"
        name = self._info.path.name
        return f"restore a copy without it (`ffmpeg -i {name} -map 0 -map -0:{stream.index} -c copy COPY`)"

    def _elsewhere(self, stream: Stream) -> str:
        """The suffix of a container that holds a stream; empty if there is none."""
        if can_hold(stream, container="matroska"):
            return ".mkv"
        if stream.type == "audio" and (acm_header(stream) or pcm_codec(self._info.path, stream.index)):
            return ".mkv"
        return ".mov" if can_hold(stream, container="mov") or self._is_foreign(stream) else ""

    def _drop(self, stream: Stream, label: str) -> None:
        self.dropped.append(label)
        elsewhere = self._elsewhere(stream)
        advice = f"; write to `{elsewhere}` to keep it" if elsewhere and elsewhere != self._suffix.lower() else ""
        self.notes.append(f"{label} cannot be kept in `{self._suffix}`{advice}")

    def _keep(self, stream: Stream, target: Stream, label: str, *, codec: str | None = None) -> CopiedStream:
        """Note that packets go to a stream that was added; `codec` is the result's, if it is another one."""
        copied = CopiedStream(label, _kind(stream), codec or _codec(stream), exact(stream.time_base) or Fraction(1, 1_000_000))
        target.metadata.update(self._tags_with_room(stream.index))
        target.disposition = stream.disposition
        self._index_of[target.index] = stream.index
        self._targets[stream.index] = (target, copied)
        self.copied.append(copied)
        return copied

    def _attach_picture(self, stream: Stream, label: str) -> None:
        """Add a cover where it is no stream: Matroska keeps it as an attached file, QuickTime in the header, which is carried as it is."""
        name, mime = IMAGE_TYPES.get(_codec(stream), ("", ""))
        name, mime = stream.metadata.get("filename", name), stream.metadata.get("mimetype", mime)
        with open_media(self._info.path) as container:
            packet = next((p for p in container.demux(container.streams[stream.index]) if p.size), None)
            is_kept = name and packet is not None and (self._container == "matroska" or (self._container == "mov" and self._header))
            if not is_kept or packet is None:
                self._drop(stream, label)
                return
            if self._container == "matroska":
                self._output.add_attachment(name, mime, bytes(packet))
            copied = CopiedStream(label, _kind(stream), _codec(stream), Fraction(1, 1000))
            copied.add(packet, None)
            self.copied.append(copied)

    def _is_written_anew(self, stream: Stream) -> bool:
        """Tell whether the muxer makes this stream itself: the timecode and the chapter titles of QuickTime."""
        if self._header is None:
            return False
        if stream.type == "data" and _has_timecode(stream.metadata) and self._header.is_timecode(stream.id):
            return True
        titles = [chapter["metadata"].get("title", "") for chapter in self._source.chapters()]
        if not titles or not (stream.type == "data" or _codec(stream) == "mov_text") or stream.frames not in (0, len(titles)):
            return False
        if stream.discard == Discard.all:
            return True
        with open_media(self._info.path) as container:
            texts = [_mov_text(bytes(packet)) for packet in container.demux(container.streams[stream.index]) if packet.size]
        return texts == titles


def payload(packet: "Packet[Stream]", codec: str) -> bytes:
    """Give the bytes of a packet that every container keeps: those of AAC without the ADTS header that only streams carry."""
    data = bytes(packet)
    if codec == "aac" and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return data[7 if data[1] & 1 else 9 :]
    return data


def is_counted(packet: "Packet[Stream]", codec: str) -> bool:
    """Tell whether a packet holds something: MP4 fills the time between two subtitles with empty ones."""
    return packet.size > 0 and not (codec == "mov_text" and bytes(packet)[:2] == b"\0\0")


def shown_at(packet: "Packet[Stream]") -> Fraction | None:
    """Give the time at which a packet is shown or heard, in seconds."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    unit = exact(packet.time_base)
    return None if stamp is None or unit is None else stamp * unit


def _time(packet: "Packet[Stream]") -> Fraction | None:
    stamp = packet.dts if packet.dts is not None else packet.pts
    unit = exact(packet.time_base)
    return None if stamp is None or unit is None else stamp * unit


def _kind(stream: Stream) -> str:
    return "cover" if stream.type == "video" and is_attached_picture(stream) else stream.type


def _with_room(chapters: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """Make the title of the last chapter longer by blanks, for what is written in place of them."""
    nothing: dict[str, Any] = {"id": 1, "start": 0, "end": 1, "time_base": Fraction(1, 1000), "metadata": {}}
    last = chapters[-1] if chapters else nothing
    named = last | {"metadata": last["metadata"] | {"title": last["metadata"].get("title", "") + " " * room}}
    return [*chapters[:-1], named]


def _has_no_times(stream: Stream) -> bool:
    """Whether all of several samples of data are at the same time, as in the track `fdsc` of GoPro cameras: such samples FFmpeg passes over."""
    entries = stream.index_entries
    return stream.type == "data" and len(entries) > 1 and entries[0].timestamp == entries[len(entries) - 1].timestamp


def _data_template(closing: contextlib.ExitStack) -> Stream:
    """Give a stream of data with a tag, without which QuickTime's muxer takes none; only a reader of files sets one."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as out:
        packet: Packet[Stream] = Packet(b"data")
        packet.stream, packet.pts, packet.dts, packet.time_base = out.add_data_stream("klv"), 0, 0, Fraction(1, 90000)
        out.mux_one(packet)
    file.seek(0)
    return closing.enter_context(av.open(file, format="mpegts")).streams[0]


def _has_timecode(tags: Mapping[str, str]) -> bool:
    return any(key in tags for key in TIMECODE_KEYS)


def _takes(codec: str, *, container: str) -> bool:
    """Tell whether a container takes sound of a codec."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream(codec, rate=48000)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _codec(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""


def _mov_text(data: bytes) -> str:
    """Read a text sample of QuickTime: two bytes of length, then the text."""
    return data[2 : 2 + int.from_bytes(data[:2], "big")].decode("utf-8", "replace")
