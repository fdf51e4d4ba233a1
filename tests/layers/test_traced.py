import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from unblur.layers.traced import is_traced


class Tells(nn.Module):
    def forward(self, values):
        return values + 1 if is_traced(values) else values


def test_by_what_torch_does():
    values = torch.zeros(3)
    net = Tells()
    assert not is_traced(values)
    assert torch.equal(net(values), values)
    assert torch.equal(torch.export.export(net, (values,)).module()(values), values + 1)
    with pytest.deprecated_call():
        traced = torch.jit.trace(net, (values,), check_trace=False)
    assert torch.equal(traced(values), values + 1)
    with FakeTensorMode():
        assert is_traced(torch.zeros(3))
