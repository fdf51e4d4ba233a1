"""Frames between two frames, by dense flow in both directions, so that an averaged exposure shows no ghosts.

A blend of two frames shows a moving thing twice; so does a warp along a wrong flow. Here flow is estimated both ways and
checked against itself, each pixel of the frame between takes what both sides agree on, and where they disagree it takes one
side alone. `Span.disagreement` and `Span.is_cut` say when a span of time should not be used at all.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_MATCHED", "LEAST_QUICK", "Span", "fetch", "grey", "match", "quick_flow"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

LEAST_MATCHED = 32
"""Smallest side of a picture that `match` takes, pixels."""

LEAST_QUICK = 12
"""Smallest side of a picture in which `quick_flow` sees motion, pixels."""

_SLACK = 1.0  # pixels by which flow there and back may miss its start, and
_SLACK_SHARE = 0.1  # the share of its length that it may miss besides
_STILL = 0.5  # pixels: slower motion than this is blended without warping
_CLOSE = 20.0  # grey levels (of 255) by which the same point may differ in two frames
_CUT_CHANGE = 10.0  # mean change in grey levels that the best warp leaves at a cut, at least
_CUT_DISAGREEMENT = 0.5


@dataclass(frozen=True, eq=False)
class Span:
    """Two consecutive frames and the flow between them.

    Attributes:
        first: (H, W, 3) file values, 8 or 16 bit.
        second: the frame after it.
        forward: (H, W, 2) flow (dx, dy) in pixels from `first` to `second`.
        backward: (H, W, 2) flow from `second` to `first`.
    """

    first: NDArray[Any]
    second: NDArray[Any]
    forward: Floats
    backward: Floats

    @cached_property
    def agrees(self) -> tuple[Mask, Mask]:
        """Where the flow of `first`, and that of `second`, leads to a point whose own flow leads back."""
        return _returns(self.forward, self.backward), _returns(self.backward, self.forward)

    @cached_property
    def speed(self) -> float:
        """Length of nearly the fastest flow (99.5th percentile, single wild pixels aside), pixels."""
        return float(np.percentile(np.hypot(self.forward[..., 0], self.forward[..., 1])[::4, ::4], 99.5))

    @cached_property
    def disagreement(self) -> float:
        """Share of the pixels whose flow does not lead back, or leads to another grey; occlusions count, so it is hardly ever 0."""
        bad = [~agrees | (residue > _CLOSE) for agrees, residue in zip(self.agrees, self._residues, strict=True)]
        return float(max(bad[0].mean(), bad[1].mean()))

    @cached_property
    def is_cut(self) -> bool:
        """Whether the frames show different scenes: much of the flow does not lead back, and no warp makes them alike."""
        left = float(np.mean([residue.mean() for residue in self._residues]))
        return self.disagreement > _CUT_DISAGREEMENT and left > _CUT_CHANGE

    @cached_property
    def _residues(self) -> tuple[Floats, Floats]:
        """What stays different when each frame is fetched from the other, in grey levels, evened out over 5×5 pixels."""
        first, second = grey(self.first).astype(np.float32), grey(self.second).astype(np.float32)
        return (
            cv2.blur(np.abs(fetch(second, self.forward) - first), (5, 5)).astype(np.float32),
            cv2.blur(np.abs(fetch(first, self.backward) - second), (5, 5)).astype(np.float32),
        )

    def at(self, share: float) -> NDArray[Any]:
        """The frame between, `share` of the time from `first` (0) to `second` (1), of their type.

        Flow is carried to the time between by laying each pixel's flow down where it is then, the surer over the less
        sure; both frames are fetched along it and blended. Where what they fetch differs, only the side whose flow leads
        back there is taken, or the nearer in time.
        """
        if share <= 0:
            return self.first
        if share >= 1:
            return self.second
        between = cv2.addWeighted(self.first, 1 - share, self.second, share, 0)
        if self._moving is not None:
            place, part = self._moving
            between[place] = part._blended(share)  # noqa: SLF001 - a part of its own kind
        return between

    @cached_property
    def _moving(self) -> "tuple[tuple[slice, slice], Span] | None":
        """The rectangle outside which nothing moves, and the span inside it: still cameras need no more."""
        length = np.maximum(*(np.hypot(flow[..., 0], flow[..., 1]) for flow in (self.forward, self.backward)))
        rows, columns = (np.flatnonzero((length > _STILL).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        reach = int(np.ceil(length.max())) + 8
        place = (slice(max(0, rows[0] - reach), rows[-1] + reach + 1), slice(max(0, columns[0] - reach), columns[-1] + reach + 1))
        parts = (np.ascontiguousarray(whole[place]) for whole in (self.first, self.second, self.forward, self.backward))
        return place, Span(*parts)

    def _blended(self, share: float) -> NDArray[Any]:
        flow = self._flow_at(share)
        to_first, to_second = flow * np.float32(-share), flow * np.float32(1 - share)
        one, other = fetch(self.first, to_first), fetch(self.second, to_second)
        sure_one = fetch(self.agrees[0].astype(np.float32), to_first)
        sure_other = fetch(self.agrees[1].astype(np.float32), to_second)
        weight = np.full(sure_one.shape, share, np.float32)
        difference = cv2.blur(np.abs(grey(one).astype(np.float32) - grey(other)), (3, 3))
        apart = np.clip((difference - _CLOSE / 2) / (_CLOSE / 2), 0, 1)  # 0: the same point, 1: two different ones
        alone = np.where(np.abs(sure_one - sure_other) > 0.25, sure_other > sure_one, share > 0.5).astype(np.float32)
        weight = (weight + apart * (alone - weight))[..., None]
        return np.rint(one * (1 - weight) + other * weight).astype(self.first.dtype)

    def _flow_at(self, share: float) -> Floats:
        """Flow from `first` to `second` of what each pixel shows at `share`."""
        flow = np.zeros_like(self.forward)
        known = np.zeros(flow.shape[:2], np.bool_)
        # Last laid is uppermost: first the side farther in time, each side's unsure pixels before its sure ones.
        sides = [(self.forward, share, self.forward, 0), (self.backward, 1 - share, -self.backward, 1)]
        for field, ahead, value, side in sorted(sides, key=lambda each: -each[1]):
            for first in (False, True):
                reliable = self.agrees[side] & (self._residues[side] <= _CLOSE)
                _lay_down(flow, known, field * np.float32(ahead), value, reliable if first else ~reliable)
        if not known.all():
            flow = _filled(flow, known)
        return cv2.merge([cv2.medianBlur(part, 5) for part in cv2.split(flow)]).astype(np.float32, copy=False)


def match(first: NDArray[Any], second: NDArray[Any]) -> Span:
    """Estimate the flow between two consecutive frames of one size, in both directions.

    Source: Kroeger et al., "Fast optical flow using dense inverse search" (ECCV 2016), as OpenCV has it, with its
    variational refinement.

    Args:
        first: (H, W, 3) RGB, 8 or 16 bit; sides of 32 pixels or more.
        second: the frame after it.
    """
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0 if min(first.shape[:2]) < 128 else 1)
    one, other = grey(first), grey(second)
    forward, backward = estimator.calc(one, other, None), estimator.calc(other, one, None)  # type: ignore[call-overload]
    return Span(first, second, forward, backward)


def quick_flow(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Estimate the flow from one frame to another in a third of the time that `match` takes for each; 0 in pictures too small to see motion in.

    Source: as `match`, by OpenCV's fast preset with the finest scale of its medium one, which is about as exact.

    Args:
        first: (H, W, 3) RGB, 8 or 16 bit.
        second: the other one, of the same size.

    Returns:
        (H, W, 2) flow (dx, dy) in pixels.
    """
    if min(first.shape[:2]) < LEAST_QUICK:
        return np.zeros((*first.shape[:2], 2), np.float32)
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    estimator.setFinestScale(1)
    flow: Floats = estimator.calc(grey(first), grey(second), None)  # type: ignore[call-overload]
    return flow


def grey(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W) 8-bit luma of RGB file values of 8 or 16 bit."""
    values = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
    return cv2.cvtColor(values, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def _returns(there: Floats, back: Floats) -> Mask:
    missed = there + fetch(back, there)
    slack = _SLACK + _SLACK_SHARE * np.hypot(there[..., 0], there[..., 1])
    return np.hypot(missed[..., 0], missed[..., 1]) <= slack


def fetch(picture: NDArray[Any], flow: Floats) -> NDArray[Any]:
    """What each pixel finds at its place plus `flow`; bicubic for file values, bilinear for other fields."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    how = cv2.INTER_CUBIC if picture.ndim == 3 and picture.shape[2] == 3 else cv2.INTER_LINEAR
    return cv2.remap(picture, columns + flow[..., 0], rows + flow[..., 1], how, borderMode=cv2.BORDER_REPLICATE)


def _lay_down(flow: Floats, known: Mask, shift: Floats, value: Floats, chosen: Mask) -> None:
    rows, columns = np.nonzero(chosen)
    moved = shift[rows, columns]
    x, y = np.rint(columns + moved[:, 0]).astype(np.intp), np.rint(rows + moved[:, 1]).astype(np.intp)
    inside = (x >= 0) & (x < flow.shape[1]) & (y >= 0) & (y < flow.shape[0])
    x, y = x[inside], y[inside]
    flow[y, x] = value[rows[inside], columns[inside]]
    known[y, x] = True


def _filled(flow: Floats, known: Mask) -> Floats:
    """Fill unknown pixels with the nearest known flow."""
    if not known.any():
        return flow
    _, nearest = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros((int(nearest.max()) + 1, 2), np.float32)
    table[nearest[known]] = flow[known]
    return table[nearest]
