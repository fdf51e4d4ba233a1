"""Scores of readings, and their means over pictures with confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

__all__ = ["Mean", "character_accuracy", "code_found", "edit_distance", "mean_of"]

_NORMAL_95 = 1.96  # two-sided quantile of the normal distribution


@dataclass(frozen=True)
class Mean:
    """A mean over pictures, and half the width of its 95 % confidence interval; None where one picture tells nothing of it."""

    value: float
    interval: float | None


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of independent values with 1.96 standard errors, the normal approximation.

    Args:
        values: one a picture, at least one.
    """
    interval = _NORMAL_95 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return Mean(fmean(values), interval)


def edit_distance(first: str, second: str) -> int:
    """Insertions, deletions and substitutions of single characters that turn one text into the other (Levenshtein, 1966).

    Example:
        >>> edit_distance("exit 24", "edit 4")
        2
    """
    above = list(range(len(second) + 1))
    for row, left in enumerate(first, start=1):
        here = [row]
        for column, right in enumerate(second, start=1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (left != right)))
        above = here
    return above[-1]


def character_accuracy(truth: str, read: str) -> float:
    """1 − character error rate, at least 0: the edit distance over the length of the truth, of letters and digits without case.

    Spaces, line breaks and punctuation do not count, since where a line is broken is the reader's affair and not the picture's.

    Args:
        truth: what is written there; has letters or digits.
        read: what was read.

    Example:
        >>> character_accuracy("Pier 46", "PIER 45")
        0.8333333333333334
    """
    wanted, found = (_letters_and_digits(text) for text in (truth, read))
    return max(0.0, 1 - edit_distance(wanted, found) / len(wanted))


def code_found(truth: str, read: str) -> float:
    """1 if one of the lines read is exactly the content of the code, 0 if not."""
    return float(truth in read.split("\n"))


def _letters_and_digits(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
