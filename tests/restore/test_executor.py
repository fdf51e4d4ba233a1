"""What photos and clips have in common: memory a pixel, smaller tiles as long as memory runs out, and the mix after the fail-safe."""

import pytest
import torch
from nets import CPU, Folded, Identity, Windowed

from unblur.errors import DeviceError
from unblur.restore.executor import bytes_per_pixel, mixed_safely, within_memory
from unblur.restore.precision import Setup

SETUP = Setup(CPU, torch.float32)


def test_bytes_are_those_of_a_pixel_with_what_restoring_adds():
    assert bytes_per_pixel(Identity(), SETUP) == pytest.approx(5 * 12 + 1.2 * 12)  # its input, which is its result
    assert bytes_per_pixel(Folded(2), SETUP) > 5 * 12 + 1.2 * 2 * 12
    assert bytes_per_pixel(Windowed(), SETUP) >= 5 * 12 + 1.2 * 4 * 12  # three frames in a stack, and their mean


def test_memory_is_measured_at_a_size_that_the_network_takes():
    net = Identity()
    net.size_multiple = 96
    bytes_per_pixel(net, SETUP)
    assert net.seen == [(192, 192)]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory"), torch.OutOfMemoryError()])
def test_attempts_go_on_with_less_until_one_ends_well(error):
    left, shrunk = [error, error], []

    def attempt():
        if left:
            raise left.pop()
        return "done"

    assert within_memory(attempt, shrink=lambda: not shrunk.append(len(left)), net=Identity(), setup=SETUP) == "done"
    assert shrunk == [1, 0]


def test_where_nothing_can_be_smaller_the_error_says_what_to_do():
    def attempt():
        raise MemoryError

    for net, words in ((Identity(), "smallest tile; close other programs$"), (Windowed(), "tile of 3 frames; .* choose a photo network$")):
        with pytest.raises(DeviceError, match=words) as error:
            within_memory(attempt, shrink=lambda: False, net=net, setup=SETUP)
        assert isinstance(error.value.__cause__, MemoryError)


def test_other_errors_are_not_tried_again():
    def attempt():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        within_memory(attempt, shrink=lambda: pytest.fail("it is not for memory"), net=Identity(), setup=SETUP)


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_the_mix_is_linear_in_the_strength_and_what_is_wrong_keeps_its_input(strength):
    blurry = torch.rand(3, 70, 90, generator=torch.Generator().manual_seed(0))
    mixed = mixed_safely(blurry, 0.9 * blurry, strength=strength)
    torch.testing.assert_close(mixed.restored, (1 - 0.1 * strength) * blurry)
    assert mixed.kept == 0
    wrong = mixed_safely(blurry, torch.full_like(blurry, torch.nan), strength=strength)
    assert torch.equal(wrong.restored, blurry)
    assert wrong.kept == 1
