import torch

from unblur.layers.coordinates import CoordinateConv, CoordinateDeconv


def test_flow_is_not_rounded_by_bf16_features_or_autocast():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 6, 6).bfloat16()
    for layer in (CoordinateConv(in_channels=4, out_channels=2), CoordinateDeconv(channels=4)):
        expected = layer(x.float())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under_autocast = layer(x)
        assert under_autocast.dtype == torch.float32
        assert torch.equal(under_autocast, expected)
        assert layer.to(torch.bfloat16)(x).dtype == torch.float32


def test_a_convolution_of_the_library_computes_the_same():
    torch.manual_seed(0)
    ours, theirs = CoordinateConv(in_channels=3, out_channels=2), torch.nn.Conv2d(3, 2, 3, padding=1)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(ours(x), theirs(x))
    ours, theirs = CoordinateDeconv(channels=2), torch.nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x[:, :2]), theirs(x[:, :2]))


def test_starting_at_zero():
    x = torch.ones(1, 3, 4, 4)
    assert CoordinateConv(in_channels=3, out_channels=2, starts_at_zero=True)(x).abs().max() == 0
    assert CoordinateConv(in_channels=3, out_channels=2)(x).abs().max() > 0
