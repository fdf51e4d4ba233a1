import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unblur.errors import ShapeError
from unblur.layers.pooling import patch_means

RAMP = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]).view(1, 1, 3, 3)


@pytest.mark.parametrize(
    ("patches", "expected"),
    [(1, [5.0]), (2, [2.0, 6.5]), (4, [1.0, 2.5, 5.5, 7.0])],
)
def test_odd_sides_by_hand(patches, expected):
    """3x3 is cut after the first row and column: upper {1 2 3}, lower {4 ... 9}; quadrants {1}, {2 3}, {4 7}, {5 6 8 9}."""
    torch.testing.assert_close(patch_means(RAMP, patches=patches), torch.tensor([expected]))


@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 2, 4]))
def test_nothing_is_dropped(height, width, patches):
    """The means, weighted by the patch sizes, give the mean of the whole map."""
    feat = torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = [height // 2, height - height // 2] if patches > 1 else [height]
    columns = [width // 2, width - width // 2] if patches > 2 else [width]
    sizes = torch.tensor([r * c for r in rows for c in columns], dtype=torch.float64)
    means = patch_means(feat, patches=patches).view(2, patches, 3)
    whole = (means * sizes[:, None]).sum(dim=1) / (height * width)
    torch.testing.assert_close(whole, feat.mean(dim=(2, 3)))


def test_patch_by_patch_then_channel():
    feat = torch.stack([torch.zeros(4, 2), torch.ones(4, 2)])[None]
    feat[:, :, 2:] += 10
    assert patch_means(feat, patches=2).tolist() == [[0, 1, 10, 11]]


@pytest.mark.parametrize("patches", [1, 2, 4])
def test_a_single_position(patches):
    assert patch_means(torch.full((1, 1, 1, 1), 7.0), patches=patches).tolist() == [[7.0] * patches]


def test_refusals():
    with pytest.raises(ValueError, match="1, 2 or 4"):
        patch_means(RAMP, patches=3)
    with pytest.raises(ShapeError):
        patch_means(RAMP[0], patches=1)
