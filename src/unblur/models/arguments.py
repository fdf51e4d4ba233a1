"""Arguments of networks and of their parts: plain values by name, as recipes and cards of weights hold them, checked before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeVar

from unblur.errors import InputError

__all__ = ["DEFAULTS", "build", "nearest"]

DEFAULTS: Mapping[str, object] = MappingProxyType({})
"""Arguments of a part all of which are left at their defaults."""

_Built = TypeVar("_Built")


def build(constructor: Callable[..., _Built], arguments: Mapping[str, object], *, called: str) -> _Built:
    """Call a class or function with arguments by name.

    Args:
        constructor: of a network or of a part of one.
        arguments: what is left out keeps its default.
        called: what is built, as messages call it, such as "network 'ppnet'".

    Raises:
        InputError: if the arguments are no mapping, name one that there is not (the message names the nearest), or lack one that is needed.

    Example:
        >>> build(complex, {"real": 1.0}, called="the number")
        (1+0j)
    """
    if not isinstance(arguments, Mapping):
        raise InputError(f"{called} must be a mapping of arguments by name, such as `{{}}` for its defaults, got {arguments!r}")
    signature = inspect.signature(constructor)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        for argument in arguments:
            if argument not in signature.parameters:
                raise InputError(f"{called} has no argument {argument!r}; {nearest(str(argument), signature.parameters)}")
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise InputError(f"{called} cannot be built with the arguments {sorted(arguments)}: {error}") from error
    return constructor(**arguments)


def nearest(word: str, known: Iterable[str]) -> str:
    """What to say about a word that is not known: the nearest one that is, and all of them."""
    known = sorted(known)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    listing = f"choose one of {', '.join(known)}" if known else "it takes none"
    return f"did you mean {near[0]!r}? ({listing})" if near else listing
