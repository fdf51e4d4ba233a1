"""Dolby Vision: which profile a clip is of, and the record by which a container says so.

Of profile 8, whose base layer is HDR10 or HLG, FFmpeg's encoder of H.265 writes the metadata of each frame again, as it is. In profile 5 the colours
of the base layer are wrong without it, and profiles 4 and 7 have a second layer, which is not decoded.
Source: FFmpeg's AVDOVIMetadata; Dolby Vision Streams Within the ISO Base Media File Format, 3.2 and 5.
"""

import struct
from fractions import Fraction

from unblur.io.colour import Colour

__all__ = ["KEPT_PROFILE", "is_writable", "profile_of", "record"]

KEPT_PROFILE = 8

COMPATIBLE = {16: 1, 18: 4}
"""What the base layer of profile 8 is, by its transfer function: HDR10 (8.1) and HLG (8.4)."""

PROFILE, FULL_RANGE, VDR_DEPTH, EL_RESAMPLED, NO_RESIDUAL = 4, 10, 13, 15, 16
"""Places in FFmpeg's AVDOVIRpuDataHeader."""

LEVELS = tuple(
    width * height * rate
    for width, height, rate in (
        *((1280, 720, 24), (1280, 720, 30), (1920, 1080, 24), (1920, 1080, 30), (1920, 1080, 60)),
        *((3840, 2160, 24), (3840, 2160, 30), (3840, 2160, 48), (3840, 2160, 60), (3840, 2160, 120), (7680, 4320, 30), (7680, 4320, 60)),
    )
)
"""Pixels per second of levels 1, 2, ..., the most of each."""


def profile_of(metadata: bytes | None) -> int:
    """The profile by the metadata of a frame (FFmpeg's AVDOVIMetadata); 0 if there is none, or another one."""
    if metadata is None or len(metadata) < 24:
        return 0
    at: int = struct.unpack_from("=Q", metadata)[0]
    header = metadata[at : at + 24]
    if len(header) < 24 or header[PROFILE] > 1:
        return 0
    if header[PROFILE] == 0:
        return 5 if header[FULL_RANGE] else 0
    if header[EL_RESAMPLED] and not header[NO_RESIDUAL]:
        return 7 if header[VDR_DEPTH] == 12 else 4
    return KEPT_PROFILE


def is_writable(profile: int, colour: Colour, *, has_mastering: bool) -> bool:
    """Whether x265 writes the metadata: of profile 8, and in HDR10 only beside that of the mastering display."""
    return profile == KEPT_PROFILE and colour.transfer in COMPATIBLE and (has_mastering or COMPATIBLE[colour.transfer] != 1)


def record(colour: Colour, *, width: int, height: int, rate: Fraction) -> bytes:
    """The record (`dvvC`) of a clip of profile 8: 24 bytes.

    Args:
        colour: of the base layer.
        width: of the frames.
        height: of the frames.
        rate: frames per second.
    """
    speed = width * height * rate
    level = next((number for number, most in enumerate(LEVELS, 1) if speed <= most), len(LEVELS) + 1)
    present = KEPT_PROFILE << 9 | level << 3 | 0b101  # metadata and base layer, and no second layer
    return struct.pack(">BBHB19x", 1, 0, present, COMPATIBLE[colour.transfer] << 4)
