import pytest
import torch
from torch import nn

from unblur.models.diagnostic import frame_name, recorded_calls


def test_frames_are_named_by_their_distance_to_the_reference():
    assert [frame_name(shift) for shift in (-2, -1, 0, 1)] == ["t-2", "t-1", "t", "t+1"]


def test_calls_are_recorded_in_order_and_only_while_the_context_is_open():
    double = nn.Upsample(scale_factor=2)
    first, second = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    double(first)
    with recorded_calls(double) as calls:
        double(first)
        double(second)
    double(first)
    assert len(calls) == 2
    for (arguments, result), given in zip(calls, (first, second), strict=True):
        assert arguments == (given,)
        torch.testing.assert_close(result, given.repeat(1, 1, 2, 2))


def test_no_hook_is_left_after_an_error():
    module = nn.Identity()
    with pytest.raises(KeyError), recorded_calls(module):
        raise KeyError
    assert not module._forward_hooks
