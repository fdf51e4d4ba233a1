"""Numbers as pictures: each colour, stroke and place is what its number says."""

import numpy as np
import pytest

from unblur.restore.drawing import axis_colours, colour_wheel, flow_colours, heat, kernels, sheet, strokes

VIOLET, YELLOW = (68, 1, 84), (253, 231, 37)
"""Ends of the viridis colours, as published."""


def field(*vectors):
    return np.array([vectors], np.float64)  # (1, n, 2)


def block(value, height, width):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("vector", "colour"),
    [((2, 0), (255, 0, 0)), ((0, 2), (128, 255, 0)), ((-2, 0), (0, 255, 255)), ((0, -2), (128, 0, 255)), ((0, 0), (255, 255, 255))],
)
def test_directions_have_their_colours(vector, colour):
    np.testing.assert_allclose(flow_colours(field(vector), longest=2)[0, 0], colour, atol=1)


def test_length_is_saturation_up_to_the_longest():
    colours = flow_colours(field((0.5, 0), (1, 0), (2, 0), (5, 0)), longest=2)[0]
    np.testing.assert_allclose(colours, [(255, 191, 191), (255, 128, 128), (255, 0, 0), (255, 0, 0)], atol=1)


def test_a_line_and_its_reverse_have_one_colour_and_upright_ones_another():
    slanted = field((1, 2), (-1, -2), (2, -1))
    line, reverse, across = axis_colours(slanted, longest=3)[0].astype(int)
    np.testing.assert_allclose(line, reverse, atol=1)
    assert np.abs(line - across).max() > 100
    np.testing.assert_allclose(axis_colours(field((1, 0), (0, 1)), longest=1)[0], [(255, 0, 0), (0, 255, 255)], atol=1)


@pytest.mark.parametrize("colours", [flow_colours, axis_colours])
def test_the_wheel_shows_the_colour_of_each_way_from_its_middle(colours):
    wheel = colour_wheel(101, colours=colours)
    for y, x in ((50, 100), (50, 75), (100, 50), (20, 30)):
        np.testing.assert_array_equal(wheel[y, x], colours(field(((x - 50) / 50, (y - 50) / 50)), longest=1)[0, 0])
    assert wheel[0, 0].tolist() == [255, 255, 255]  # outside of the rim
    assert len(np.unique(wheel[50, 50:], axis=0)) > 20


def test_heat_runs_from_violet_to_yellow_and_stops_there():
    colours = heat(np.array([[-9.0, 2.0, 3.0, 4.0, 99.0]]), least=2, most=4)[0]
    np.testing.assert_array_equal(colours[[0, 1, 3, 4]], [VIOLET, VIOLET, YELLOW, YELLOW])
    np.testing.assert_allclose(colours[2], (33, 145, 140), atol=3)  # the middle of viridis
    assert heat(np.ones((2, 2)), least=1, most=1).shape == (2, 2, 3)  # a map without any range


def test_strokes_lie_along_their_lines_over_the_darkened_picture():
    picture = block(200, 32, 640)
    axis = np.zeros((32, 640, 2))
    axis[:, 320:] = 12, 0
    drawn = strokes(picture, axis, step=16)
    assert drawn.shape == (64, 1280, 3)  # twice as large
    still, moving = drawn[:, :640], drawn[:, 640:]
    assert tuple(still[0, 0]) == (100, 100, 100)
    coloured = (moving[..., 0] > 200) & (moving[..., 1] < 60)  # level lines are red
    rows, columns = np.nonzero(coloured)
    assert not ((still[..., 0] > 200) & (still[..., 1] < 60)).any()
    assert still.max() > 150  # dots
    assert set(rows // 32) == {0, 1}
    assert np.all(np.abs(rows % 32 - 16) <= 2)  # about the middle of each place, y = 8 and 24
    first = columns[columns < 32]
    assert abs(first.min() - (16 - 12)) <= 2
    assert abs(first.max() - (16 + 12)) <= 2  # 12 pixels long, at twice the size


def test_strokes_stand_upright_where_the_motion_does():
    axis = np.zeros((32, 640, 2))
    axis[...] = 0, 10
    drawn = strokes(block(0, 32, 640), axis, step=32).astype(int)
    rows, columns = np.nonzero(drawn[..., 1] > 200)
    assert np.ptp(rows) > 15
    assert np.all(np.abs(columns % 64 - 32) <= 2)


def test_a_small_picture_is_enlarged_for_its_strokes():
    assert strokes(block(0, 30, 80), np.zeros((30, 80, 2)), step=16).shape == (240, 640, 3)


def test_kernels_show_the_filter_of_each_place_by_itself():
    """Two by two places, each with one heavy weight in another corner; the light ones are on other scales."""
    weights = np.zeros((3, 3, 4, 4))
    weights[0, 0, :2, :2] = 1
    weights[0, 2, :2, 2:] = 100
    weights[2, 0, 2:, :2] = -1  # the lightest of its filter
    weights[2, 2, 2:, 2:] = 1e-3
    drawn = kernels(weights, count=2)
    assert drawn.shape == (52, 52, 3)
    middle = {corner: 26 * (corner // 3) + 4 + 8 * (corner % 3) for corner in range(6)}  # of each weight's square
    for row, column, colour, rest in ((0, 0, YELLOW, VIOLET), (0, 5, YELLOW, VIOLET), (5, 0, VIOLET, YELLOW), (5, 5, YELLOW, VIOLET)):
        np.testing.assert_array_equal(drawn[middle[row], middle[column]], colour)
        np.testing.assert_array_equal(drawn[middle[row // 3 * 3 + 1], middle[column // 3 * 3 + 1]], rest)
    assert tuple(drawn[25, 3]) == (255, 255, 255)


def test_a_sheet_has_its_pictures_in_their_places_under_text():
    one, two, three = block(10, 20, 40), block(90, 20, 40), block(170, 40, 40)
    drawn = sheet([[("first", one), ("second", two)], [("", three)]], width=40)
    assert drawn.shape == (20 + 20 + 6 + 20 + 40 + 6, 2 * 46, 3)
    np.testing.assert_array_equal(drawn[20:40, :40], one)
    np.testing.assert_array_equal(drawn[20:40, 46:86], two)
    np.testing.assert_array_equal(drawn[66:106, :40], three)
    assert (drawn[46:, 46:] == 255).all()  # where the second row has no second picture
    assert drawn[:20, :46].min() < 100  # text
    assert (drawn[46:66] == 255).all()  # no text


def test_text_is_that_of_its_picture():
    one, other = (sheet([[(text, block(0, 9, 99))]], width=99) for text in ("t-1", "t+1"))
    assert (one[:20] != other[:20]).any()
    np.testing.assert_array_equal(one[20:], other[20:])


def test_small_pictures_are_enlarged_in_squares_and_large_ones_averaged():
    two = np.zeros((2, 2, 3), np.uint8)
    two[0, 1] = 200
    large = sheet([[("", two)]], width=8)[20:28, :8]
    np.testing.assert_array_equal(large, two.repeat(4, axis=0).repeat(4, axis=1))
    small = sheet([[("", two)]], width=1)[20:21, :1]
    np.testing.assert_array_equal(small, [[[50, 50, 50]]])


def test_lower_pictures_of_a_row_are_filled_up_with_white():
    drawn = sheet([[("", block(0, 10, 20)), ("", block(0, 20, 20))]], width=20)
    np.testing.assert_array_equal(drawn[20:30, :20], 0)
    np.testing.assert_array_equal(drawn[30:40, :20], 255)
    np.testing.assert_array_equal(drawn[20:40, 26:46], 0)
