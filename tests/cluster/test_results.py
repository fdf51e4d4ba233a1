import pytest
from backwards import Backwards

from unblur.cluster.results import results_of
from unblur.cluster.schedule import Frames, Work
from unblur.errors import InputError, UnblurError


class Counts(Work):
    def __init__(self, number):
        self.number = number

    def run(self, say, *, attempt):
        say(Frames(0, None))
        say(Frames(1, 4))
        if self.number < 0:
            return InputError("no such number")
        return self.number * 10 + attempt


@pytest.fixture
def call(use_workers):
    def call(numbers, *, losses=0, **more):
        use_workers(Backwards(losses=losses))
        works = [Counts(number) for number in numbers]
        return results_of(works, names=[f"number {each}" for each in numbers], counts=[8] * len(works), address="auto", **more)

    return call


def test_results_are_in_the_order_of_the_work(call):
    assert call([1, 2, 3]) == [11, 21, 31]
    assert call([1, 2, 3], losses=1) == [11, 21, 32]


def test_progress_adds_up_what_the_units_say_of_themselves(call):
    said = []
    call([1, 2], progress=lambda done, total: said.append((done, total)))
    assert said == [(0, 16), (2, 16), (8, 16), (8, 16), (10, 16), (16, 16)]


def test_an_error_of_a_unit_and_its_loss_in_every_attempt_are_raised(call):
    with pytest.raises(InputError, match="no such number"):
        call([1, -1])
    with pytest.raises(UnblurError, match="number 5 was lost in every attempt: killed; killed; killed"):
        call([5], losses=3)
