"""What a network computed on the way to its result, as named tensors: `Net.diagnostics` gives them, `unblur.restore.inspect` draws them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

__all__ = ["Call", "Diagnostic", "Kind", "Rows", "frame_name", "recorded_calls", "restored_diagnostic"]

Kind = Literal["picture", "map", "flow", "axis", "kernel", "filters", "offsets", "alignment", "restored"]
"""What the tensors of a diagnostic are, all with a batch of one; K is the number of taps of a filter or kernel, its side squared.

    picture     (1, 3, H, W) in [0, 1]
    map         (1, 1, H, W), coloured between the ends of `value_range`; or a picture beside it
    flow        (1, 2, H, W), (dx, dy) in pixels
    axis        a picture, then (1, 2, H, W), the line along which each pixel is blurred, (dx, dy) in pixels of that picture
    kernel      (1, K, rows, columns), the blur kernel of each window of a grid of windows
    filters     (1, K, H, W), the filter of each position
    offsets     (1, T, 2, H, W), (dx, dy) of each of T taps beside its regular position, in pixels; or (1, T, H, W), the modulation, in [0, 1]
    alignment   pictures, the neighbour first, to be compared with the reference; then maps of the error of aligned features, on one scale
    restored    (1, 3, H, W), what `forward` gives, where it is computed on the way to the others: so the network need not run again for it
"""

Rows = tuple[Mapping[str, Tensor], ...]
"""Tensors by their titles, a row of the drawing each."""


@dataclass(frozen=True)
class Diagnostic:
    """Tensors that show one thing about a window and a network.

    Attributes:
        name: unique among the diagnostics of a network; the name of the drawing's file.
        kind: what the tensors are, and so how they are drawn.
        caption: what is to be seen, in a sentence.
        rows: the tensors by their titles.
        value_range: least and greatest value of the colours, for maps.
    """

    name: str
    kind: Kind
    caption: str
    rows: Rows
    value_range: tuple[float, float] = (0.0, 1.0)


def frame_name(shift: int) -> str:
    """Name of a frame of a window by its distance to the reference, in frames.

    Example:
        >>> frame_name(-2), frame_name(0), frame_name(1)
        ('t-2', 't', 't+1')
    """
    return f"t{shift:+d}" if shift else "t"


def restored_diagnostic(restored: Tensor) -> Diagnostic:
    """The result itself, (1, 3, H, W), as one of the diagnostics."""
    return Diagnostic(name="restored", kind="restored", caption="the restored frame", rows=({"restored": restored},))


class Call(NamedTuple):
    """A call of a module: its positional arguments, and what it gave."""

    arguments: tuple[Any, ...]
    result: Any


@contextmanager
def recorded_calls(module: nn.Module) -> Iterator[list[Call]]:
    """Positional arguments and result of each call of `module`, in order, while the context is open; no hook stays on the module."""
    calls: list[Call] = []

    def record(_: nn.Module, arguments: tuple[Any, ...], result: object) -> None:
        calls.append(Call(arguments, result))

    handle = module.register_forward_hook(record)
    try:
        yield calls
    finally:
        handle.remove()
