import torch

from unblur.layers.cbam import CBAM


def test_weights_features_and_never_amplifies_them():
    torch.manual_seed(0)
    feat = torch.randn(2, 8, 9, 7)
    attended = CBAM(width=8, reduction=2)(feat)
    share = attended / feat
    assert share.min() > 0
    assert share.max() < 1
    # One factor a channel and one a position: the share is their product.
    log_share = share.log()
    rank_one = log_share.mean((2, 3), keepdim=True) + log_share.mean(1, keepdim=True) - log_share.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(log_share, rank_one, atol=1e-3, rtol=0)


def test_with_everything_at_zero_both_gates_are_half():
    layer = CBAM(width=4)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    feat = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(layer(feat), feat / 4)


def test_hand_calculated_channel_gate():
    layer = CBAM(width=1, reduction=1)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        layer.channels[0].weight.fill_(1)
        layer.channels[2].weight.fill_(1)
    feat = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)  # maximum 3, mean 2
    torch.testing.assert_close(layer(feat), feat * torch.sigmoid(torch.tensor(5.0)) / 2)


def test_arguments_count():
    torch.manual_seed(0)
    count = [sum(p.numel() for p in CBAM(width=32, **k).parameters()) for k in ({}, {"reduction": 4}, {"kernel_size": 3})]
    assert count == [32 * 2 * 2 + 34 + 99, 32 * 8 * 2 + 40 + 99, 32 * 2 * 2 + 34 + 19]
