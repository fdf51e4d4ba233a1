"""Changes to the ranges of a kind of blur by name, as recipes of data sets, recipes of trainings and the command line have them."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from unblur.errors import InputError
from unblur.synth.camera import CameraRanges

__all__ = ["changed", "check_names", "first_fault"]

T = TypeVar("T", bound=CameraRanges)


def check_names(kind: type[CameraRanges], names: Iterable[str]) -> None:
    """Refuse names that are no ranges of a kind of blur.

    Raises:
        ValueError: if there is no such range; the message has the nearest name, or all of them.
    """
    known = sorted(each.name for each in fields(kind))
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            raise ValueError(
                f"there is no range `{name}`; " + (f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(known)}")
            )


def changed(kind: type[T], ranges: Mapping[str, Any]) -> T:
    """A kind of blur with its default ranges but for those that are given.

    Args:
        kind: `StillsBlur`, `SequenceBlur`, `DynamicBlur` or `VideoBlur`.
        ranges: values by name, as YAML has them: a pair of bounds is a list of two numbers.

    Raises:
        InputError: if there is no such range, or a value is of another type or out of bounds.
    """
    try:
        check_names(kind, ranges)
        return TypeAdapter(kind).validate_python(dict(ranges))
    except ValidationError as error:
        raise InputError(f"a range does not fit: {first_fault(error)}") from error
    except ValueError as error:
        raise InputError(str(error)) from error


def first_fault(error: ValidationError) -> str:
    """Where the first fault is, and what is wrong there."""
    first = error.errors()[0]
    return f"`{'.'.join(str(part) for part in first['loc'])}`: {first['msg']}"
