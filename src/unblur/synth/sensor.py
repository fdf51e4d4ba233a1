"""What a sensor with a Bayer mosaic and the camera's processing do to light: noise that is coloured, correlated and clipped.

The order is that of a camera: colours of the sensor and white balance backwards, mosaic, shot and read noise, clipping at full
well, demosaicing, white balance, colour matrix. Brooks et al. ("Unprocessing images for learned raw denoising", CVPR 2019)
describe the inverse; gains and matrices are drawn here and not measured. Grey stays grey, and without noise a flat picture
comes back as it was.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Sensor", "capture", "draw_sensor"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_BLACK, _WHITE = 4096, 61440  # codes of 16 bit for no light and full well; noise may fall below black
_PAD = 8  # pixels, even: the mosaic goes on over the border
_LAYOUTS = ("RGGB", "GRBG", "GBRG", "BGGR")


@dataclass(frozen=True, eq=False)
class Sensor:
    """A sensor and its processing.

    Attributes:
        to_sensor: (3, 3) linear sRGB to the sensor's colours: no negative entries, rows of sum 1.
        gains: (3,) white balance, 1 or more; red and blue filters pass less light.
        layout: colours of the mosaic's first two rows.
        edge_aware: demosaic along edges instead of bilinearly.
        shot: variance of the photon noise at full well.
        read: standard deviation of the electronics' noise.
    """

    to_sensor: Doubles
    gains: Doubles
    layout: str
    edge_aware: bool
    shot: float
    read: float


def draw_sensor(generator: np.random.Generator, *, shot: tuple[float, float]) -> Sensor:
    """Draw a sensor.

    Args:
        generator: source of all randomness.
        shot: smallest and largest photon noise (variance at full well, log-uniform).
    """
    mixed = generator.dirichlet(np.ones(3), size=3)
    share = generator.uniform(0.05, 0.35)
    strength = float(np.exp(generator.uniform(*np.log(shot))))
    return Sensor(
        to_sensor=(1 - share) * np.eye(3) + share * mixed,
        gains=np.array([generator.uniform(1.2, 2.4), 1.0, generator.uniform(1.2, 2.2)]),
        layout=_LAYOUTS[int(generator.integers(4))],
        edge_aware=bool(generator.random() < 0.7),
        shot=strength,
        read=float(np.sqrt(strength) * generator.uniform(0.02, 0.15)),
    )


def capture(light: Floats, generator: np.random.Generator, *, sensor: Sensor) -> Floats:
    """Take a picture: linear light (H, W, 3) as the camera's processing estimates it, noisy, at most 1.

    Args:
        light: (H, W, 3) linear sRGB, 0 or more; above 1 the sensor is full.
        generator: source of the noise.
        sensor: what takes it.
    """
    to_raw = (sensor.to_sensor / sensor.gains[:, None]).astype(np.float32)
    raw = _mosaic(np.maximum(light, 0) @ to_raw.T, layout=sensor.layout)
    if sensor.shot or sensor.read:
        deviation = np.sqrt(raw * np.float32(sensor.shot) + np.float32(sensor.read**2))
        raw = raw + deviation * generator.standard_normal(raw.shape, dtype=np.float32)
    codes = np.clip(raw * (_WHITE - _BLACK) + _BLACK + 0.5, 0, _WHITE).astype(np.uint16)
    codes = cv2.copyMakeBorder(codes, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_REFLECT_101).astype(np.uint16, copy=False)
    name = f"COLOR_Bayer{sensor.layout}2RGB" + ("_EA" if sensor.edge_aware else "")
    colours = cv2.demosaicing(codes, getattr(cv2, name))[_PAD:-_PAD, _PAD:-_PAD].astype(np.float32)
    balanced = np.minimum((colours - _BLACK) * (sensor.gains / (_WHITE - _BLACK)).astype(np.float32), 1)  # full is white, not magenta
    return balanced @ np.linalg.inv(sensor.to_sensor).astype(np.float32).T


def _mosaic(colours: Floats, *, layout: str) -> Floats:
    """Keep one colour in each pixel, (H, W)."""
    raw = np.empty(colours.shape[:2], np.float32)
    for place, colour in enumerate(layout):
        row, column = divmod(place, 2)
        raw[row::2, column::2] = colours[row::2, column::2, "RGB".index(colour)]
    return raw
