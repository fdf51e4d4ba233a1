"""Plots as text: where points lie, and that nothing breaks the page."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from unblur.bench.plots import Point, dots, scatter, ticks


def points(*places, **more):
    return [Point(x=x, y=y, label=f"m{number}", colour="#123456", **more) for number, (x, y) in enumerate(places)]


def circles(svg):
    return [
        (float(each.get("cx")), float(each.get("cy"))) for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle")
    ]


@pytest.mark.parametrize(("values", "most"), [([27.3, 31.2], 6), ([0.001, 0.0012], 5), ([5.0], 6), ([0.0], 6), ([-3, 400], 4)])
def test_ticks_enclose_the_values_evenly(values, most):
    marks = ticks(values, most=most)
    assert marks[0] < min(values)
    assert marks[-1] > max(values)
    assert 2 <= len(marks) <= most + 2
    steps = {round(after - before, 9) for before, after in pairwise(marks)}
    assert len(steps) == 1


def test_ticks_may_be_kept_apart():
    assert ticks([26.042, 26.045], least=0.1) == [26.0, 26.1]


def test_more_is_higher_and_further_right():
    svg = scatter(points((1, 20), (2, 30)), x_label="seconds", y_label="dB", title="t")
    (x0, y0), (x1, y1) = circles(svg)
    assert x1 > x0
    assert y1 < y0


def test_wide_ranges_are_logarithmic_and_leave_out_what_has_no_logarithm():
    low, middle, high = circles(scatter(points((0.01, 20), (0.1, 20), (1, 20)), x_label="s", y_label="dB", title="t"))
    assert middle[0] - low[0] == pytest.approx(high[0] - middle[0], abs=0.2)
    assert len(circles(scatter(points((0, 20), (0.1, 20), (9, 20)), x_label="s", y_label="dB", title="t"))) == 2
    assert scatter([], x_label="s", y_label="dB", title="t") == ""


def test_published_points_are_rings_and_are_named_only_where_there_is_room():
    crowd = [*points((1, 20)), *points(*[(1, 20)] * 12, hollow=True)]
    svg = scatter(crowd, x_label="s", y_label="dB", title="t")
    assert svg.count('class="published"') == 12
    assert svg.count("fill:#fff") == 12
    assert 1 <= len(re.findall(r">m\d+</text>", svg)) < 13
    assert ">m0</text>" in svg


def test_dots_keep_rows_apart_and_in_order():
    marks = [Point(x=value, label="m", colour="#000", row=row) for row, value in (("b", 20), ("a", 30), ("b", 25))]
    svg = dots(marks, x_label="dB", title="t")
    (x0, y0), (x1, y1), (x2, y2) = circles(svg)
    assert y0 == y1 < y2  # both of b, then a
    assert x0 < x1 < x2
    assert svg.index(">b</text>") < svg.index(">a</text>")
    assert dots([], x_label="dB", title="t") == ""


def test_names_cannot_break_out_of_the_picture():
    name = '<script>"&'
    svg = scatter([Point(x=1, y=2, label=name, colour="#000")], x_label="s", y_label="dB", title=name)
    assert "<script>" not in svg
    assert ElementTree.fromstring(svg).get("aria-label") == name
    assert "<script>" not in dots([Point(x=1, label=name, colour="#000", row=name)], x_label="s", title=name)
