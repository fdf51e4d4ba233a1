import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import Identity


def net(multiple, minimum, *, square):
    made = Identity()
    made.size_multiple, made.size_minimum, made.size_square = multiple, minimum, square
    return made


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 130), st.integers(1, 200), st.booleans())
def test_fitted_sizes_meet_the_requirements_and_are_the_smallest(height, width, multiple, minimum, square):
    high, wide = net(multiple, minimum, square=square).fit_size(height, width)
    assert high % multiple == wide % multiple == 0
    assert high >= max(height, minimum)
    assert wide >= max(width, minimum)
    assert high == wide or not square
    assert max(high, wide) - multiple < max(height, width, minimum)
    assert net(multiple, minimum, square=square).fit_size(high, wide) == (high, wide)


@pytest.mark.parametrize(
    ("multiple", "minimum", "square", "fitted"),
    [(1, 1, False, (30, 50)), (8, 1, False, (32, 56)), (8, 40, False, (40, 56)), (8, 30, True, (56, 56)), (64, 100, False, (128, 128))],
)
def test_sizes_worked_out_by_hand(multiple, minimum, square, fitted):
    assert net(multiple, minimum, square=square).fit_size(30, 50) == fitted
