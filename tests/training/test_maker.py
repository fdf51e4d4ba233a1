"""Pairs of dynamic scenes as a source of training."""

import json
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

import unblur
from unblur.errors import InputError
from unblur.synth.dynamic import KINDS, DynamicBlur
from unblur.synth.highspeed import cache_frames
from unblur.synth.stills import StillsBlur
from unblur.training import loop, sources
from unblur.training.loop import train
from unblur.training.maker import DynamicMaker, PhotoMaker
from unblur.training.recipe import Recipe, read_recipe
from unblur.training.sources import identity_of, open_source

RECIPE = "dmphn/stills-cpu-hour"
BLUR = {"length": [1.0, 4.0]}
DYNAMIC = {"kind": "dynamic", "pair_size": 32, "pool": 4, "pool_start": 2, "new_pairs": 0.5, "blur": BLUR}


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory) -> list[Path]:
    path = tmp_path_factory.mktemp("cutouts") / "ball.png"
    picture = np.zeros((30, 40, 4), np.uint8)
    cv2.circle(picture, (20, 15), 11, (40, 90, 200, 255), -1)
    cv2.imwrite(str(path), picture)
    return [path]


@pytest.fixture(scope="module")
def highspeed(tmp_path_factory) -> list[Path]:
    path = tmp_path_factory.mktemp("highspeed") / "pan.mp4"
    still = np.random.default_rng(3).integers(0, 256, (8, 12, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(240), options={"crf": "4", "x264-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(24):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(still, number, axis=1), "rgb24")))
        out.mux(stream.encode(None))
    return [path]


@pytest.fixture
def recipe(shrink) -> Recipe:
    return shrink(RECIPE, data=DYNAMIC, steps=4, save_every=2, log_every=2)


class AtOnce:
    """A window that makes its pairs when they are asked for, and keeps what it was opened with."""

    waited = 0.0
    opened: list[dict] = []  # noqa: RUF012

    def __init__(self, maker, **rest):
        self.maker = pickle.loads(pickle.dumps(maker))
        self.opened.append({"maker": self.maker, **rest})

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def range(self, step):
        return step, step + 3

    def stop(self):
        pass

    def pair(self, index):
        made = self.maker(index)
        assert {name: (array.shape, str(array.dtype)) for name, array in made.items()} == self.maker.layout
        return made


@pytest.fixture
def at_once(monkeypatch) -> list[dict]:
    monkeypatch.setattr(sources, "PairPool", AtOnce)
    AtOnce.opened.clear()
    return AtOnce.opened


def maker(photos, cutouts, frames=(), **changes) -> DynamicMaker:
    return DynamicMaker(photos=tuple(photos), cutouts=tuple(cutouts), frames=tuple(frames), seed=3, size=32, blur=DynamicBlur(**changes))


def test_pairs_are_functions_of_seed_and_number(photos, cutouts, highspeed, tmp_path):
    frames = [cache_frames(highspeed[0], tmp_path)]
    first, second = maker(photos, cutouts, frames), pickle.loads(pickle.dumps(maker(photos, cutouts, frames)))
    for index in range(6):
        one, other = first(index), second(index)
        assert {name: (array.shape, str(array.dtype)) for name, array in one.items()} == first.layout
        assert all(np.array_equal(one[name], other[name]) for name in ("blurry", "sharp"))
    assert not np.array_equal(first(0)["sharp"], first(1)["sharp"])


def test_a_recipe_takes_ranges_of_dynamic_scenes(recipe):
    assert recipe.data.blur == BLUR
    with pytest.raises(InputError, match="no range `lenght`; did you mean `length`"):
        read_recipe(RECIPE, changes={"data.kind": "dynamic", "data.blur": {"lenght": [1, 2]}})
    with pytest.raises(InputError, match="no range `turns`"):
        read_recipe(RECIPE, changes={"data.blur": {"turns": 1}})
    told = {
        "data": DYNAMIC,
        "crop": 16,
        "objective": {"kind": "blur_field", "loss": {"mse": 1.0}, "blur_field_weight": 1.0, "teacher_forcing_until": 1},
    }
    with pytest.raises(InputError, match=r"needs `data\.kind: stills`"):
        read_recipe(RECIPE, changes=told)


def test_a_network_trains_and_goes_on_where_it_was_stopped(recipe, photos, cutouts, highspeed, tmp_path, monkeypatch, at_once):
    inputs = {"photos": photos, "cutouts": cutouts, "highspeed": highspeed}
    records = list(train(recipe, out=tmp_path / "whole", **inputs))
    assert [record["step"] for record in records] == [2, 4]
    assert all(np.isfinite(record["loss"]) for record in records)
    step = loop.Training._take_step

    def interrupted(self, batch):
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "_take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(train(recipe, out=tmp_path / "stopped", **inputs))
    list(train(recipe, out=tmp_path / "stopped", **inputs))
    whole, stopped = (torch.load(tmp_path / name / "state.pt", weights_only=True)["net"] for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    frames = at_once[0]["maker"].frames
    assert [path.parent for path in frames] == [tmp_path / "whole/pool/frames"]


def test_pairs_are_made_anew_when_a_source_changes(recipe, photos, cutouts, highspeed, tmp_path, at_once):
    for number, changes in enumerate(({}, {"cutouts": []}, {"highspeed": []}, {"photos": photos[:1]}, {})):
        inputs = {"photos": photos, "cutouts": cutouts, "highspeed": highspeed} | changes
        with open_source(recipe, data=[], num_frames=1, pool=tmp_path / str(number), part=(0, 1), **inputs):
            pass
    identities = [json.dumps(each["identity"]) for each in at_once]
    assert len(set(identities)) == 4
    assert identities[0] == identities[-1]


def identity_in(recipe, pool, opened, **inputs):
    with open_source(recipe, data=[], num_frames=recipe.frames, pool=pool, part=(0, 1), **inputs):
        return json.dumps(opened[-1]["identity"])


def test_pairs_are_made_anew_when_the_content_of_a_file_changes_and_not_when_it_is_moved(recipe, photos, cutouts, tmp_path, at_once):
    inputs = {"photos": photos, "cutouts": cutouts}
    before = identity_in(recipe, tmp_path, at_once, **inputs)
    for kind, files in inputs.items():
        copy = tmp_path / f"{kind}.png"
        copy.write_bytes(files[0].read_bytes())
        assert identity_in(recipe, tmp_path, at_once, **(inputs | {kind: [copy, *files[1:]]})) == before
        cv2.imwrite(str(copy), 255 - cv2.imread(str(copy), cv2.IMREAD_UNCHANGED))
        assert identity_in(recipe, tmp_path, at_once, **(inputs | {kind: [copy, *files[1:]]})) != before


def test_pairs_are_made_anew_by_another_version(recipe, photos, tmp_path, at_once, monkeypatch):
    before = identity_in(recipe, tmp_path, at_once, photos=photos)
    assert identity_in(recipe, tmp_path, at_once, photos=photos) == before
    monkeypatch.setattr(unblur, "__version__", "99")
    assert identity_in(recipe, tmp_path, at_once, photos=photos) != before


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("swift/stills", {"pair_size": 64}),
        ("swift/stills", {"seed": 7}),
        ("swift/stills", {"blur": {"length": [1.0, 2.0]}}),
        ("swift_video/sequences-cpu-hour", {"frames": 5}),
        ("swift_video/sequences-cpu-hour", {"blur": {"length": [1.0, 2.0]}}),
        ("dmphn/stills-cpu-hour", {"data": DYNAMIC}),
    ],
)
def test_pairs_are_made_anew_when_an_argument_changes(shrink, change, photos, tmp_path, at_once, name, changes):
    recipe = shrink(name)
    after = change(recipe, **changes)
    assert identity_in(recipe, tmp_path, at_once, photos=photos) != identity_in(after, tmp_path, at_once, photos=photos)


def test_pairs_are_made_anew_when_a_default_range_changes(photos):
    """A recipe that says nothing of a range has what the program says."""
    one, other = (PhotoMaker(tuple(photos), 1, 32, 1, False, False, StillsBlur(turn=turn)) for turn in (0.0, 0.1))
    assert identity_of(one) != identity_of(other)
    assert identity_of(one) != identity_of(replace(one, kernel=9))
    assert identity_of(one) != identity_of(replace(one, flow=True))


def test_what_needs_no_new_pairs_makes_none(recipe, change, photos, tmp_path, at_once):
    before = identity_in(recipe, tmp_path, at_once, photos=photos)
    assert identity_in(change(recipe, lr=0.5, steps=99, crop=24), tmp_path, at_once, photos=photos) == before


def test_a_window_of_other_processes_gives_the_same_pairs(recipe, photos, cutouts, highspeed, tmp_path):
    with open_source(
        recipe, photos=photos, data=[], num_frames=1, pool=tmp_path, part=(0, 1), cutouts=cutouts, highspeed=highspeed
    ) as source:
        batch = source.batch(0, slots=range(2))
    assert batch.blurry.shape == (2, 3, recipe.crop, recipe.crop)
    assert batch.sharp.shape == (2, 1, 3, recipe.crop, recipe.crop)
    assert batch.blur_field is None
    with open_source(
        recipe, photos=photos, data=[], num_frames=1, pool=tmp_path, part=(0, 1), cutouts=cutouts, highspeed=highspeed
    ) as source:
        assert torch.equal(source.batch(0, slots=range(2)).blurry, batch.blurry)


def test_sources_that_are_missing_are_named(recipe, change, photos, highspeed, tmp_path, at_once):
    where = {"data": [], "num_frames": 1, "pool": tmp_path, "part": (0, 1)}
    with pytest.raises(InputError, match=r"--photos DIR.*--highspeed FILE"), open_source(recipe, photos=[], **where):
        pass
    probabilities = {f"{kind}_probability": 0.0 for kind in KINDS} | {"frames_probability": 1.0}
    frames = change(recipe, blur=probabilities)
    with pytest.raises(InputError, match="`frames` needs clips"), open_source(frames, photos=photos, **where):
        pass
    large = change(recipe, pair_size=100)
    with pytest.raises(InputError, match="sides of 100 pixels"), open_source(large, photos=[], highspeed=highspeed, **where):
        pass
    with open_source(recipe, photos=[], highspeed=highspeed, **where) as source:
        assert source.batch(0, slots=range(1)).blurry.shape[0] == 1
    assert len(at_once) == 1
