"""Every study of `unblur ablate` is trained and measured to its end, with tiny networks on tiny data; a new study is tested by being listed."""

import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from shrunk import small

from unblur.bench.ablate import read_study, studies
from unblur.training.recipe import read_recipe
from unblur.weights import run as weights_of_run

FOLDERS = {
    "gopro": (("train/GOPR0001", "test/GOPR0002"), "blur_gamma", "sharp"),
    "dvd": (("train/IMG_0001", "test/IMG_0003"), "input", "GT"),
}
"""Of each data set: sequences of its parts, and the folders of blurry and sharp frames in them."""


def write_frames(folder, *, blurry, sharp, side, count):
    """A picture that moves, and is blurred along its motion."""
    generator = np.random.default_rng(3)
    scene = cv2.resize(generator.integers(20, 236, (side // 8, side // 8, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    for number in range(count):
        moved = np.roll(scene, 2 * number, axis=1)
        for kind, picture in ((blurry, cv2.blur(moved, (9, 1))), (sharp, moved)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / kind / f"{number:06d}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Both data sets, for trainings, and a clip to measure on."""
    root = tmp_path_factory.mktemp("data")
    for layout, ((train, _), blurry, sharp) in FOLDERS.items():
        write_frames(root / layout / train, blurry=blurry, sharp=sharp, side=256, count=7)
    write_frames(root / "measured", blurry="blurry/clip", sharp="sharp/clip", side=32, count=3)
    return root


pytestmark = pytest.mark.usefixtures("quick_costs")


@pytest.fixture(autouse=True)
def read_once(monkeypatch):
    """What a training left is read several times for each row; here it is kept."""
    kept = {}

    def read_pickle(path, **options):
        key = path, path.stat().st_mtime_ns, *options.values()
        if key not in kept:
            kept[key] = read(path, **options)
        return kept[key]

    read = weights_of_run.read_pickle
    monkeypatch.setattr(weights_of_run, "read_pickle", read_pickle)


def write_recipes(study, *, folder, **changes):
    """The recipes of a study with tiny networks; all else that can be is as shipped."""
    for row in study.rows:
        path = folder / f"{row.recipe}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(small(row.recipe, **changes).model_dump(mode="json")), encoding="utf-8")


@pytest.mark.parametrize("name", studies())
def test_a_study_runs_to_its_end_on_its_data_set(name, run, data, tmp_path):
    study = read_study(name)
    (layout,) = {read_recipe(row.recipe).data.layout for row in study.rows}
    write_recipes(study, folder=tmp_path / "recipes", steps=1)
    options = ("--recipes", "recipes", "-o", "run", "--device", "cpu", "--precision", "fp32", "--save-pictures", "--json")
    code, out, err = run("ablate", name, "--train", data / layout, "--data", data / "measured", *options)
    assert code == 0, err
    found = json.loads(out)
    assert [each["row"]["name"] for each in found] == [row.name for row in study.rows]
    for each in found:
        assert each["steps"] == 1
        assert np.isfinite(each["means"]["psnr"])
        assert each["means"]["psnr"] - each["gain"] == pytest.approx(found[0]["means"]["psnr"] - found[0]["gain"])
        assert (each["verdict"] == "reference") == (each["row"]["name"] == study.reference)
    recipes = [json.loads(path.read_text()) for path in (tmp_path / "run/trainings").glob("*/recipe.json")]
    assert len(recipes) == len(study.rows)
    assert sum(recipe["data"].get("reference_only", False) for recipe in recipes) == sum(bool(row.twin_of) for row in study.rows)
    assert len(list((tmp_path / "run/pictures").glob("*/measured/clip/*.png"))) == 3 * len(study.rows)


def test_networks_of_one_frame_are_trained_on_the_middle_frames_of_short_sequences(run, data, tmp_path):
    study = read_study("ppnet-modules")
    write_recipes(study, folder=tmp_path / "recipes")
    options = ("--recipes", "recipes", "-o", "run", "--device", "cpu", "--steps", "1", "--row", "SRN")
    sizes = ("--set", "data.pool=1", "--set", "data.pool_start=1", "--set", "precision=fp32", "--set", "workers=0")
    code, out, err = run("ablate", study.name, "--photos", data / "gopro/train", "--data", data / "measured", *options, *sizes)
    assert code == 0, err
    assert "A small budget confirms no published number." in out
    (one, other) = (json.loads((tmp_path / f"run/trainings/{folder}-seed-1/recipe.json").read_text()) for folder in ("srn", "full"))
    found = [(each["data"]["kind"], each["data"]["frames"], each["data"]["middle_only"]) for each in (one, other)]
    assert found == [("sequences", 5, True), ("sequences", 3, False)]
    named = {"model", "arguments", "data", "objective", "lr_of"}
    assert {key for key in one if one[key] != other[key]} <= named


def test_one_training_is_measured_on_several_data_sets(run, data, tmp_path):
    """Trained on GoPro, measured on two others: the second command trains nothing."""
    study = read_study("mscnn-generalisation")
    write_recipes(study, folder=tmp_path / "recipes", steps=1)
    shutil.copytree(data / "measured", tmp_path / "second")
    assert cv2.imwrite(str(tmp_path / "second/blurry/clip/000000.png"), np.full((32, 32, 3), 90, np.uint8))
    words = (
        "ablate",
        study.name,
        "--train",
        data / "gopro",
        "--recipes",
        "recipes",
        "-o",
        "run",
        "--device",
        "cpu",
        "--row",
        "Gao et al.",
        "--json",
    )
    one = json.loads(run(*words, "--data", data / "measured")[1])
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/trainings").glob("*/state.pt")}
    other = json.loads(run(*words, "--data", "second")[1])
    assert len(states) == 2
    assert {path: path.stat().st_mtime_ns for path in states} == states
    assert [each["row"]["published"]["data"] for each in other] == ["DVD", "DVD"]
    assert all(before["means"]["psnr"] != after["means"]["psnr"] for before, after in zip(one, other, strict=True))


def test_what_a_source_says_in_words_is_printed(run, data, tmp_path):
    study = read_study("deepdeblur-parts")
    write_recipes(study, folder=tmp_path / "recipes", steps=1)
    options = ("--recipes", "recipes", "-o", "run", "--device", "cpu", "--row", "fixed upsampling")
    code, out, err = run("ablate", study.name, "--train", data / "gopro", "--data", data / "measured", *options)
    assert code == 0, err
    assert "published: no numbers" in out
    assert " worse " in next(line for line in out.splitlines() if line.strip().startswith("fixed upsampling"))
    assert "`better` and `worse`: what the source says in words. Of 1 published differences" in out
