"""Plots as SVG text, small enough to stand inline in a page and to be read on a phone."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["COLOURS", "Point", "dots", "scatter", "ticks"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5195", "#b8860b", "#56b4e9", "#444444")
"""After Okabe and Ito: told apart by colour-blind people too."""

_WIDTH, _HEIGHT = 420, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 22, 12, 44
_ROW = 24


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a plot.

    Attributes:
        x: position; in `dots` the value.
        y: position; not used by `dots`.
        label: what it is.
        colour: CSS colour.
        hollow: drawn as a ring: published, not measured.
        row: in `dots`, the line that it lies on.
    """

    x: float
    y: float = 0.0
    label: str
    colour: str
    hollow: bool = False
    row: str = ""


def scatter(points: Sequence[Point], *, x_label: str, y_label: str, title: str) -> str:
    """Points with their names, as far as there is room; the x axis is logarithmic where values span more than a factor of ten.

    Points that have no place on a logarithmic axis (x of 0 or less) are left out of the plot.
    """
    logarithmic = _spans(points)
    shown = [point for point in points if not logarithmic or point.x > 0]
    if not shown:
        return ""
    to_axis: Callable[[float], float] = math.log10 if logarithmic else float
    x_marks = _log_ticks([point.x for point in shown]) if logarithmic else ticks([point.x for point in shown])
    y_marks = ticks([point.y for point in shown], least=0.1)
    place_x = _scale([to_axis(mark) for mark in x_marks], _LEFT, _WIDTH - _RIGHT)
    place_y = _scale(y_marks, _HEIGHT - _BOTTOM, _TOP)
    parts = [_open(_HEIGHT, title)]
    for mark in y_marks:
        y = place_y(mark)
        parts += [_line(_LEFT, y, _WIDTH - _RIGHT, y), _text(_LEFT - 6, y + 4, _number(mark), anchor="end")]
    for mark in x_marks:
        x = place_x(to_axis(mark))
        parts += [_line(x, _TOP, x, _HEIGHT - _BOTTOM), _text(x, _HEIGHT - _BOTTOM + 16, _number(mark), anchor="middle")]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x_label, anchor="middle"))
    parts.append(
        f'<text transform="translate(13 {(_TOP + _HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    taken = [(place_x(to_axis(point.x)), place_y(point.y), 5.0) for point in shown]  # the marks themselves
    for point in sorted(shown, key=lambda point: point.hollow):
        x, y = place_x(to_axis(point.x)), place_y(point.y)
        parts.append(_mark(x, y, point, f"{point.label}: {point.y:.2f} at {_number(point.x)}"))
        half = 3.4 * len(point.label)  # about half of the text's width
        middle = min(max(x, _LEFT + half), _WIDTH - _RIGHT - half)
        below = next((at for at in (y - 9, y + 18, y - 22, y + 31) if _free(middle, at, half, taken)), None)
        if below is None and point.hollow:
            continue  # what is published is named where there is room; a tooltip names all
        below = y - 9 if below is None else below
        taken.append((middle, below - 4, half))
        parts.append(_text(middle, below, point.label, anchor="middle", colour=point.colour))
    return "".join([*parts, "</svg>"])


def dots(points: Sequence[Point], *, x_label: str, title: str) -> str:
    """A line for each `row`, in the order in which they come, and on it its points by their x."""
    rows = list(dict.fromkeys(point.row for point in points))
    if not rows:
        return ""
    left = min(170, 14 + 7 * max(len(row) for row in rows))
    height = _TOP + _ROW * len(rows) + _BOTTOM
    marks = ticks([point.x for point in points], least=0.1)
    place = _scale(marks, left, _WIDTH - _RIGHT)
    bottom = height - _BOTTOM
    parts = [_open(height, title)]
    for mark in marks:
        parts += [_line(place(mark), _TOP, place(mark), bottom), _text(place(mark), bottom + 16, _number(mark), anchor="middle")]
    for number, row in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        shown = row if len(row) <= 22 else f"{row[:10]}…{row[-10:]}"
        parts += [_line(left, y, _WIDTH - _RIGHT, y), _text(left - 6, y + 4, shown, anchor="end")]
        for point in points:
            if point.row == row:
                parts.append(_mark(place(point.x), y, point, f"{point.label}, {row}: {point.x:.2f}"))
    parts.append(_text((left + _WIDTH - _RIGHT) / 2, height - 8, x_label, anchor="middle"))
    return "".join([*parts, "</svg>"])


def ticks(values: Sequence[float], *, most: int = 6, least: float = 0.0) -> list[float]:
    """Round numbers that enclose the values with some room, at most about `most` of them, `least` apart or more.

    Example:
        >>> ticks([27.3, 31.2])
        [27.0, 28.0, 29.0, 30.0, 31.0, 32.0]
    """
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.025 * abs(high) or 1.0  # a single value stands in the middle
    low, high = low - room, high + room
    rough = max((high - low) / (most - 1), least)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 12) for number in range(first, max(last, first + 1) + 1)]


def _spans(points: Sequence[Point]) -> bool:
    above = [point.x for point in points if point.x > 0]
    return bool(above) and max(above) > 10 * min(above)


def _log_ticks(values: Sequence[float]) -> list[float]:
    return [10.0**power for power in range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)]


def _scale(marks: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, span = marks[0], marks[-1] - marks[0]
    return lambda value: start + (end - start) * ((value - low) / span if span else 0.5)


def _free(x: float, y: float, half: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    inside = _TOP + 8 < y < _HEIGHT - _BOTTOM - 2
    return inside and all(abs(x - other_x) > half + other or abs(y - 4 - other_y) > 11 for other_x, other_y, other in taken)


def _open(height: float, title: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, *, anchor: str, colour: str = "") -> str:
    fill = f' style="fill:{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{escape(words)}</text>'


def _mark(x: float, y: float, point: Point, words: str) -> str:
    fill = "#fff" if point.hollow else point.colour
    kind = "published" if point.hollow else "measured"
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5" style="fill:{fill};stroke:{point.colour}">'
        f"<title>{escape(words)}</title></circle>"
    )


def _number(value: float) -> str:
    return f"{value:g}"
