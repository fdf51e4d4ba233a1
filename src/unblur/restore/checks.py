"""Checks of what callers give, so that everything that cannot be used is an `InputError` that says so."""

import math
import os
from pathlib import Path

from unblur.errors import InputError

__all__ = ["as_path", "check_how", "check_number", "check_whole"]


def check_number(name: str, value: object, *, least: float | None = None, above: float | None = None, most: float | None = None) -> None:
    """Raise an `InputError` unless a value is a number within bounds.

    Args:
        name: of the value, for the message.
        value: what was given.
        least: smallest number that is allowed.
        above: number that it must exceed.
        most: largest number that is allowed.

    Example:
        >>> check_number("strength", 2, least=0, most=1)
        Traceback (most recent call last):
        ...
        unblur.errors.InputError: strength must be between 0 and 1, got 2
    """
    is_number = hasattr(value, "__float__") and not isinstance(value, str | bytes | bool)
    try:
        number = float(value) if is_number else None  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = None
    within = (
        number is not None
        and (least is None or number >= least)
        and (above is None or number > above)
        and (most is None or number <= most)
        and not math.isnan(number)
    )
    if not within:
        raise InputError(f"{name} must be {_bounds(least, above, most)}, got {value!r}")


def check_whole(name: str, value: object, *, least: int) -> None:
    """Raise an `InputError` unless a value is a whole number that is large enough."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number, at least {least}, got {value!r}")


def check_how(
    *, strength: float, scale: float | None = None, start: float = 0.0, duration: float | None = None, file_quality: int | None = None
) -> None:
    """Check how a file is to be restored; the arguments are those of `unblur.restore`.

    Raises:
        InputError: if a number is out of its bounds.
    """
    check_number("strength", strength, least=0, most=1)
    check_number("start", start, least=0)
    if scale is not None:
        check_number("scale", scale, above=0, most=1)
    if duration is not None:
        check_number("duration", duration, least=0)
    if file_quality is not None:
        check_number("file_quality", file_quality, least=1, most=100)


def as_path(value: object) -> Path:
    """A path, from a string or a path.

    Raises:
        InputError: if it is neither, empty, or no name that a file can have.
    """
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"a path is a string or a `pathlib.Path`, got {type(value).__name__}")
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(f"{text!r} is not the name of a file or folder")
    return Path(text)


def _bounds(least: float | None, above: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"between {least:g} and {most:g}"
    lower = f"at least {least:g}" if least is not None else f"above {above:g}" if above is not None else ""
    upper = f"at most {most:g}" if most is not None else ""
    return " and ".join(filter(None, (lower, upper))) or "a number"
