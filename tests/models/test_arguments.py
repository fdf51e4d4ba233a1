import pytest

from unblur.errors import InputError
from unblur.models.arguments import DEFAULTS, build


def part(*, width, depth=3):
    return width, depth


def whole(**arguments):
    return arguments


def test_what_is_left_out_keeps_its_default():
    assert build(part, {"width": 1}, called="a part") == (1, 3)
    assert build(part, {"width": 1, "depth": 2}, called="a part") == (1, 2)
    assert build(whole, {"any": 1}, called="the whole") == {"any": 1}
    assert build(whole, DEFAULTS, called="the whole") == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"width": 1, "dept": 2}, r"^a part has no argument 'dept'; did you mean 'depth'\? \(choose one of depth, width\)$"),
        ({}, r"^a part cannot be built with the arguments \[\]: missing a required argument: 'width'$"),
        (None, "^a part must be a mapping of arguments by name, such as `{}` for its defaults, got None$"),
        ([4], "^a part must be a mapping .* got \\[4\\]$"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, says):
    with pytest.raises(InputError, match=says):
        build(part, arguments, called="a part")
