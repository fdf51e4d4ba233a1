"""Animations (GIF, animated WebP, APNG) written frame by frame, each whole, with its own duration.

Each frame is coded by the writer of single pictures, and its coded pixels are put into the structure of the animation. So every format keeps the
number of frames and their times, and no more than a frame is in memory but for WebP, whose length stands in front.

Source: GIF89a; WebP container specification; PNG, third edition, 11.3.6.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from unblur.errors import OutputError
from unblur.io.animation import Animation, animation_of
from unblur.io.gif import gif_blocks, gif_extensions
from unblur.io.holds import held
from unblur.io.picture import Coding, Image, Metadata
from unblur.io.png import SIGNATURE as PNG_SIGNATURE
from unblur.io.png import chunks_of, packed_chunk, write_png
from unblur.io.webp import webp_chunks, write_webp
from unblur.io.whole import written_whole

__all__ = ["SUFFIXES", "animation_suffix", "write_animation"]

Pixels = NDArray[np.uint8]

SUFFIXES = {".gif": "GIF", ".webp": "WebP", ".png": "PNG", ".apng": "PNG"}
"""Of animations that are written."""

STEPS = {"GIF": 100, "WebP": 1000}
"""Parts of a second that durations are written in; those of APNG are fractions of up to 16 bit."""

MOST = {"GIF": 0xFFFF, "WebP": 0xFFFFFF}
MOST_PLAYS = 0xFFFF
TO_BACKGROUND = 2
"""Disposal of a frame of GIF: the next one begins on nothing. Where a frame has holes, the one before would be seen in them."""

COLOURS = 255
"""Of a frame of GIF, besides the transparent one."""

NEXT_REPLACES = 1 | 2
"""Flags of a frame of WebP: cleared behind it, and not mixed with what is there."""

HAS_ICC, HAS_ALPHA, HAS_EXIF, HAS_XMP, IS_ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02


def write_animation(
    target: Path, about: Animation, frames: Iterator[Pixels], *, quality: int | None = None, overwrite: bool = False
) -> tuple[str, ...]:
    """Write frames as they come.

    Args:
        target: where to; the suffix is one of `SUFFIXES`.
        about: the animation that they are of.
        frames: `about.pictures` of (H, W, 4), RGB and opacity.
        quality: of WebP, 1 to 100; None for lossless if the source was, else 95. Others lose nothing by it.
        overwrite: replace `target` if it exists.

    Returns:
        Sentences for the user on what the format does not hold.

    Raises:
        OutputError: if the format is none of `SUFFIXES`, `target` exists and `overwrite` is false, or it cannot be written.
    """
    kind = SUFFIXES.get(target.suffix.lower())
    if kind is None:
        raise OutputError(f"cannot write the animation to `{target}`: the name must end in one of {', '.join(SUFFIXES)}")
    metadata, notes = held(about.metadata, kind)
    if about.format not in SUFFIXES.values():
        notes.insert(0, f"animations of {about.format} cannot be written; the result is a `{target.suffix.lower()}` file")
    if about.has_still and kind != "PNG":
        notes.append(f"{kind} has no still picture beside the frames, which was not kept")
        next(frames)
    if kind in STEPS and any(duration * STEPS[kind] % 1 or duration * STEPS[kind] > MOST[kind] for duration in about.durations):
        notes.append(f"durations of its frames were rounded to {1000 // STEPS[kind]} ms, at most {MOST[kind] / STEPS[kind]:g} s")
    if kind == "GIF":
        notes.append(f"GIF holds {COLOURS} colours a frame, to which the restored ones were reduced where they are more")
    about = replace(about, metadata=metadata)
    with written_whole(target, overwrite=overwrite, inputs=(about.path,)) as partial, partial.open("wb") as file:
        if kind == "GIF":
            _write_gif(file, about, frames)
        elif kind == "WebP":
            _write_webp(file, about, frames, quality=quality)
        else:
            notes += _write_png(file, about, frames)
    return tuple(notes)


def animation_suffix(path: Path) -> str:
    """The suffix under which a restored animation is written: that of the source, or one of its format.

    AVIF becomes WebP, or where it is not in the colours of sRGB PNG, which says so.
    """
    about = animation_of(path)
    kind = about.format if about.format in SUFFIXES.values() else "PNG" if about.metadata.cicp else "WebP"
    return path.suffix if SUFFIXES.get(path.suffix.lower()) == kind else next(suffix for suffix, each in SUFFIXES.items() if each == kind)


def _write_gif(file: BinaryIO, about: Animation, frames: Iterator[Pixels]) -> None:
    file.write(b"GIF89a" + struct.pack("<HHBBB", about.width, about.height, 0x70, 0, 0))
    if about.plays != 1:
        repeats = 0 if about.plays == 0 else min(about.plays - 1, MOST_PLAYS)
        file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0")
    file.write(gif_extensions(about.metadata))
    for duration, frame in zip(about.durations, frames, strict=True):
        holes = frame[..., 3] < 128
        indices = _reduced(frame)
        indices.paste(COLOURS, mask=PillowImage.fromarray(holes))
        coded = io.BytesIO()
        indices.save(coded, format="GIF", optimize=False, interlace=0)
        table, data = gif_blocks(coded.getvalue())
        file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", TO_BACKGROUND << 2 | bool(holes.any()), _ticks(duration, "GIF"), COLOURS, 0))
        file.write(b"\x2c" + struct.pack("<HHHHB", 0, 0, about.width, about.height, 0x87) + table.ljust(768, b"\0") + data)
    file.write(b"\x3b")


def _reduced(frame: Pixels) -> PillowImage.Image:
    """A frame of at most `COLOURS` colours: its own, or chosen by median cut, with dithering (Floyd and Steinberg)."""
    colours = np.ascontiguousarray(frame[..., :3])
    packed = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    own, places = np.unique(packed, return_inverse=True)
    if len(own) <= COLOURS:
        picture = PillowImage.fromarray(places.reshape(packed.shape).astype(np.uint8), "P")
        picture.putpalette(np.stack([own >> 16, own >> 8 & 255, own & 255], axis=-1).astype(np.uint8).tobytes())
        return picture
    full = PillowImage.fromarray(colours)
    chosen = full.quantize(COLOURS, PillowImage.Quantize.MEDIANCUT)
    return full.quantize(COLOURS, palette=chosen, dither=PillowImage.Dither.FLOYDSTEINBERG)


def _write_webp(file: BinaryIO, about: Animation, frames: Iterator[Pixels], *, quality: int | None) -> None:
    metadata = about.metadata
    coded = io.BytesIO()
    has_alpha = False
    for duration, frame in zip(about.durations, frames, strict=True):
        single = io.BytesIO()
        image = _picture(frame, coding=Coding("WebP", lossless=about.lossless))
        has_alpha |= image.alpha is not None
        write_webp(single, image, quality=quality)
        parts = b"".join(
            _riff(name, data) for name, data in webp_chunks(single, about.path, whole=True) if name in (b"ALPH", b"VP8 ", b"VP8L")
        )
        sizes = (0, 0, about.width - 1, about.height - 1, _ticks(duration, "WebP"))
        head = b"".join(value.to_bytes(3, "little") for value in sizes) + bytes((NEXT_REPLACES,))
        coded.write(_riff(b"ANMF", head + parts))
    flags = IS_ANIMATION | (HAS_ALPHA * has_alpha) | (HAS_ICC * bool(metadata.icc))
    flags |= (HAS_EXIF * bool(metadata.exif)) | (HAS_XMP * bool(metadata.xmp))
    size = b"".join((side - 1).to_bytes(3, "little") for side in (about.width, about.height))
    front = _riff(b"VP8X", bytes((flags, 0, 0, 0)) + size) + (_riff(b"ICCP", metadata.icc) if metadata.icc else b"")
    front += _riff(b"ANIM", bytes(4) + struct.pack("<H", min(about.plays, MOST_PLAYS)))
    behind = b"".join(_riff(name, data) for name, data in ((b"EXIF", metadata.exif), (b"XMP ", metadata.xmp)) if data)
    file.write(b"RIFF" + struct.pack("<I", 4 + len(front) + coded.tell() + len(behind)) + b"WEBP" + front)
    file.write(coded.getbuffer())
    file.write(behind)


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _write_png(file: BinaryIO, about: Animation, frames: Iterator[Pixels]) -> list[str]:
    """Write an APNG, with opacity in all of its frames, since they are of one kind."""
    notes: list[str] = []
    number = 0
    file.write(PNG_SIGNATURE)
    for place, frame in enumerate(frames):
        coded = io.BytesIO()
        said = write_png(coded, _picture(frame, keep_alpha=True, metadata=about.metadata if place == 0 else Metadata()))
        notes += said if place == 0 else []
        index = place - about.has_still
        begun = False
        for name, data in chunks_of(coded):
            if name == b"IDAT" and not begun:
                begun = True
                if place == 0:
                    file.write(packed_chunk(b"acTL", struct.pack(">II", len(about.durations), about.plays)))
                if index >= 0:
                    delay = about.durations[index].limit_denominator(0xFFFF)
                    times = (min(delay.numerator, 0xFFFF), delay.denominator)
                    control = struct.pack(">IIIIIHHBB", number, about.width, about.height, 0, 0, *times, 0, 0)
                    file.write(packed_chunk(b"fcTL", control))
                    number += 1
            if name == b"IDAT" and place:
                file.write(packed_chunk(b"fdAT", struct.pack(">I", number) + data))
                number += 1
            elif place == 0 and name != b"IEND":
                file.write(packed_chunk(name, data))
    file.write(packed_chunk(b"IEND", b""))
    return notes


def _picture(frame: Pixels, *, keep_alpha: bool = False, coding: Coding | None = None, metadata: Metadata | None = None) -> Image:
    has_alpha = keep_alpha or bool((frame[..., 3] < 255).any())
    return Image(np.ascontiguousarray(frame[..., :3]), frame[..., 3] if has_alpha else None, metadata or Metadata(), coding or Coding())


def _ticks(duration: Fraction, kind: str) -> int:
    return min(round(duration * STEPS[kind]), MOST[kind])
