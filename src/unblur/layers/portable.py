"""Operators that formats of other programs know, in place of those that are fastest here.

Some layers use operators of torch that ONNX has no good counterpart for: bags of rows of a table, Fourier transforms, and tensors that are read as
numbers of another size. Within `portable_operators` they compute the same from gathers, sums and products of matrices, to the rounding of single precision.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = ["constant", "is_portable", "portable_operators"]

_Made = TypeVar("_Made")

_PORTABLE: ContextVar[dict[Hashable, Any] | None] = ContextVar("portable operators", default=None)
"""Inside the block of `portable_operators` its constants by name, elsewhere None."""


def is_portable() -> bool:
    """Whether layers are to use portable operators only."""
    return _PORTABLE.get() is not None


def constant(make: Callable[[], _Made], *, key: Hashable) -> _Made:
    """What `make` gives, made once within a block of `portable_operators`, so that it is once in what is exported.

    Args:
        make: depends on nothing but what `key` names.
        key: identifies it.
    """
    kept = _PORTABLE.get()
    if kept is None:
        return make()
    if key not in kept:
        kept[key] = make()
    made: _Made = kept[key]
    return made


@contextmanager
def portable_operators() -> Iterator[None]:
    """Let all layers use portable operators inside the block, in this thread."""
    before = _PORTABLE.set({})
    try:
        yield
    finally:
        _PORTABLE.reset(before)
