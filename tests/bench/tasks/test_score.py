"""Scores of readings: edit distance by hand and by its properties, and means with intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.bench.tasks.score import character_accuracy, code_found, edit_distance, mean_of

texts = st.text(alphabet="abc1", max_size=8)


@given(texts, texts, texts)
def test_edit_distance_is_a_metric(first, second, third):
    there = edit_distance(first, second)
    assert (there == 0) == (first == second)
    assert there == edit_distance(second, first)
    assert there <= edit_distance(first, third) + edit_distance(third, second)
    assert abs(len(first) - len(second)) <= there <= max(len(first), len(second))


@pytest.mark.parametrize(
    ("first", "second", "distance"), [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("exit", "exit", 0), ("ab", "ba", 2)]
)
def test_edit_distance_by_hand(first, second, distance):
    assert edit_distance(first, second) == distance


def test_case_spaces_and_punctuation_do_not_count():
    assert character_accuracy("Pier 46\nQuay", "PIER46 / quay!") == 1


def test_accuracy_is_of_the_characters_of_the_truth():
    assert character_accuracy("AB 12", "AB 1Z") == 0.75
    assert character_accuracy("AB 12", "") == 0


def test_accuracy_is_not_below_zero_when_more_is_read_than_there_is():
    assert character_accuracy("AB", "XYZXYZXYZ") == 0


def test_a_code_is_read_whole_or_not():
    assert code_found("4006381333931", "4006381333931") == 1
    assert code_found("AB12", "other\nAB12") == 1
    assert code_found("AB12", "AB1") == 0
    assert code_found("AB12", "") == 0


def test_mean_and_interval_by_hand():
    mean = mean_of([0.0, 1.0, 0.0, 1.0])
    assert mean.value == 0.5
    assert mean.interval == pytest.approx(1.96 * (1 / 3) ** 0.5 / 2)  # standard deviation √(1/3), four values


def test_one_picture_has_no_interval():
    assert mean_of([0.5]).interval is None
