import pytest
import torch

from unblur.layers.light import luma


def test_luma_by_hand():
    colours = torch.eye(3)[..., None, None]  # red, green and blue pictures
    assert luma(colours).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_luma_of_grey_is_grey():
    grey = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(luma(grey.expand(-1, 3, -1, -1)), grey)
