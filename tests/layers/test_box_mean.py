import torch
from torch.nn.functional import avg_pool2d, pad

from unblur.layers.box_mean import box_mean


def test_it_is_the_mean_of_nine() -> None:
    picture = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(1))
    expected = avg_pool2d(pad(picture, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    torch.testing.assert_close(box_mean(picture), expected)


def test_what_is_even_stays() -> None:
    torch.testing.assert_close(box_mean(torch.full((1, 1, 1, 4), 0.3)), torch.full((1, 1, 1, 4), 0.3))
