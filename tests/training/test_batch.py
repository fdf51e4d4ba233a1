import re

import numpy as np
import pytest
import torch

from unblur.data.layouts import Sample
from unblur.data.transforms import Adjust, Crop, Flip, Noise, PermuteChannels, Reverse, Rotate90
from unblur.errors import InputError
from unblur.training.batch import Batch, transforms_of
from unblur.training.loop import train
from unblur.training.prefetch import Prefetch
from unblur.training.recipe import Recipe
from unblur.training.sources import Files, Made, read_samples


class Window:
    """Pairs whose sharp picture is the blurry one plus 1, with a blur field along x that is as long as the pair's number."""

    waited = 0.0

    def range(self, step: int) -> tuple[int, int]:
        return 1 + step, 9 + step

    def stop(self) -> None:
        pass

    def pair(self, index: int) -> dict[str, np.ndarray]:
        blurry = np.random.default_rng(index).integers(0, 255, (1, 32, 32, 3), np.uint8)
        return {"blurry": blurry, "sharp": blurry + 1, "blur_field": np.full((1, 8, 8, 3), (index, 0, index), np.float16)}


@pytest.fixture(scope="module")
def source(recipe, change) -> Made:
    return Made(Window(), recipe=change(recipe, crop=16, batch=6, pair_size=32))


def test_crops_of_blurry_sharp_and_spread_belong_together(source):
    for step in range(8):
        batch = source.batch(step, slots=range(6))
        assert batch.blurry.shape == batch.reference.shape == batch.truth.shape == (6, 3, 16, 16)
        assert batch.blur_field.shape == (6, 3, 4, 4)
        assert torch.equal(batch.truth, batch.blurry + 1)
        assert torch.equal(batch.blur_field[:, 0].abs(), batch.blur_field[:, 2])  # a quarter turn changes the sign along x
        assert 1 + step <= batch.blur_field[:, 2].min() <= batch.blur_field[:, 2].max() < 9 + step


def test_bytes_become_floats_where_they_are_needed(source):
    read = source.batch(0, slots=range(6))
    there = read.to(torch.device("cpu"), channels_last=True)
    assert read.blurry.dtype == read.sharp.dtype == torch.uint8
    assert torch.equal(there.blurry, read.blurry.float() / 255)
    assert torch.equal(there.sharp, read.sharp.float() / 255)
    again = there.to(torch.device("cpu"), channels_last=False)
    assert torch.equal(again.blurry, there.blurry)


def test_a_sample_is_a_function_of_seed_step_slot_and_order(source):
    def drawn(made=source, *, step=5, order=0):
        return made.batch(step, slots=range(6), order=order).blurry

    assert torch.equal(drawn(), drawn())
    assert torch.equal(drawn()[2:4], source.batch(5, slots=range(2, 4)).blurry)  # whoever calculates it
    assert not torch.equal(drawn(), drawn(step=6))
    assert not torch.equal(drawn(), drawn(order=1))
    assert not torch.equal(drawn()[0], drawn()[1])
    assert not torch.equal(drawn(), drawn(Made(Window(), recipe=source.recipe.model_copy(update={"seed": 9}))))


def test_crops_are_turned_both_ways(source):
    signs = torch.cat([source.batch(step, slots=range(6)).blur_field[:, 0, 0, 0].sign() for step in range(6)])
    assert float((signs > 0).float().mean()) == pytest.approx(0.5, abs=0.3)


def test_a_batch_is_cut_into_equal_parts(source):
    batch = source.batch(0, slots=range(6))
    parts = batch.parts(3)
    assert torch.equal(torch.cat([part.blurry for part in parts]), batch.blurry)
    assert torch.equal(torch.cat([part.blur_field for part in parts]), batch.blur_field)
    assert [part.slots.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]


def test_threads_give_the_same_batches_in_the_same_order(source):
    with Prefetch(source, slots=range(6), threads=3) as ahead, Prefetch(source, slots=range(6), threads=0) as plain:
        for step, order in ((3, 0), (4, 0), (5, 0), (2, 1), (3, 1)):  # going back begins anew
            one, other = (each.batch(step, order=order, last=7) for each in (ahead, plain))
            assert torch.equal(one.blurry, other.blurry)
        assert ahead.waited > 0


def test_augmentation_is_what_the_recipe_says(recipe):
    published = recipe.model_copy(update={"reverse": 0.5, "permute_channels": 1.0, "saturation": (0.8, 1.2), "noise": 0.01})
    assert [type(each) for each in transforms_of(published)] == [Crop, Reverse, Rotate90, Flip, PermuteChannels, Adjust, Noise]
    nothing = {"flip": 0.0, "rotate90": False, "permute_channels": 0.0}
    assert [type(each) for each in transforms_of(recipe.model_copy(update=nothing))] == [Crop]
    assert transforms_of(recipe.model_copy(update={"flip": 0.25, "flip_vertical": 0.5}))[2] == Flip(0.25, 0.5)


# Data sets


def test_windows_of_a_data_set(sets):
    whole = read_samples("gopro", [sets["gopro"]], choice={"split": "train", "blur": "blur_gamma"}, num_frames=5, edges="drop")
    assert [[sample.frame for sample in window] for window in whole] == [list(range(first, first + 5)) for first in range(4)]
    for count in range(1, 9):  # of eight frames
        windows = read_samples("gopro", [sets["gopro"]], choice={"split": "train", "blur": "blur_gamma"}, num_frames=count, edges="drop")
        assert [[sample.frame for sample in window] for window in windows] == [
            list(range(first, first + count)) for first in range(9 - count)
        ]
    even = read_samples("dvd", [sets["dvd"]], choice={"split": "test"}, num_frames=4, edges="repeat")
    assert [sample.frame for sample in even[0]] == [0, 0, 0, 1]
    assert [window[2].frame for window in even] == list(range(8))
    repeated = read_samples("dvd", [sets["dvd"]] * 2, choice={"split": "test"}, num_frames=3, edges="repeat")
    assert len(repeated) == 16
    assert [sample.frame for sample in repeated[0]] == [0, 0, 1]
    with pytest.raises(InputError, match="has the 9 frames"):
        read_samples("dvd", [sets["dvd"]], choice={"split": "test"}, num_frames=9, edges="drop")
    with pytest.raises(InputError, match="cannot be read with"):
        read_samples("dvd", [sets["dvd"]], choice={"blur": "blur"}, num_frames=1, edges="drop")


@pytest.mark.parametrize("frames", [5, 6])
def test_clips_carry_the_truths_that_are_asked_for(shrink, sets, change, frames):
    recipe = shrink("ifirnn/gopro", frames=frames, reverse=0.0)
    windows = read_samples("gopro", [sets["gopro"]], choice=recipe.data.choice, num_frames=frames, edges="drop")
    every = Files(windows, recipe=recipe).batch(0, slots=range(2))
    middle = Files(windows, recipe=change(recipe, truths="middle")).batch(0, slots=range(2))
    assert every.blurry.shape == every.sharp.shape == (2, frames, 3, 16, 16)
    assert middle.sharp.shape == (2, 1, 3, 16, 16)
    assert torch.equal(every.truth, middle.truth)
    assert torch.equal(every.reference, every.blurry[:, frames // 2])


def test_a_twin_sees_nothing_but_the_reference(shrink, sets, change):
    recipe = shrink("ifirnn/gopro", frames=5, noise=0.1)
    windows = read_samples("gopro", [sets["gopro"]], choice=recipe.data.choice, num_frames=5, edges="drop")
    clip = Files(windows, recipe=recipe).batch(0, slots=range(2))
    twin = Files(windows, recipe=change(recipe, reference_only=True)).batch(0, slots=range(2))
    assert torch.equal(twin.reference, clip.reference)  # the noise is copied, too
    assert torch.equal(twin.truth, clip.truth)
    assert twin.blurry.shape == clip.blurry.shape
    assert twin.sharp.shape == clip.sharp.shape
    for place in range(5):
        assert torch.equal(twin.blurry[:, place], clip.reference)
        assert torch.equal(twin.sharp[:, place], clip.truth)
    assert not torch.equal(clip.blurry[:, 0], clip.reference)


def test_a_network_of_one_frame_can_see_the_middle_one_of_a_clip(shrink, sets, change):
    recipe = shrink("mdcn/gopro")
    windows = read_samples("gopro", [sets["gopro"]], choice=recipe.data.choice, num_frames=5, edges="drop")
    clip = Files(windows, recipe=recipe).batch(0, slots=range(2))
    picture = Files(windows, recipe=change(recipe, middle_only=True)).batch(0, slots=range(2))
    assert torch.equal(picture.blurry, clip.blurry[:, 2])
    assert torch.equal(picture.truth, clip.truth)
    assert torch.equal(picture.reference, clip.reference)
    assert (picture.sharp.shape, picture.flow) == ((2, 1, 3, 16, 16), None)


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("srn/gopro", {"kind": "clips", "layout": "gopro", "frames": 3}, "`data.middle_only: true` shows it the middle frame of `clips`"),
        (
            "mdcn/gopro",
            {"kind": "clips", "layout": "gopro", "frames": 5, "middle_only": True},
            "`data.middle_only` is for networks that see one",
        ),
    ],
)
def test_who_may_see_the_middle_frame_alone(name, keys, words, shrink, sets, tmp_path):
    recipe = shrink(name, data=keys | {"choice": {"split": "train", "blur": "blur_gamma"}})
    with pytest.raises(InputError, match=re.escape(words)):
        list(train(recipe, out=tmp_path, data=[sets["gopro"]]))


def test_pictures_smaller_than_the_crop_and_of_two_sizes_are_named(shrink, sets, tmp_path):
    recipe: Recipe = shrink("srn/gopro", crop=512)
    windows = read_samples("gopro", [sets["gopro"]], choice=recipe.data.choice, num_frames=1, edges="drop")
    with pytest.raises(InputError, match=r"png` has 272x256 pixels, fewer than the crop.*crop=256"):
        Files(windows, recipe=recipe).batch(0, slots=range(1))
    sharp = windows[0][0].sharp[0]
    odd = tmp_path / "odd.png"
    import cv2

    cv2.imwrite(str(odd), cv2.imread(str(sharp))[:200])
    with pytest.raises(InputError, match=r"odd\.png` differ in size"):
        Files([[Sample((odd,), (sharp,), "a", 0)]], recipe=recipe).batch(0, slots=range(1))


def test_at_an_end_of_its_shot_a_clip_has_copies_of_its_middle():
    generator = torch.Generator().manual_seed(0)
    blurry, flow = torch.rand(4, 3, 3, 8, 8, generator=generator), torch.rand(4, 2, 8, 8, generator=generator)
    batch = Batch(blurry, blurry[:, 1:2], None, flow, -flow, torch.arange(4))
    first, last = torch.tensor([True, False, True, False]), torch.tensor([False, True, True, False])
    cut = batch.at_ends(first, last)
    for place, middle in enumerate(blurry[:, 1]):
        before, after = (middle if end[place] else blurry[place, side] for end, side in ((first, 0), (last, 2)))
        assert torch.equal(cut.blurry[place], torch.stack([before, middle, after]))
        assert torch.equal(cut.flow[place], flow[place] * ~first[place])  # a copy has not moved
        assert torch.equal(cut.flow_next[place], -flow[place] * ~last[place])
    assert cut.sharp is batch.sharp
