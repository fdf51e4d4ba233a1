"""What a camera does to light after it has gathered it: noise, and the losses of the file format."""

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["add_noise", "compress_jpeg"]


def add_noise(light: NDArray[np.float32], generator: np.random.Generator, *, shot: float, read: float) -> NDArray[np.float32]:
    """Add sensor noise to linear light: variance `shot · light + read²`, independent in every value.

    Args:
        light: linear light in [0, 1].
        generator: source of all randomness.
        shot: variance of the photon noise at full light; 1e-4 is a bright day, 3e-3 a dim room.
        read: standard deviation of the electronics' noise.
    """
    deviation = np.sqrt(np.maximum(light, 0) * np.float32(shot) + np.float32(read**2))
    return light + deviation * generator.standard_normal(light.shape, dtype=np.float32)


def compress_jpeg(picture: NDArray[np.uint8], *, quality: int) -> NDArray[np.uint8]:
    """Write (H, W, 3) RGB as JPEG of `quality` (1 to 100, 4:2:0) and read it again."""
    done, code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be written as JPEG")
    read = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert read is not None
    return np.asarray(read[..., ::-1], np.uint8)
