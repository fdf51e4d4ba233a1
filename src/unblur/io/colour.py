"""Between the numbers of a video and RGB, by the video's own matrix and range.

The matrix is applied here, in one rounding, and swscale only resamples the chroma: measured on FFmpeg 8, swscale's own way
from RGB to full-range chroma is half a code too low, and its 10-bit luma 1.7 codes too high, which adds up to a visible tint
over a long chain of edits.
"""

from dataclasses import dataclass, replace

import av
import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from unblur.errors import UnsupportedError

__all__ = ["Colour", "PixelConverter", "Pixels", "alpha_of", "bit_depth", "with_alpha"]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""RGB (H, W, 3): uint8 for 8-bit video, uint16 over its whole range 0..65535 for deeper video."""

LIMITED, FULL = 1, 2
RGB_MATRIX, UNSPECIFIED_MATRIX = 0, 2

LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601 (625 lines)
    6: (0.299, 0.114),  # BT.601 (525 lines)
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
}
"""Weight of red and of blue in luma, by the code of ITU-T H.273; that of green is what is left to one."""

RESAMPLING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


@dataclass(frozen=True)
class Colour:
    """Colour tags of a clip, by the codes of ITU-T H.273; 2 stands for "not said" (0 for the range)."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    range: int = 0

    def coefficients(self, *, width: int, height: int) -> tuple[float, float]:
        """Give the weights of red and blue in luma.

        Decided: where the matrix is not said, it is that of BT.601 up to the size of PAL, and that of BT.709 above it, as
        players do.

        Raises:
            UnsupportedError: for matrices that are not a weighted sum (constant luminance, ICtCp, YCgCo).
        """
        if self.matrix in (RGB_MATRIX, UNSPECIFIED_MATRIX, 3):
            return LUMA_WEIGHTS[6] if height <= 576 and width <= 1024 else LUMA_WEIGHTS[1]
        if self.matrix not in LUMA_WEIGHTS:
            raise UnsupportedError(
                f"colour matrix number {self.matrix} of ITU-T H.273 is not supported; convert the clip to BT.709 or BT.2020 first"
            )
        return LUMA_WEIGHTS[self.matrix]

    def is_full_range(self, pixel_format: str) -> bool:
        """Tell whether black is 0 and not 16 (of 255). What is not said is limited, but for the `yuvj` formats."""
        return self.range == FULL or (self.range != LIMITED and pixel_format.startswith("yuvj"))


def bit_depth(pixel_format: str) -> int:
    """Give the bits of a sample, 8 for palettes.

    Example:
        >>> bit_depth("yuv420p10le")
        10
    """
    described = VideoFormat(pixel_format, 16, 16)
    return 8 if described.has_palette else max(8, *(component.bits for component in described.components))


class PixelConverter:
    """Turns decoded frames into RGB and RGB into frames of one pixel format, for one clip and one thread.

    Decided: halved chroma is taken to lie in the middle of its pixels, whatever the clip says. PyAV 18 cannot say where the
    chroma of a new frame lies, codecs differ in what they say by default, and where both ways do not agree the colours move by
    half a pixel with every copy. With one rule for both ways nothing moves; only the network sees chroma that little aside.

    Colours that the limited range can hold and RGB cannot (blacker than black, whiter than white, outside the gamut) are
    clipped.

    Args:
        pixel_format: FFmpeg's name of the format of the video frames.
        colour: tags of the clip.
        width: of the frames.
        height: of the frames.

    Raises:
        UnsupportedError: if the colour matrix is not a weighted sum.
    """

    def __init__(self, pixel_format: str, *, colour: Colour, width: int, height: int) -> None:
        described = VideoFormat(pixel_format, 16, 16)
        self.depth = bit_depth(pixel_format)
        self.dtype: type[np.uint8 | np.uint16] = np.uint8 if self.depth == 8 else np.uint16
        self._format = pixel_format
        self._size = (width, height)
        self._reformatter = VideoReformatter()
        self._scratches: dict[str, VideoFrame] = {}
        self._is_rgb = described.is_rgb or described.has_palette
        self._packed = "rgb24" if self.depth == 8 else "rgb48le"
        self._range = FULL if colour.is_full_range(pixel_format) else LIMITED
        self._planar = "yuv444p" if self.depth == 8 else f"yuv444p{self.depth}le"
        self._colour = replace(colour, range=self._range) if not self._is_rgb else colour
        if not self._is_rgb:
            weights = colour.coefficients(width=width, height=height)
            self._to_yuv = _matrix_to_yuv(*weights, depth=self.depth, full=self._range == FULL)
            inverse = np.linalg.inv(self._to_yuv[:, :3])
            self._to_rgb = np.concatenate([inverse, -inverse @ self._to_yuv[:, 3:]], axis=1)

    def to_rgb(self, frame: VideoFrame) -> Pixels:
        """Give the pixels of a decoded frame."""
        if self._is_rgb:
            return self._reformatter.reformat(frame, format=self._packed, interpolation=RESAMPLING).to_ndarray()  # type: ignore[return-value]
        if self._format != self._planar:
            frame = _copied(frame, self._scratch(self._format))  # leaves the position of the chroma behind
        planar = self._resampled(frame, self._planar)
        return cv2.transform(cv2.merge(_planes(planar, self.dtype)), self._to_rgb)  # type: ignore[return-value]

    def to_frame(self, pixels: Pixels, *, carried: VideoFrame | None = None) -> VideoFrame:
        """Make a frame for the encoder, with the side data of `carried`.

        Shape:
            pixels (H, W, 3) -> frame of that size
        """
        if self._is_rgb:
            packed = self._scratch(self._packed)
            np.copyto(_interleaved(packed, self.dtype), pixels)
            frame = self._reformatter.reformat(packed, format=self._format, interpolation=RESAMPLING)
        else:
            samples = cv2.transform(pixels, self._to_yuv)
            if self.depth not in (8, 16):  # full-range chroma reaches one above the largest code
                np.minimum(samples, (1 << self.depth) - 1, out=samples)
            planar = self._scratch(self._planar)
            for plane, channel in zip(_planes(planar, self.dtype), cv2.split(samples), strict=True):
                np.copyto(plane, channel)
            frame = self._resampled(planar, self._format)
        return self._tagged(frame, carried)

    def samples_of(self, frame: VideoFrame) -> bytes:
        """The samples of a frame that `to_frame` has made, plane by plane, to be read by `from_samples`."""
        plain = _copied(frame, av.VideoFrame(*self._size, self._format))
        return b"".join(map(bytes, plain.planes))

    def from_samples(self, samples: bytes, *, carried: VideoFrame | None = None) -> VideoFrame | None:
        """Make a frame of what `samples_of` gave, with the side data of `carried`; None if there are more or fewer bytes than it has."""
        frame = av.VideoFrame(*self._size, self._format)
        if sum(plane.buffer_size for plane in frame.planes) != len(samples):
            return None
        at = 0
        for plane in frame.planes:
            plane.update(samples[at : at + plane.buffer_size])
            at += plane.buffer_size
        return self._tagged(frame, carried)

    def _tagged(self, frame: VideoFrame, carried: VideoFrame | None) -> VideoFrame:
        if carried is not None:
            width, height = self._size
            frame = _copied(frame, VideoReformatter().reformat(carried, width=width, height=height, format=self._format))
        frame.color_range = self._colour.range
        frame.colorspace = self._colour.matrix
        frame.color_primaries = self._colour.primaries
        frame.color_trc = self._colour.transfer
        return frame

    def _scratch(self, pixel_format: str) -> VideoFrame:
        """Give a frame to fill. It is the same each time, unless it is what the encoder is given and may keep."""
        if pixel_format in (self._planar, self._packed) and pixel_format == self._format:
            return av.VideoFrame(*self._size, pixel_format)
        if pixel_format not in self._scratches:
            self._scratches[pixel_format] = av.VideoFrame(*self._size, pixel_format)
        return self._scratches[pixel_format]

    def _resampled(self, frame: VideoFrame, pixel_format: str) -> VideoFrame:
        # The same matrix and range on both sides, whatever the frame says: swscale must not touch the colours.
        return self._reformatter.reformat(
            frame,
            format=pixel_format,
            src_colorspace=1,
            dst_colorspace=1,
            src_color_range=self._range,
            dst_color_range=self._range,
            interpolation=RESAMPLING,
        )


def alpha_of(frame: VideoFrame) -> Pixels | None:
    """The opacity of a decoded frame, (H, W) over the full range of 8 or 16 bit; None if it has no plane of that."""
    if len(frame.planes) != 4:
        return None
    depth = bit_depth(frame.format.name)
    codes = _plane(frame.planes[3], np.uint8 if depth == 8 else np.uint16)
    if depth in (8, 16):
        return codes.copy()
    return (codes.astype(np.uint32) * 65535 // ((1 << depth) - 1)).astype(np.uint16)


def with_alpha(frame: VideoFrame, alpha: Pixels | None, pixel_format: str) -> VideoFrame:
    """A frame for the encoder with opacity besides; opaque if that is None.

    Args:
        frame: without it.
        alpha: (H, W) over the full range of 8 or 16 bit.
        pixel_format: that of `frame` with a fourth plane.
    """
    made = av.VideoFrame(frame.width, frame.height, pixel_format)
    for ours, theirs in zip(made.planes, frame.planes, strict=False):
        ours.update(bytes(theirs))
    depth = bit_depth(pixel_format)
    plane = _plane(made.planes[3], np.uint8 if depth == 8 else np.uint16)
    most = (1 << depth) - 1
    if alpha is None:
        plane[...] = most
    else:
        peak = 255 if alpha.dtype == np.uint8 else 65535
        plane[...] = (alpha.astype(np.uint32) * most + peak // 2) // peak
    made.color_range, made.colorspace = frame.color_range, frame.colorspace
    made.color_primaries, made.color_trc = frame.color_primaries, frame.color_trc
    return made


def _matrix_to_yuv(red: float, blue: float, *, depth: int, full: bool) -> NDArray[np.float64]:
    """Give the affine map from RGB of 0..255 (0..65535 if deeper) to the codes of luma and the two chromas.

    Source: ITU-T H.273, equations for MatrixCoefficients and VideoFullRangeFlag.

    Shape:
        -> (3, 4)
    """
    peak, unit, codes = (255 if depth == 8 else 65535), 1 << (depth - 8), (1 << depth) - 1
    luma = np.array([red, 1 - red - blue, blue])
    blueness = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - blue))
    redness = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - red))
    luma_scale, black, chroma_scale = (codes, 0, codes) if full else (219 * unit, 16 * unit, 224 * unit)
    linear = np.stack([luma * luma_scale, blueness * chroma_scale, redness * chroma_scale]) / peak
    return np.concatenate([linear, [[black], [128 * unit], [128 * unit]]], axis=1)


def _copied(source: VideoFrame, target: VideoFrame) -> VideoFrame:
    """Copy the samples alone into a frame of the same format and size."""
    for ours, theirs in zip(target.planes, source.planes, strict=True):
        to, of = (
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
            for plane in (ours, theirs)
        )
        used = min(to.shape[1], of.shape[1])
        np.copyto(to[: ours.height, :used], of[: ours.height, :used])
    return target


def _planes(frame: VideoFrame, dtype: type[np.uint8 | np.uint16]) -> list[Pixels]:
    """Look at the three planes of a frame without copying them."""
    return [_plane(plane, dtype) for plane in frame.planes]


def _plane(plane: VideoPlane, dtype: type[np.uint8 | np.uint16]) -> Pixels:
    values: Pixels = np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width]  # type: ignore[call-overload]
    return values


def _interleaved(frame: VideoFrame, dtype: type[np.uint8 | np.uint16]) -> Pixels:
    """Look at the pixels of a packed RGB frame without copying them."""
    rows: Pixels = np.frombuffer(frame.planes[0], dtype).reshape(frame.height, -1)  # type: ignore[call-overload]
    return rows[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)
