import pytest
import torch

from unblur.models.srn import SRN

SMALL = {"widths": (4, 4, 4), "num_blocks": 1, "kernel_size": 3}


def test_separate_scales_with_equal_weights_are_the_shared_network():
    torch.manual_seed(0)
    shared, separate = SRN(**SMALL), SRN(**SMALL, shared_scales=False)
    for scale in separate.scales:
        scale.load_state_dict(shared.scales[0].state_dict())
    blurry = torch.rand(1, 3, 16, 32)
    for one, other in zip(shared.forward_scales(blurry), separate.forward_scales(blurry), strict=True):
        torch.testing.assert_close(one, other)


def test_each_separate_scale_restores_its_own_size():
    net = SRN(**SMALL, shared_scales=False)
    seen = []
    for i, scale in enumerate(net.scales):
        scale.register_forward_hook(lambda _module, args, _output, i=i: seen.append((i, args[0].shape[-1])))
    net(torch.rand(1, 3, 16, 16))
    assert seen == [(2, 4), (1, 8), (0, 16)]


def test_memory_carries_from_scale_to_scale():
    """With the coarser picture cut off, the finest scale still hears of the coarser ones through the state."""
    torch.manual_seed(0)
    outputs = {}
    for recurrent in (True, False):
        net = SRN(**SMALL, recurrent=recurrent, num_scales=2).eval()
        stem = net.scales[0].encoder.stages[0][0][0]
        stem.weight.data[:, 3:] = 0  # not reading the coarser result
        state = torch.rand(1, 4, 4, 4), torch.rand(1, 4, 4, 4)
        image = torch.rand(1, 6, 16, 16)
        with torch.no_grad():
            outputs[recurrent] = [net.scales[0](image, s)[0] for s in (None, state)]
    assert not torch.allclose(*outputs[True], atol=1e-4)
    assert torch.equal(*outputs[False])


def test_skips_reach_the_decoder():
    torch.manual_seed(0)
    scale = SRN(**SMALL).scales[0]
    for parameter in scale.memory.parameters():
        parameter.data.fill_(0)  # tanh(0): the memory gives nothing
    one, other = torch.rand(2, 1, 6, 16, 16)
    assert not torch.allclose(scale(one, None)[0], scale(other, None)[0], atol=1e-5)


@pytest.mark.parametrize("size", [3, 5])
def test_kernel_of_the_memory(size):
    assert SRN(**SMALL, lstm_kernel_size=size).scales[0].memory.gates.kernel_size == (size, size)
