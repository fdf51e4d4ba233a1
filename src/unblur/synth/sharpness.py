"""How sharp a frame is: whether it may stand as the truth that a network learns."""

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.flow import warp

__all__ = ["blurred_fraction", "detail"]

Floats = NDArray[np.float32]

_TILE = 16
_MOVING = 4.0  # pixels a frame: with the shutter open half the time, slower motion blurs less than two
_TEXTURE = 3.0  # grey levels: root mean square of the difference along the motion, below which a tile tells nothing
_BLURRED = 0.5  # fraction of that difference that a second blur leaves: a step edge keeps 0.25, one blurred over 6 pixels 0.5
_MIN_TILES = 0.25  # fraction of the textured tiles that must be blurred: some textures look blurred by themselves


def detail(picture: NDArray[np.uint8]) -> float:
    """Mean absolute Laplacian of a grey picture (H, W): falls with any blur. Only frames of one clip can be compared."""
    return float(np.abs(cv2.Laplacian(picture, cv2.CV_16S)).mean())


def blurred_fraction(picture: NDArray[np.uint8], flow: Floats) -> float:
    """Share of a picture that was blurred by its own motion already when it was taken.

    A blur along the motion takes much from what is sharp along it and little from what is blurred already. So the frame is
    blurred once more, over nine pixels along the flow, and tiles of 16×16 pixels are found in which that changed little;
    tiles that hardly move or show too little along the motion are taken for sharp. The idea, without direction, is that of
    Crete et al., "The blur effect" (2007). Decided: squared differences, since the sum of absolute ones of an edge does not
    change when the edge is blurred; and unless a quarter of the tiles that show texture are blurred, none is taken to be.

    Args:
        picture: (H, W) grey, 8 bit.
        flow: (H, W, 2) motion to the next frame, (dx, dy) in pixels.

    Returns:
        Share of all tiles, in [0, 1].
    """
    speed = np.hypot(flow[..., 0], flow[..., 1])
    along: Floats = (flow / np.maximum(speed, 1e-6)[..., None]).astype(np.float32, copy=False)
    values = cv2.GaussianBlur(picture, (3, 3), 0).astype(np.float32)

    def ahead(steps: float) -> Floats:
        return warp(values, (steps * along).astype(np.float32, copy=False))

    once = ahead(1) - ahead(-1)
    twice = (ahead(5) + ahead(4) - ahead(-4) - ahead(-5)) / 9  # the mean of `once` over nine places along the motion
    moving = speed > _MOVING
    energy, kept = (_tiles(np.where(moving, part**2, 0)) for part in (once, twice))
    textured = (_tiles(moving.astype(np.float32)) > 0.5) & (energy > _TEXTURE**2)
    blurred = textured & (kept > _BLURRED * energy)
    return float(blurred.mean()) if blurred.sum() > _MIN_TILES * textured.sum() else 0.0


def _tiles(field: NDArray[np.float32]) -> Floats:
    """Means over whole tiles."""
    height, width = (max(1, side // _TILE) for side in field.shape)
    cut = field[: height * _TILE, : width * _TILE].astype(np.float32)
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
