"""Mirrored and turned views of a picture, whose restorations are averaged.

A network makes other mistakes when it is shown a picture mirrored, or turned by a quarter; the mean of what it makes of several
such views has fewer of them, for as many times the work.

Source: the geometric self-ensemble of Lim et al. (EDSR, CVPR workshops 2017), section 3.4, with its eight views. Decided: fewer may be
taken; two are the picture and its mirror image, four these and both on their side.
"""

from collections.abc import Iterable

from torch import Tensor

from unblur.errors import InputError

__all__ = ["COUNTS", "check_self_ensemble", "from_view", "mean_of_views", "to_view"]

COUNTS = (1, 2, 4, 8)
"""Numbers of views that a self-ensemble may have."""

_ORDER = (
    (False, False, False),
    (False, True, False),
    (True, False, False),
    (True, True, False),
    (False, False, True),
    (False, True, True),
    (True, False, True),
    (True, True, True),
)
"""Of each view: whether rows and columns change places, and whether it is then mirrored left to right and top to bottom."""


def check_self_ensemble(self_ensemble: int) -> None:
    """Raise an `InputError` unless so many views may be taken."""
    if self_ensemble not in COUNTS:
        raise InputError(f"`self_ensemble` is one of {', '.join(map(str, COUNTS))}, got {self_ensemble}")


def to_view(picture: Tensor, view: int) -> Tensor:
    """The picture as a view shows it; view 0 is the picture itself.

    Shape:
        (..., H, W) -> (..., H, W), or (..., W, H) on its side
    """
    return _mirrored(picture.transpose(-2, -1) if _ORDER[view][0] else picture, view)


def from_view(seen: Tensor, view: int) -> Tensor:
    """The inverse of `to_view`."""
    upright = _mirrored(seen, view)
    return upright.transpose(-2, -1) if _ORDER[view][0] else upright


def mean_of_views(seen: Iterable[Tensor]) -> Tensor:
    """The mean of what was made of views 0, 1, 2, ..., each turned back; of one view, that itself."""
    upright = (from_view(picture, view) for view, picture in enumerate(seen))
    total, count = next(upright), 1
    for other in upright:  # one by one, so that no more than two are held
        total, count = total + other, count + 1
    return total / count if count > 1 else total


def _mirrored(picture: Tensor, view: int) -> Tensor:
    _, across, down = _ORDER[view]
    axes = [axis for axis, mirrored in ((-1, across), (-2, down)) if mirrored]
    return picture.flip(axes) if axes else picture  # torch copies even where it flips nothing
