"""The frames of a clip come out of all sizes in order, whenever each size has them, and are joined as pictures are."""

import numpy as np
import pytest
import torch
from nets import CPU, TINY_VIDEO

from unblur.io.video import Frame
from unblur.models import create
from unblur.restore.clip import ClipRestorer
from unblur.restore.multi_scale import Restored, joined, shrunk
from unblur.restore.multi_scale_clip import MultiScaleClip
from unblur.restore.precision import Setup

SETUP = Setup(CPU, torch.float32)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    made = create("swift_video", **TINY_VIDEO).eval()
    for parameter in made.parameters():
        parameter.data += 0.03 * torch.randn(parameter.shape)  # also where training starts from zero
    return made


def frame(number, *, height=272, width=300, offset=0):
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin((x + number) / (4 + i)) * np.cos(y / (5 - i)) for i in range(3)]
    return Frame((127 + offset + 50 * np.stack(waves, axis=2)).astype(np.uint8), pts=40 * number)


def restorer(net):
    return ClipRestorer(net, setup=SETUP, strength=1.0, tile=512, smallest=64, halo=8, budget=1e9)


def run(clip, frames):
    done = [pair for each in frames for pair in clip.push(each)] + clip.finish()
    assert [each.pts for each, _ in done] == [each.pts for each in frames]
    assert all(each.pixels is given.pixels for (each, _), given in zip(done, frames, strict=True))
    return [pixels for _, pixels in done]


def test_one_size_is_a_restorer(net):
    frames = [frame(number) for number in range(5)]
    alone, sized = restorer(net), MultiScaleClip(lambda: restorer(net), step=None)
    np.testing.assert_array_equal(run(sized, frames), run(alone, frames))
    assert sized.kept_input == alone.kept_input
    assert sized.network_seconds > 0


def test_frames_are_joined_from_what_each_size_makes_of_the_clip(net):
    frames = [frame(number) for number in range(4)]
    small = [Frame(shrunk(each.pixels, (136, 150)), pts=each.pts) for each in frames]
    parts = run(restorer(net), small), run(restorer(net), frames)
    expected = [
        joined(own.pixels, [Restored(less.pixels, made_less), Restored(own.pixels, made)])
        for own, less, made_less, made in zip(frames, small, *parts, strict=True)
    ]
    restored = run(MultiScaleClip(lambda: restorer(net), step=2.0), frames)
    np.testing.assert_array_equal(restored, expected)
    assert np.abs(restored[1].astype(int) - parts[1][1]).max() > 3  # the smaller one has a say


def test_sizes_that_see_a_cut_at_different_frames_wait_for_each_other(net, monkeypatch):
    frames = [frame(number) for number in range(6)]
    cuts = {272: {2, 3}, 136: {4}}
    seen = dict.fromkeys(cuts, 0)

    def is_cut(_self, picture):
        height = picture.shape[-2]
        seen[height] += 1
        return seen[height] - 1 in cuts[height]

    monkeypatch.setattr("unblur.restore.cuts.CutDetector.cuts", is_cut)
    restored = run(MultiScaleClip(lambda: restorer(net), step=2.0), frames)
    assert len(restored) == 6
    assert seen == {272: 6, 136: 6}


def test_a_change_of_size_begins_anew(net):
    first, second = [frame(number) for number in range(3)], [frame(number, height=256, width=128) for number in range(3, 6)]
    clip = MultiScaleClip(lambda: restorer(net), step=2.0)
    restored = run(clip, first + second)
    both = [run(MultiScaleClip(lambda: restorer(net), step=2.0), some) for some in (first, second)]
    for one, other in zip(restored, both[0] + both[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_restored_of_a_clip_without_frames(net):
    clip = MultiScaleClip(lambda: restorer(net), step=2.0)
    assert clip.finish() == []
    assert clip.kept_input == clip.network_seconds == 0
