from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from unblur.errors import InputError
from unblur.restore.checks import as_path, check_number, check_whole


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), Fraction(1, 3)])
def test_numbers_within_their_bounds_pass(value):
    check_number("strength", value, least=0, most=1)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None, True, [0.5], np.zeros(2), 1 + 0j])
def test_anything_else_is_refused(value):
    with pytest.raises(InputError, match="strength must be between 0 and 1, got"):
        check_number("strength", value, least=0, most=1)


@pytest.mark.parametrize(
    ("bounds", "words"), [({"above": 0, "most": 1}, "above 0 and at most 1"), ({"least": 0}, "at least 0"), ({}, "a number")]
)
def test_the_message_says_the_bounds(bounds, words):
    with pytest.raises(InputError, match=f"scale must be {words}, got nan"):
        check_number("scale", float("nan"), **bounds)
    with pytest.raises(InputError):
        check_number("scale", 0, above=0)


@pytest.mark.parametrize("value", [63, 64.0, "64", True, None])
def test_whole_numbers(value):
    check_whole("tile", 64, least=64)
    with pytest.raises(InputError, match="tile must be a whole number, at least 64, got"):
        check_whole("tile", value, least=64)


def test_paths():
    assert as_path("a/b") == as_path(Path("a/b")) == Path("a/b")
    for value in ("", "a\0b", b"a", 5, None, ["a"]):
        with pytest.raises(InputError):
            as_path(value)
