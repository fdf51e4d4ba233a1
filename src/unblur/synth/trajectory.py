"""Trajectories of a hand-held camera and of things that move by themselves.

A trajectory is a closed formula of time, so that poses at any instant, displacements and flow are exact: a steady drift plus
a few slow sines, for a pose of four numbers: shift to the right and down in pixels, turn in radians, and the logarithm
of the zoom. Time is counted in exposures: the shutter is open for t in [-½, ½], and at t = 0 every trajectory is at rest in the
origin, so that the sharp truth lies in the middle of the trajectory.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["STILL", "Trajectory", "affine", "random_trajectory"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """Pose as a function of time: `drift · t + Σ_f swing_f · (sin(2π·rate_f·t + phase_f) − sin(phase_f))`.

    Attributes:
        drift: (4,) pose change in one exposure.
        swing: (F, 4) amplitude of each sine.
        rate: (F,) cycles in one exposure.
        phase: (F, 4) radians.
    """

    drift: Floats
    swing: Floats
    rate: Floats
    phase: Floats

    def at(self, times: Floats) -> Floats:
        """Poses (T, 4) at `times` (T,), in exposures."""
        angle = 2 * np.pi * self.rate[:, None] * times[:, None, None] + self.phase  # (T, F, 4)
        return times[:, None] * self.drift + (self.swing * (np.sin(angle) - np.sin(self.phase))).sum(axis=1)

    def scaled(self, factors: Floats) -> "Trajectory":
        """The same trajectory with each of the four numbers of the pose multiplied by its factor."""
        return Trajectory(self.drift * factors, self.swing * factors, self.rate, self.phase)


STILL = Trajectory(np.zeros(4), np.zeros((1, 4)), np.zeros(1), np.zeros((1, 4)))
"""Nothing moves."""


def random_trajectory(
    generator: np.random.Generator,
    *,
    length: float,
    turn: float = 0.0,
    zoom: float = 0.0,
    wobble: float = 0.5,
    max_rate: float = 1.5,
    sines: int = 3,
    min_rate: float = 0.1,
    span: float = 1.0,
) -> Trajectory:
    """Draw a smooth trajectory whose shift covers `length` pixels while the shutter is open.

    Args:
        generator: source of all randomness.
        length: arc length of the shift over the exposure, pixels.
        turn: standard deviation of the turn over the exposure, radians.
        zoom: standard deviation of the logarithm of the zoom over the exposure.
        wobble: 0 for a straight, steady shift; 1 for one made of sines alone.
        max_rate: fastest sine, cycles in one exposure; slow hands and short exposures have less than 1.
        sines: number of sines.
        min_rate: slowest sine, cycles in one exposure; not above `max_rate`.
        span: exposures, with the origin in their middle, over which the speed is evened out: the mean arc of one of them
            is `length`. For sequences, whose frames are some faster and some slower than that.
    """
    direction = generator.uniform(0, 2 * np.pi)
    drift = np.array([np.cos(direction), np.sin(direction), generator.normal(), generator.normal()])
    rate = generator.uniform(min_rate, max_rate, size=sines)
    swing = generator.normal(size=(sines, 4)) / (2 * np.pi * np.maximum(rate, 0.3))[:, None]
    trajectory = Trajectory((1 - wobble) * drift, wobble * swing, rate, generator.uniform(0, 2 * np.pi, size=(sines, 4)))
    shift = trajectory.at(np.linspace(-span / 2, span / 2, round(64 * span) + 1))[:, :2]
    arc = np.linalg.norm(np.diff(shift, axis=0), axis=1).sum() / span
    scale = length / max(arc, 1e-9)
    return trajectory.scaled(np.array([scale, scale, turn, zoom]))


def affine(pose: Floats, *, centre: tuple[float, float]) -> Floats:
    """The matrices (..., 2, 3) that move points (x, y) of the scene to where they stand in each pose.

    Args:
        pose: (..., 4) shift right, shift down, turn (radians, clockwise on the screen), log zoom.
        centre: point (x, y) about which turn and zoom happen.
    """
    across, down, turn, zoom = np.moveaxis(pose, -1, 0)
    cos, sin = np.exp(zoom) * np.cos(turn), np.exp(zoom) * np.sin(turn)
    x, y = centre
    rows = ((cos, -sin, x - cos * x + sin * y + across), (sin, cos, y - sin * x - cos * y + down))
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
