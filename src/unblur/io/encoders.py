"""Which encoder writes a clip, in which pixel format and with which settings."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.format import VideoFormat

from unblur.errors import InputError, OutputError, UnreadableError
from unblur.io.clip_info import ClipInfo, LightLevel, MasteringDisplay
from unblur.io.colour import Colour, bit_depth
from unblur.io.containers import can_hold, open_media
from unblur.io.dolby_vision import is_writable, record
from unblur.io.external_encoder import HOW_TO_KEEP, NAME, Executable, deep_vp9
from unblur.io.sound import acm_header

__all__ = ["CONTAINERS", "Encoding", "check_codec", "choose_encoding", "output_suffix"]

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Suffixes of files that can be written, and FFmpeg's names of their containers."""

ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx-vp9",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
"""Encoder of each codec that is written as it was read; everything else becomes H.264."""

WRITTEN = {name: codec for codec, name in ENCODERS.items() if codec != "vp8"} | {"libx264rgb": "h264"}
"""FFmpeg's name of the codec that each encoder writes."""

PRORES = {"Proxy": "proxy", "LT": "lt", "Standard": "standard", "HQ": "hq", "4444": "4444", "XQ": "4444xq", "4444 XQ": "4444xq"}
"""Flavours of ProRes, by FFmpeg's name of the profile, and what its encoder calls them."""

HOLDS = {
    "mp4": {"libx264", "libx265", "libvpx-vp9", "libsvtav1"},
    "mov": {"libx264", "libx265", "prores_ks"},
    "matroska": {"libx264", "libx265", "libvpx-vp9", "libsvtav1", "prores_ks", "ffv1"},
    "webm": {"libvpx-vp9", "libsvtav1"},
}
"""Encoders whose codec players expect in each container."""

HDR_NOTE = "HDR mastering metadata is not kept by this codec; choose hevc or av1 to keep it"
"""What is said where the codec does not hold it, unless the container does."""

CRF = {"libx264": 16, "libx265": 18, "libvpx-vp9": 18, "libsvtav1": 18}
"""Quality that cannot be told from the source by eye, on each encoder's own scale; lower is better."""

WORST_CRF = {"libx264": 51, "libx265": 51, "libvpx-vp9": 63, "libsvtav1": 63, "prores_ks": 51}

EVEN_ONLY = {"libx264", "libx265"}
"""Encoders that refuse an odd size where the chroma is halved."""

MOST_KBIT = (70_000, 130_000)
"""Kilobits per second of Dolby Vision, up to 1080p and above, which x265 must be told (the same source as `unblur.io.dolby_vision`)."""

KEY_EVERY = "120"
"""Frames from one key frame to the next, at most, and in a segment (`unblur.io.segments`)."""

WITH_ALPHA = ("libvpx-vp9", "prores_ks", "ffv1")
"""Encoders that write opacity so that it can be read again."""

MAX_RATE = 240
"""Frames per second above which encoders refuse a rate. It only steers the rate control; frame times are written as they are."""


@dataclass(frozen=True)
class Encoding:
    """How the video is encoded.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        pixel_format: of the encoded frames.
        colour: tags of the encoded stream.
        options: of the encoder.
        rate: frames per second, for the rate control.
        notes: sentences about what the encoding cannot keep.
        dolby_vision: the record of Dolby Vision for the container, if its metadata is written again; else empty.
        alpha_format: `pixel_format` with opacity, if the clip has it and it is kept; else None.
        executable: that runs the encoder (`unblur.io.external_encoder`); None for the encoder of PyAV.
    """

    encoder: str
    pixel_format: str
    colour: Colour
    options: dict[str, str]
    rate: Fraction
    notes: tuple[str, ...]
    dolby_vision: bytes = b""
    alpha_format: str | None = None
    executable: Path | None = None


def choose_encoding(info: ClipInfo, *, container: str, codec: str | None = None, quality: float | None = None) -> Encoding:
    """Choose the encoder for a clip.

    Without `codec` it is the codec of the source, unless the container cannot hold it or the encoder cannot keep the bit depth;
    then VP9 or AV1 in WebM, H.264 or H.265 elsewhere. VP9 of more bits than PyAV's encoder takes is written by an `ffmpeg` executable, if
    the clip is VP9 or `codec` says so, and there is one. The pixel format is the source's, or the nearest that keeps bit depth and
    chroma. Decided: an odd width or height in 4:2:0, which x264 and x265 refuse, is kept by not halving the chroma in that direction.

    Args:
        info: the source.
        container: FFmpeg's name of the output's container, one of `CONTAINERS`.
        codec: a codec (h264, hevc, vp9, av1, prores, ffv1).
        quality: constant quality, 1 (small) to 100 (best), spread evenly over the encoder's own scale; 100 is lossless (but for
            AV1 and ProRes). FFV1 is always lossless. None is visually lossless.

    Raises:
        InputError: if the codec or the quality is not known.
        OutputError: if the container cannot hold the codec, or FFmpeg has no encoder for it.
    """
    executable = _executable(info, codec)
    encoder = _encoder(info, container=container, codec=codec, executable=executable)
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"the file quality must be from 1 to 100 (best), got {quality:g}")
    if encoder == "libx264" and info.is_rgb:
        encoder = "libx264rgb"
    pixel_format = _pixel_format(info, encoder, executable)
    colour = _colour(info, pixel_format)
    keeps_dolby = (
        (encoder, pixel_format) == ("libx265", "yuv420p10le")
        and quality != 100
        and is_writable(info.dolby_profile, colour, has_mastering=info.mastering is not None)
    )
    options = _options(info, encoder, pixel_format=pixel_format, quality=quality, keeps_dolby=keeps_dolby)
    rate = min(max(info.average_rate or Fraction(25), Fraction(1)), Fraction(MAX_RATE))
    alpha_format = _alpha_format(info, encoder, pixel_format)
    if alpha_format and encoder == "libvpx-vp9":
        options |= {"auto-alt-ref": "0"}  # which libvpx refuses together with opacity
    notes = _notes(info, encoder, pixel_format)
    if info.dolby_vision and not keeps_dolby:
        notes.insert(0, "Dolby Vision metadata is not kept; players show the base layer")
    if info.has_alpha and not alpha_format:
        notes.insert(0, "transparency is not kept")
    written = WRITTEN.get(encoder, encoder)
    if codec is None and written != info.codec:
        notes.append(f"{info.codec} video is written as {written}{_why_another(info, container)}")
    dolby = record(colour, width=info.width, height=info.height, rate=rate) if keeps_dolby else b""
    path = executable.path if executable is not None and pixel_format not in _formats(encoder) else None
    return Encoding(encoder, pixel_format, colour, options, rate, tuple(notes), dolby, alpha_format, path)


def _alpha_format(info: ClipInfo, encoder: str, pixel_format: str) -> str | None:
    """The pixel format with opacity besides, if the clip has that, and the decoder and the encoder have it as well."""
    if not (info.has_readable_alpha and encoder in WITH_ALPHA and encoder in av.codecs_available and pixel_format.startswith("yuv4")):
        return None
    wanted = f"yuva{pixel_format.removeprefix('yuv')}"
    return wanted if wanted in [each.name for each in av.Codec(encoder, "w").video_formats or []] else None


def output_suffix(path: Path) -> str:
    """The suffix under which a restored clip is written where none is named.

    It is that of the source, if it can be written and holds the sound and subtitles of the source as they are, or else `.mkv`; but `.mov` for
    a file of the QuickTime family with sound that QuickTime alone holds. If none of them holds all, it is that of the source, or `.mkv`.
    """
    own = [path.suffix] if path.suffix.lower() in CONTAINERS else []
    try:
        with open_media(path) as source:
            beside = [stream for stream in source.streams if stream.type in ("audio", "subtitle")]
            family = [".mov"] if source.format.name.startswith("mov") else []
            for suffix in (*own, ".mkv", *family):
                if all(can_hold(stream, container=CONTAINERS[suffix.lower()]) for stream in beside):
                    return suffix
            if all(can_hold(stream, container="matroska") or acm_header(stream) for stream in beside):
                return ".mkv"
    except UnreadableError:
        pass  # said when it is restored
    return own[0] if own else ".mkv"


def check_codec(codec: object) -> None:
    """Raise an `InputError` unless this is a codec that can be written."""
    writable = sorted(set(ENCODERS) - {"vp8"})
    if codec not in writable:
        raise InputError(f"codec `{codec}` cannot be written; choose one of {', '.join(writable)}")


def _executable(info: ClipInfo, codec: str | None) -> Executable | None:
    """The `ffmpeg` executable for what is to be VP9 and has more bits than PyAV's encoder takes; None if it is not needed, or not there."""
    return deep_vp9() if (codec or info.codec) == "vp9" and info.bit_depth > _deepest(NAME) else None


def _encoder(info: ClipInfo, *, container: str, codec: str | None, executable: Executable | None) -> str:
    if codec is not None:
        check_codec(codec)
        if ENCODERS[codec] not in HOLDS[container]:
            raise OutputError(f"{container} cannot hold {codec}; write to `.mkv`, or choose another codec")
        if not _formats(ENCODERS[codec], executable):
            raise OutputError(f"this FFmpeg has no encoder for {codec} ({ENCODERS[codec]}); choose another codec")
        return ENCODERS[codec]
    preferred = ENCODERS.get(info.codec, "libx264")
    candidates = [preferred, *(("libvpx-vp9", "libsvtav1") if container == "webm" else ("libx264", "libx265"))]
    held = [name for name in candidates if name in HOLDS[container] and _formats(name, executable)]
    if not held:
        raise OutputError(f"this FFmpeg has no encoder that {container} holds ({', '.join(candidates)}); write to another container")
    return next((name for name in held if _deepest(name, executable) >= min(info.bit_depth, 10)), held[0])


def _why_another(info: ClipInfo, container: str) -> str:
    """Why a clip is not written in the codec that it came in, where the encoder for that is the reason; empty if it is not."""
    own = ENCODERS.get(info.codec, "")
    if info.codec == "vp8" or own not in HOLDS[container]:
        return ""
    how = f"; {HOW_TO_KEEP}" if own == NAME else ""
    if not _formats(own):
        return f", since this FFmpeg has no encoder {own}{how}"
    return f", since the encoder {own} of this FFmpeg has no more than {_deepest(own)} bits{how}" if _deepest(own) < info.bit_depth else ""


def _deepest(encoder: str, executable: Executable | None = None) -> int:
    return max((bit_depth(name) for name in _formats(encoder, executable)), default=0)


def _formats(encoder: str, executable: Executable | None = None) -> list[str]:
    """List the pixel formats that an encoder of this FFmpeg takes, without transparency, packing and foreign byte order; none if it is not there.

    With an executable, those of its VP9 encoder are among them.
    """
    formats = list(av.Codec(encoder, "w").video_formats or []) if encoder in av.codecs_available else []
    if executable is not None and encoder == NAME:
        formats += [known for name in executable.formats if (known := _known_format(name)) is not None]
    return list(dict.fromkeys(each.name for each in formats if _is_plain(each)))


def _known_format(name: str) -> VideoFormat | None:
    try:
        return VideoFormat(name, 16, 16)
    except ValueError:
        return None


def _is_plain(described: VideoFormat) -> bool:
    one_a_plane = described.is_planar or described.is_rgb or len(described.components) == 1
    return (
        one_a_plane
        and described.name.startswith(("yuv4", "gbrp", "gray", "rgb24", "bgr0"))
        and not described.is_big_endian
        and not described.name.endswith(("f16le", "f32le"))
        and not any(component.is_alpha for component in described.components)
    )


def _pixel_format(info: ClipInfo, encoder: str, executable: Executable | None) -> str:
    source_halving = _halving(info.pixel_format)
    source_grey = _is_grey(info.pixel_format)

    def loss(name: str) -> tuple[bool, bool, bool, int, int]:
        horizontal, vertical = _halving(name)
        refused = encoder in EVEN_ONLY and bool((horizontal and info.width % 2) or (vertical and info.height % 2))
        wrong_kind = _is_rgb(name) != info.is_rgb or (_is_grey(name) and not source_grey)
        coarser = horizontal > source_halving[0] or vertical > source_halving[1]
        depth = bit_depth(name)
        shallow = max(0, info.bit_depth - depth)
        extra = (source_halving[0] - horizontal) + (source_halving[1] - vertical) + (source_grey and not _is_grey(name))
        return refused, wrong_kind, coarser, 100 * shallow + max(0, depth - info.bit_depth), extra

    return min(_formats(encoder, executable), key=loss)


def _halving(pixel_format: str) -> tuple[int, int]:
    """Give how often the chroma is halved across and down: (1, 1) for 4:2:0."""
    described = VideoFormat(pixel_format, 1024, 1024)
    if len(described.components) < 3:
        return 1, 1  # grey has no chroma to lose
    return (1024 // described.chroma_width(1024)).bit_length() - 1, (1024 // described.chroma_height(1024)).bit_length() - 1


def _is_rgb(pixel_format: str) -> bool:
    return VideoFormat(pixel_format, 16, 16).is_rgb


def _is_grey(pixel_format: str) -> bool:
    return pixel_format.startswith("gray")


def _colour(info: ClipInfo, pixel_format: str) -> Colour:
    if _is_rgb(pixel_format):
        return info.colour
    if info.is_rgb:  # RGB that had to become luma and chroma must say by which matrix
        weights = Colour().coefficients(width=info.width, height=info.height)
        return replace(info.colour, matrix=1 if weights[0] == 0.2126 else 6, range=1)
    if info.pixel_format.startswith("yuvj") and not info.colour.range:
        return replace(info.colour, range=2)  # the format that said so is not written any more
    return info.colour


def _options(info: ClipInfo, encoder: str, *, pixel_format: str, quality: float | None, keeps_dolby: bool) -> dict[str, str]:
    worst = WORST_CRF.get(encoder, 51)
    crf = f"{CRF.get(encoder, CRF['libx264']) if quality is None else worst * (100 - quality) / 100:g}"
    lossless = quality == 100
    if encoder in ("libx264", "libx264rgb"):
        options = {"preset": "medium", "g": KEY_EVERY, **({"qp": "0"} if lossless else {"crf": crf})}
        order = {True: "tff=1", False: "bff=1", None: ""}[info.top_field_first]
        fields = order if info.interlaced and encoder == "libx264" else ""
        parameters = ":".join(each for each in (fields, _hdr_of_x264(info)) if each)
        options |= {"udu_sei": "1"} | ({"flags": "+ildct+ilme"} if fields else {})
        return options | ({"x264-params": parameters} if parameters else {})
    if encoder == "libx265":
        parts = ["log-level=error", "open-gop=0", *(["lossless=1"] if lossless else []), *_hdr_of_x265(info)]
        most = MOST_KBIT[info.width * info.height > 1920 * 1088]
        parts += [f"vbv-maxrate={most}", f"vbv-bufsize={most}", "const-vbv=1"] if keeps_dolby else []
        dolby = {"dolbyvision": f"{keeps_dolby:d}"}
        return {"preset": "fast", "g": KEY_EVERY, "crf": crf, "a53cc": "1", "x265-params": ":".join(parts)} | dolby
    if encoder == "libvpx-vp9":
        return {
            "g": KEY_EVERY,
            "crf": crf,
            "b": "0",
            "deadline": "good",
            "cpu-used": "4",
            "row-mt": "1",
            **({"lossless": "1"} if lossless else {}),
        }
    if encoder == "libsvtav1":
        parameters = ":".join(_hdr_of_svtav1(info))
        return {"preset": "8", "g": KEY_EVERY, "crf": f"{max(1, round(float(crf)))}"} | (
            {"svtav1-params": parameters} if parameters else {}
        )
    if encoder == "prores_ks":
        flavour = PRORES.get(info.profile, "") if info.codec == "prores" else ""
        if not flavour or ("444" in pixel_format) != flavour.startswith("4444"):
            flavour = "4444" if "444" in pixel_format else "hq"
        profile = {"profile": flavour, "vendor": "apl0"}
        return profile if quality is None else profile | {"flags": "+qscale", "global_quality": f"{max(1, round(float(crf))) * 118}"}
    return {"level": "3", "slicecrc": "1"}


def _notes(info: ClipInfo, encoder: str, pixel_format: str) -> list[str]:
    notes = []
    if info.has_layers:
        notes.append("further layers of the video are not kept: the picture of the other eye (MV-HEVC), or opacity")
    if (info.mastering or info.light) and encoder in ("libvpx-vp9", "prores_ks", "ffv1"):
        notes.append(HDR_NOTE)
    if info.interlaced:
        notes.append("interlaced frames were processed as progressive ones")
        if encoder != "libx264" or info.top_field_first is None:
            notes.append("that the frames are interlaced is not kept in the result")
    if bit_depth(pixel_format) < info.bit_depth:
        how = f"; {HOW_TO_KEEP}" if encoder == NAME and bit_depth(pixel_format) == 8 else ""
        notes.append(f"{info.bit_depth}-bit video is written with {bit_depth(pixel_format)} bits, the most that {encoder} takes{how}")
    ours, theirs = _halving(pixel_format), _halving(info.pixel_format)
    if ours[0] > theirs[0] or ours[1] > theirs[1]:
        notes.append(f"{encoder} keeps chroma at a lower resolution: {info.pixel_format} became {pixel_format}")
    elif (info.width % 2 or info.height % 2) and ours != theirs:
        notes.append(f"the odd size {info.width}×{info.height} is kept by writing {pixel_format}, which some players do not show")
    return notes


def _hdr_of_x264(info: ClipInfo) -> str:
    parts = []
    if info.mastering is not None:
        parts.append(f"mastering-display={_in_units(info.mastering)}")
    if info.light is not None:
        parts.append(f"cll={_levels(info.light)}")
    return ":".join(parts)


def _hdr_of_x265(info: ClipInfo) -> list[str]:
    parts = []
    if info.mastering is not None:
        parts.append(f"master-display={_in_units(info.mastering)}")
    if info.light is not None:
        parts.append(f"max-cll={_levels(info.light)}")
    return parts


def _hdr_of_svtav1(info: ClipInfo) -> list[str]:
    parts = []
    if info.mastering is not None:
        d = info.mastering
        points = [
            f"{name}({float(x):.5f},{float(y):.5f})" for name, (x, y) in (("G", d.green), ("B", d.blue), ("R", d.red), ("WP", d.white))
        ]
        parts.append(f"mastering-display={''.join(points)}L({float(d.brightest):.4f},{float(d.darkest):.4f})")
    if info.light is not None:
        parts.append(f"content-light={_levels(info.light)}")
    return parts


def _in_units(display: MasteringDisplay) -> str:
    """Write a mastering display in the units of HEVC: 1/50000 for CIE xy, 1/10000 cd/m² for luminance."""
    named = (("G", display.green), ("B", display.blue), ("R", display.red), ("WP", display.white))
    points = "".join(f"{name}({round(x * 50000)},{round(y * 50000)})" for name, (x, y) in named)
    return f"{points}L({round(display.brightest * 10000)},{round(display.darkest * 10000)})"


def _levels(light: LightLevel) -> str:
    return f"{light.brightest_pixel},{light.brightest_frame}"
