"""Frames between two frames, by dense flow in both directions, so that an averaged exposure shows no ghosts.

A blend of two frames shows a moving thing twice; so does a warp along a wrong flow. Here flow is estimated both ways and
checked against itself (`unblur.flow`), each pixel of the frame between takes what both sides agree on, and where they disagree it
takes one side alone. `BidirectionalFlow.disagreement` and `is_cut` say between which frames nothing should be interpolated at all.
"""

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.flow import RESIDUE_LIMIT, BidirectionalFlow, grey, warp

__all__ = ["Interpolator"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_STILL = 0.5  # pixels: slower motion than this is blended without warping


class Interpolator:
    """Gives frames between two consecutive frames.

    Args:
        pair: the frames and the flow between them.
    """

    def __init__(self, pair: BidirectionalFlow) -> None:
        self._pair = pair

    def at(self, share: float) -> NDArray[Any]:
        """The frame between, `share` of the time from the first (0) to the second (1), of their type.

        Flow is carried to the time between by laying each pixel's flow down where it is then, the surer over the less
        sure; both frames are warped along it and blended. Where the warped frames differ, only the side whose flow leads
        back there is taken, or the nearer in time.
        """
        first, second = self._pair.first, self._pair.second
        if share <= 0:
            return first
        if share >= 1:
            return second
        between = cv2.addWeighted(first, 1 - share, second, share, 0)
        if self._moving is not None:
            place, part = self._moving
            between[place] = _blended(part, share)
        return between

    @cached_property
    def _moving(self) -> tuple[tuple[slice, slice], BidirectionalFlow] | None:
        """The rectangle outside which nothing moves, and what is inside it: still cameras need no more."""
        pair = self._pair
        length = np.maximum(*(np.hypot(flow[..., 0], flow[..., 1]) for flow in (pair.forward, pair.backward)))
        rows, columns = (np.flatnonzero((length > _STILL).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        reach = int(np.ceil(length.max())) + 8
        place = (slice(max(0, rows[0] - reach), rows[-1] + reach + 1), slice(max(0, columns[0] - reach), columns[-1] + reach + 1))
        parts = (np.ascontiguousarray(whole[place]) for whole in (pair.first, pair.second, pair.forward, pair.backward))
        return place, BidirectionalFlow(*parts)


def _blended(pair: BidirectionalFlow, share: float) -> NDArray[Any]:
    flow = _flow_at(pair, share)
    to_first, to_second = flow * np.float32(-share), flow * np.float32(1 - share)
    one, other = warp(pair.first, to_first), warp(pair.second, to_second)
    consistent_one = warp(pair.consistent[0].astype(np.float32), to_first)
    consistent_other = warp(pair.consistent[1].astype(np.float32), to_second)
    weight = np.full(consistent_one.shape, share, np.float32)
    difference = cv2.blur(np.abs(grey(one).astype(np.float32) - grey(other)), (3, 3))
    apart = np.clip((difference - RESIDUE_LIMIT / 2) / (RESIDUE_LIMIT / 2), 0, 1)  # 0: the same point, 1: two different ones
    alone = np.where(np.abs(consistent_one - consistent_other) > 0.25, consistent_other > consistent_one, share > 0.5).astype(np.float32)
    weight = (weight + apart * (alone - weight))[..., None]
    return np.rint(one * (1 - weight) + other * weight).astype(pair.first.dtype)


def _flow_at(pair: BidirectionalFlow, share: float) -> Floats:
    """Flow from the first frame to the second of what each pixel shows at `share`."""
    flow = np.zeros_like(pair.forward)
    known = np.zeros(flow.shape[:2], np.bool_)
    # Last laid is uppermost: first the side farther in time, each side's unsure pixels before its sure ones.
    sides = [(pair.forward, share, pair.forward, 0), (pair.backward, 1 - share, -pair.backward, 1)]
    for field, ahead, value, side in sorted(sides, key=lambda each: -each[1]):
        for first in (False, True):
            reliable = pair.consistent[side] & (pair.residues[side] <= RESIDUE_LIMIT)
            _lay_down(flow, known, field * np.float32(ahead), value, reliable if first else ~reliable)
    if not known.all():
        flow = _filled(flow, known)
    return cv2.merge([cv2.medianBlur(part, 5) for part in cv2.split(flow)]).astype(np.float32, copy=False)


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
