import pytest

from unblur.errors import InputError
from unblur.synth.ranges import changed, check_names
from unblur.synth.sequence import SequenceBlur
from unblur.synth.stills import StillsBlur
from unblur.synth.video import VideoBlur


@pytest.mark.parametrize("kind", [StillsBlur, SequenceBlur, VideoBlur])
def test_without_changes_the_ranges_are_the_defaults(kind):
    assert changed(kind, {}) == kind()


def test_lists_become_bounds():
    assert changed(StillsBlur, {"length": [3, 5]}) == StillsBlur(length=(3.0, 5.0))
    assert changed(VideoBlur, {"frames_per_blur": [7, 21]}).frames_per_blur == (7, 21)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"length": 3}, "does not fit: `length`"),
        ({"length": [3, 4, 5]}, "`length"),
        ({"length": [5, 3]}, "`length` must be two bounds"),
        ({"shot": [-1, 3]}, "`shot` must be two bounds"),
        ({"turn": "far"}, "does not fit: `turn`"),
        ({"jpeg_probability": 1.5}, "share"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(ranges, message):
    with pytest.raises(InputError, match=message):
        changed(StillsBlur, ranges)


def test_names_that_do_not_exist_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean `length`"):
        changed(StillsBlur, {"lengths": [3, 5]})
    with pytest.raises(ValueError, match=r"choose from .*\bexposure\b"):
        check_names(SequenceBlur, ["xyzzy"])
