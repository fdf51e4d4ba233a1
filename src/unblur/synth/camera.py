"""What a camera does to light after it has gathered it: clipping, noise, sharpening, and the losses of the file format.

Each fault has a switch of its own in `CameraRanges`: a share of 0 turns it off, and then it draws no random number, so that
the other faults stay as they were. The order is that of a camera: `raise_highlights` before the exposure, since a sensor
clips what it has gathered and not what it sees; noise in the light; the response curve; sharpening; compression.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.synth.response import Response

__all__ = [
    "CameraRanges",
    "add_noise",
    "compress_h264",
    "compress_jpeg",
    "develop",
    "draw_factor",
    "lit",
    "raise_highlights",
    "sharpen",
]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class CameraRanges:
    """How often each fault of a camera strikes, and the ranges from which its strength is drawn.

    Attributes:
        highlight_probability: share of pictures whose brightest areas are far brighter than the file could say.
        highlight_gain: how many times brighter white is then, lowest and highest (log-uniform).
        curve_probability: share of pictures with a curve of `draw_curve` instead of a plain one.
        noise_probability: share of pictures with sensor noise.
        shot: smallest and largest photon noise (variance at full light, log-uniform).
        sharpen_probability: share of pictures sharpened in the camera.
        sharpen_amount: lowest and highest weight of the detail that sharpening adds.
        sharpen_sigma: smallest and largest radius of sharpening, pixels.
        jpeg_probability: share of pictures that went through JPEG.
        jpeg_quality: lowest and highest JPEG quality.
        h264_probability: share of pictures or sequences that went through H.264.
        h264_crf: lowest and highest constant rate factor: 18 is near lossless to the eye, 32 a small web video.
    """

    highlight_probability: float = 0.0
    highlight_gain: tuple[float, float] = (1.5, 8.0)
    curve_probability: float = 0.0
    noise_probability: float = 0.8
    shot: tuple[float, float] = (3e-5, 1.5e-3)
    sharpen_probability: float = 0.0
    sharpen_amount: tuple[float, float] = (0.2, 1.2)
    sharpen_sigma: tuple[float, float] = (0.7, 1.6)
    jpeg_probability: float = 0.4
    jpeg_quality: tuple[int, int] = (75, 98)
    h264_probability: float = 0.0
    h264_crf: tuple[int, int] = (18, 32)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("_probability") and not 0 <= value <= 1:
                raise InputError(f"`{name}` is a share and must lie in [0, 1], got {value}")
        for each in fields(self):
            bounds = getattr(self, each.name)
            if each.type in (tuple[float, float], tuple[int, int]) and not 0 <= bounds[0] <= bounds[1]:
                raise InputError(f"`{each.name}` must be two bounds, 0 or above, the smaller first, got {bounds}")


def develop(lights: Sequence[Floats], generator: np.random.Generator, *, response: Response, camera: CameraRanges) -> list[Bytes]:
    """Turn light that a sensor gathered into 8-bit files, with faults drawn once for all of them: they are one clip.

    Args:
        lights: (H, W, 3) linear light each; a sensor is full at 1, so that what is far above is white without noise.
        generator: source of all randomness.
        response: the camera's curve.
        camera: faults and ranges.
    """
    if generator.random() < camera.noise_probability:
        shot = float(np.exp(generator.uniform(*np.log(camera.shot))))
        lights = [add_noise(light, generator, shot=shot, read=np.sqrt(shot) / 20) for light in lights]
    pictures = [response.encode_8bit(light) for light in lights]
    if camera.sharpen_probability and generator.random() < camera.sharpen_probability:
        amount, sigma = generator.uniform(*camera.sharpen_amount), generator.uniform(*camera.sharpen_sigma)
        pictures = [sharpen(picture, amount=amount, sigma=sigma) for picture in pictures]
    if generator.random() < camera.jpeg_probability:
        quality = int(generator.integers(*camera.jpeg_quality, endpoint=True))
        pictures = [compress_jpeg(picture, quality=quality) for picture in pictures]
    if camera.h264_probability and generator.random() < camera.h264_probability:
        pictures = compress_h264(pictures, crf=int(generator.integers(*camera.h264_crf, endpoint=True)))
    return pictures


def draw_factor(generator: np.random.Generator, *, share: float, bounds: tuple[float, float]) -> float:
    """Draw what light is multiplied by: 1, which changes nothing, in all but a share of the pictures, and there between bounds (log-uniform)."""
    if share and generator.random() < share:
        return float(np.exp(generator.uniform(*np.log(bounds))))
    return 1.0


def raise_highlights(light: Floats, *, gain: float, knee: float = 0.7) -> Floats:
    """Give bright areas the light above 1 that they had before the file clipped it, so that they blur into streaks.

    Decided: a pixel's luminance m (BT.709) tells how near to full it was; all its channels are multiplied by
    1 + (gain − 1) · s, s rising smoothly from 0 at m = `knee` to 1 at m = 1. Where nothing is above the knee nothing
    changes. The brightest channel would raise saturated colours too, and turn what is orange into a yellow lamp.

    Args:
        light: (H, W, 3) linear light in [0, 1], or with opacity last, which is left alone.
        gain: what white is multiplied by, 1 or more.
        knee: light below which nothing is changed, in (0, 1).

    Returns:
        Linear light in [0, gain].
    """
    if gain <= 1:
        return light
    luminance = (light[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    rise = np.clip((luminance - np.float32(knee)) / np.float32(1 - knee), 0, 1)
    factor = 1 + np.float32(gain - 1) * rise * rise * (3 - 2 * rise)
    return np.concatenate([light[..., :3] * factor, light[..., 3:]], axis=2).astype(np.float32, copy=False)


def lit(light: Floats, *, gain: float, share: float) -> Floats:
    """The light that reaches the sensor: with highlights raised by `gain`, and a share of all that; opacity, if there is any, is left alone."""
    light = raise_highlights(light, gain=gain)
    return light if share == 1 else np.concatenate([light[..., :3] * np.float32(share), light[..., 3:]], axis=2)


def add_noise(light: Floats, generator: np.random.Generator, *, shot: float, read: float) -> Floats:
    """Add sensor noise to linear light: variance `shot · light + read²`, independent in every value.

    Args:
        light: linear light in [0, 1].
        generator: source of all randomness.
        shot: variance of the photon noise at full light; 1e-4 is a bright day, 3e-3 a dim room.
        read: standard deviation of the electronics' noise.
    """
    deviation = np.sqrt(np.maximum(light, 0) * np.float32(shot) + np.float32(read**2))
    return light + deviation * generator.standard_normal(light.shape, dtype=np.float32)


def sharpen(picture: Bytes, *, amount: float, sigma: float) -> Bytes:
    """Sharpen a picture as cameras do: `picture + amount · (picture − Gaussian of picture)`, halos and all.

    Args:
        picture: (H, W, 3) file values.
        amount: 0 changes nothing; cameras use about 0.2 to 1.
        sigma: of the Gaussian, pixels.
    """
    values = picture.astype(np.float32)
    detail = values - cv2.GaussianBlur(values, (0, 0), sigma)
    return np.clip(np.round(values + np.float32(amount) * detail), 0, 255).astype(np.uint8)


def compress_jpeg(picture: Bytes, *, quality: int) -> Bytes:
    """Write (H, W, 3) RGB as JPEG of `quality` (1 to 100, 4:2:0) and read it again."""
    done, code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be written as JPEG")
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[..., ::-1], np.uint8)


def compress_h264(pictures: Sequence[Bytes], *, crf: int) -> list[Bytes]:
    """Write frames as H.264 (4:2:0, BT.709, x264 `veryfast`) and read them again.

    Odd sizes are filled up to even ones by repeating the last row or column, and cut again. One frame is a key frame; more
    are a clip, with frames predicted from others.

    Args:
        pictures: (H, W, 3) RGB of one size, in their order.
        crf: constant rate factor, 0 (lossless but for colour) to 51.

    Raises:
        InputError: if the frames differ in size.
    """
    import av

    from unblur.io.colour import Colour, PixelConverter
    from unblur.io.x264 import reproducible

    if len({picture.shape for picture in pictures}) != 1:
        raise InputError(f"the frames of a clip must have one size, got {sorted({picture.shape for picture in pictures})}")
    height, width = pictures[0].shape[:2]
    filled = [np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") for picture in pictures]
    tall, wide = filled[0].shape[:2]
    converter = PixelConverter("yuv420p", colour=Colour(primaries=1, transfer=1, matrix=1, range=1), width=wide, height=tall)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = wide, tall, "yuv420p"
    encoder.time_base = Fraction(1, 30)
    encoder.thread_count = 1  # the same bytes on every machine
    encoder.options = {"crf": str(crf), "preset": "veryfast", "x264-params": reproducible("log-level=error")}
    decoder = av.CodecContext.create("h264", "r")
    packets = []
    for number, picture in enumerate(filled):
        frame = converter.to_frame(picture)
        frame.pts, frame.time_base = number, Fraction(1, 30)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [np.ascontiguousarray(converter.to_rgb(frame)[:height, :width], np.uint8) for frame in decoded]
