"""Operators that formats of other programs know, in place of those that are fastest here.

Some layers use operators of torch that ONNX has no good counterpart for: bags of rows of a table, Fourier transforms, and tensors that are read as
numbers of another size. Within `portable_operators` they compute the same from gathers, sums and products of matrices, to the rounding of single precision.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["is_portable", "portable_operators"]

_PORTABLE: ContextVar[bool] = ContextVar("portable operators", default=False)


def is_portable() -> bool:
    """Whether layers are to use portable operators only."""
    return _PORTABLE.get()


@contextmanager
def portable_operators() -> Iterator[None]:
    """Let all layers use portable operators inside the block, in this thread."""
    before = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(before)
