"""Data sets of several plans: the same bytes however they are made, and recipes that say what is wrong with them."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from unblur.data.layouts import gopro, windows
from unblur.errors import InputError
from unblur.synth.folder import DataSetFolder
from unblur.synth.make import join, make, make_part
from unblur.synth.mixed import MixedPlan, Sources, plan_of, read_set_recipe, set_recipe_names
from unblur.synth.plans import ClipPlan, ScenePlan, StillsPlan

RECIPE = """
size: 32
sets:
  - {kind: stills, count: 2, blur: {length: [2, 6]}}
  - {kind: sequences, count: 2, frames: 3}
  - {kind: dynamic, count: 3, blur: {frames_probability: 0.0}}
  - {kind: clips, scale: 0.5, blur: {frames_per_blur: [3], interpolate: never, least_detail: 0.0, least_motion: 0.0, max_blurred: 1.0}}
"""


@pytest.fixture
def sources(tmp_path):
    """A photo, and a clip of it that pans; folders of numbered frames stand for high-speed clips."""
    coarse = np.random.default_rng(0).integers(30, 226, (24, 24, 3), np.uint8)
    photo = cv2.resize(coarse, (192, 192), interpolation=cv2.INTER_CUBIC)
    for folder in ("photos", "pan"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), photo)
    for number in range(9):
        cv2.imwrite(str(tmp_path / "pan" / f"{number:02d}.png"), photo[:96, 2 * number : 2 * number + 128])
    return Sources(photos=(tmp_path / "photos",), highspeed=(tmp_path / "pan",))


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mix.yaml").write_text(RECIPE)
    return read_set_recipe(tmp_path / "mix.yaml")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def plan(recipe, sources, *, seed=3) -> MixedPlan:
    made = plan_of(recipe, sources, seed=seed)
    clips = made.plans[-1]
    assert isinstance(clips, ClipPlan)
    return MixedPlan(
        (*made.plans[:-1], ClipPlan(clips.clips, clips.response, clips.blur, clips.seed, rate=240, scale=clips.scale, prefix="3_"))
    )


def test_all_kinds_are_in_one_data_set(recipe, sources, tmp_path):
    made = make(plan(recipe, sources), tmp_path / "set", version="1")
    samples = gopro(tmp_path / "set", split="train", blur="blur_gamma")
    names = {sample.sequence for sample in samples}
    drawn = ["0_stills_00000", "0_stills_00001", "1_stills_00000", "1_stills_00001", *(f"2_dynamic_{number:05d}" for number in range(3))]
    clips = sorted(names - set(drawn))
    assert sorted(names)[: len(drawn)] == drawn
    assert clips
    assert all(name.startswith("3_pan_") for name in clips)
    assert (made.pairs, made.sequences) == (len(samples), len(names))
    assert {sample.sequence[0] for sample in windows(samples, num_frames=3, edges="drop")} >= {
        "1"
    }  # networks of several frames take the sequences alone


def test_parts_that_are_made_apart_are_the_same_bytes(recipe, sources, tmp_path):
    whole = plan(recipe, sources)
    make(whole, tmp_path / "whole", version="1")
    sent = pickle.loads(pickle.dumps(whole.anywhere(tmp_path / "kept")))
    assert sent.parts == 2 + 2 + 3 + 1
    (tmp_path / "kept").mkdir()
    places = [tmp_path / f"part{first}" for first in (0, 3, 6)]
    for place, first in zip(places, (0, 3, 6), strict=True):
        make_part(sent, place, parts=range(first, min(first + 3, sent.parts)))
    with DataSetFolder(tmp_path / "joined") as folder:
        join(sent, places, folder=folder, version="1")
    assert files(tmp_path / "joined") == files(tmp_path / "whole")


def test_units_are_those_of_its_plans(recipe, sources, monkeypatch):
    monkeypatch.setattr("unblur.synth.plans.DRAWS_A_UNIT", 2)
    assert plan(recipe, sources).units() == [range(2), range(2, 4), range(4, 6), range(6, 7), range(7, 8)]


def test_the_manifest_has_the_digest_of_all_pictures(recipe, sources, tmp_path):
    digests = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make(plan(recipe, sources, seed=seed), tmp_path / name, version=name)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert [each["made by"] for each in manifest["sets"]] == ["synth stills", "synth stills", "synth dynamic", "synth video"]
        digests.append(manifest["sha256"])
    assert digests[0] == digests[1] != digests[2]


def test_sets_differ_in_their_randomness(recipe, sources):
    seeds = [each.seed for each in plan(recipe, sources).plans if isinstance(each, StillsPlan | ScenePlan)]
    assert len(set(seeds)) == 3
    assert seeds == [each.seed for each in plan(recipe, sources).plans if isinstance(each, StillsPlan | ScenePlan)]


PLANS = {"light": {ScenePlan}, "light-clips": {StillsPlan, ClipPlan}, "shared": {StillsPlan, ScenePlan, ClipPlan}}


@pytest.mark.parametrize("name", set_recipe_names())
def test_built_in_recipes_have_plans(name, sources):
    made = plan_of(read_set_recipe(name), sources, seed=1)
    made.check()
    assert {type(each) for each in made.plans} == PLANS[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sets: []", "sets"),
        ("sets: [{kind: stills}]", "count"),
        ("sets: [{kind: stills, count: 0}]", "count"),
        ("sets: [{kind: other, count: 1}]", "kind|tag"),
        ("sets: [{kind: stills, count: 1, blur: {lenght: [1, 2]}}]", "there is no range `lenght`"),
        ("sets: [{kind: dynamic, count: 1, blur: {length: [3, 2]}}]", "the smaller first"),
        ("sets: [{kind: clips, count: 1}]", "count"),
        ("size: [", "cannot be used"),
        ("- 1", "does not fit"),
        ("sets: !!python/object/apply:os.system ['true']", "cannot be used"),
    ],
)
def test_what_does_not_fit_is_named(text, message, tmp_path):
    (tmp_path / "mix.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_set_recipe(tmp_path / "mix.yaml")


def test_a_recipe_or_source_that_is_missing_is_named(recipe, sources):
    with pytest.raises(InputError, match=r"no recipe of a data set `sharred`; name a YAML file, or one of .*shared"):
        read_set_recipe("sharred")
    with pytest.raises(InputError, match="`stills`; name sharp photos"):
        plan_of(recipe, Sources(highspeed=sources.highspeed), seed=0)
    with pytest.raises(InputError, match="`--highspeed`"):
        plan_of(recipe, Sources(photos=sources.photos), seed=0)
