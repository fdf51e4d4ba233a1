"""Averages of readings, by hand."""

import pytest

from unblur.bench.rows import TaskRow
from unblur.bench.tasks.page import cells_of, task_sections
from unblur.bench.tasks.table import summarise_tasks


def row(number, *, blurry, restored, length, model="m", sharp=1.0):
    return TaskRow(
        model=model, model_sha256=model, arguments_sha256="", version="1", device="cpu", precision="fp32", way="network", task="text",
        measure="character accuracy", reader="fake 1", data="tiny", name=f"{number}.png", blurry_sha256=f"b{number}", sharp_sha256=f"s{number}",
        width=8, height=8, length=length, detail=9.0, text="A", read_blurry="", read_restored="", read_sharp="A", blurry=blurry,
        restored=restored, sharp=sharp, seconds=number,
    )  # fmt: skip


ROWS = [
    row(0, blurry=0.0, restored=0.5, length=5.0),
    row(1, blurry=0.5, restored=0.25, length=8.0),
    row(2, blurry=0.0, restored=0.0, length=15.9),
    row(3, blurry=0.5, restored=1.0, length=40.0, sharp=0.8),
]


def test_means_gain_and_counts():
    (summary,) = summarise_tasks(ROWS)
    assert (summary.pictures, summary.better, summary.worse) == (4, 2, 1)
    assert summary.blurry.value == 0.25
    assert summary.restored.value == 0.4375
    assert summary.sharp.value == pytest.approx(0.95)
    assert summary.gain.value == 0.1875  # of 0.5, -0.25, 0 and 0.5, whose variance is 0.421875 / 3
    assert summary.gain.interval == pytest.approx(1.96 * (0.421875 / 3) ** 0.5 / 2)
    assert summary.seconds == 1.5


def test_groups_by_blur_length_take_their_lower_border():
    (summary,) = summarise_tasks(ROWS)
    assert [(group.least, group.most, group.pictures) for group in summary.groups] == [(0.0, 8.0, 1), (8.0, 16.0, 2), (16.0, None, 1)]
    assert [group.restored.value for group in summary.groups] == [0.5, 0.125, 1.0]


def test_a_row_that_is_there_twice_counts_once_and_the_best_method_is_first():
    other = [row(0, blurry=0.0, restored=1.0, length=5.0, model="better")]
    found = summarise_tasks([*ROWS, ROWS[0], *other])
    assert [(summary.model, summary.pictures) for summary in found] == [("better", 1), ("m", 4)]


def test_cells_are_percents_with_the_interval():
    (summary,) = summarise_tasks(ROWS)
    cells = cells_of(summary)
    assert (cells["blurry"], cells["restored"], cells["sharp"], cells["gain"]) == ("25.0", "43.8 ± 41.8", "95.0", "+18.8 ± 36.8")
    assert cells["8-16 px"] == "25.0 → 12.5 (2)"
    assert "16 px on" in cells


def test_sections_are_one_for_each_task_and_pictures():
    found = summarise_tasks([*ROWS, ROWS[0].model_copy(update={"data": "other"})])
    sections = task_sections(found, names={each.which: "called" for each in found}, colours={each.which: "#123" for each in found})
    assert [section.title for section in sections] == [
        f"text in {data}, read by fake 1: character accuracy, %" for data in ("other", "tiny")
    ]
    assert [line.method for section in sections for line in section.lines] == ["called", "called"]
