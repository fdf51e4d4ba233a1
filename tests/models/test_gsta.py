import pytest
import torch

from unblur.layers.double_attention import distribute, gather
from unblur.models.gsta import GSTA, TemporalAggregation


def tiny(**changes):
    torch.manual_seed(0)
    return GSTA(**{"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, "num_descriptors": 5, **changes}).eval()


def clip(frames=5):
    return torch.rand(1, frames, 3, 8, 12, generator=torch.Generator().manual_seed(1))


def test_by_stages():
    net, blurry = tiny(), clip()
    full = [net.encoder.stages[0](frame - 0.5) for frame in blurry.unbind(1)]
    half = [net.encoder.stages[1](feat) for feat in full]
    quarter = [net.encoder.stages[2](feat) for feat in half]
    descriptors = [gather(net.values(feat), net.keys(feat)) for feat in quarter]
    distributed = distribute(net.temporal(descriptors[2], torch.stack(descriptors, dim=1)), net.queries(quarter[2]))
    gate = torch.sigmoid(net.gate(torch.cat([quarter[2], distributed], dim=1)))
    feat = net.decoder.stages[0](quarter[2] + gate * distributed) + half[2]
    feat = net.decoder.stages[1](feat) + full[2]
    torch.testing.assert_close(net(blurry), blurry[:, 2] + net.decoder.stages[2](feat))


def test_temporal_aggregation_by_hand():
    """Query and key pass the one feature on, values are doubled: weights are softmax(2 d) for the reference's descriptor 2."""
    layer = TemporalAggregation(width=1)
    for linear, weight in ((layer.query, 1.0), (layer.key, 1.0), (layer.value, 2.0)):
        linear.weight.data.fill_(weight)
    for linear in (layer.query, layer.value):
        linear.bias.data.fill_(0)
    frames = torch.tensor([0.5, 2.0, -1.0]).view(1, 3, 1, 1)
    weights = torch.softmax(torch.tensor([1.0, 4.0, -2.0]), dim=0)
    reference = torch.tensor([2.0]).view(1, 1, 1)
    torch.testing.assert_close(layer.weights(reference, frames).flatten(), weights)
    torch.testing.assert_close(layer(reference, frames).flatten(), 2 * (weights * frames.flatten()).sum(0, keepdim=True))


def test_every_frame_counts_and_their_order_does_not():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net(changed), restored, atol=1e-6)
    torch.testing.assert_close(net(blurry[:, [4, 1, 2, 0, 3]]), restored)
    assert not torch.allclose(net(blurry[:, [2, 1, 0, 3, 4]]), restored, atol=1e-3)


def test_shares_of_the_frames_add_up_to_one():
    net = tiny()
    diagnostics = {diagnostic.name: diagnostic for diagnostic in net.diagnostics(clip())}
    assert set(diagnostics) == {"alignment", "frame-weights", "restored"}
    (row,) = diagnostics["frame-weights"].rows
    assert list(row) == ["t-2", "t-1", "t", "t+1", "t+2"]
    shares = torch.cat(list(row.values()), dim=1).detach()
    assert shares.shape == (1, 5, 2, 3)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(1, 2, 3))


def test_windows_of_other_lengths():
    net = tiny(num_frames=3)
    assert net(clip(3)).shape == (1, 3, 8, 12)
    assert net.global_context
    for wrong in (1, 4):
        with pytest.raises(ValueError, match="num_frames"):
            tiny(num_frames=wrong)
