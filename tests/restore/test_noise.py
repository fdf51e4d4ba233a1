import torch

import unblur
from unblur.restore.noise import like_pictures


def pictures(count=2, height=96, width=128, *, seed=0):
    return like_pictures(count, height, width, generator=torch.Generator().manual_seed(seed))


def test_pictures_are_in_range_and_drawn_by_the_generator():
    first, other = pictures()
    assert first.shape == (3, 96, 128)
    assert first.min() >= 0
    assert first.max() <= 1
    assert not torch.equal(first, other)
    torch.testing.assert_close(pictures(), pictures(), atol=0, rtol=0)


def test_they_are_blurred_along_the_rows():
    picture = pictures(1)[0]
    assert picture.diff(dim=2).abs().mean() < picture.diff(dim=1).abs().mean() / 2


@torch.no_grad()
def test_there_is_something_to_restore_for_a_network_that_leaves_sharp_pictures():
    net = unblur.load("swift_fused", device="cpu", precision="fp32", threads=1).net
    blurry = pictures(1, 128, 128)
    blur_field = net.swift_best.blur_field(blurry)
    assert net.blurred(blur_field, size=(128, 128)).min() == 1
    assert net.restored_share(blurry, net.changes(blurry, blur_field)).min() == 1
