import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import unblur
from unblur.app.synth import app
from unblur.errors import InputError, OutputError
from unblur.synth.stills import StillsBlur

MOVING = ("--set", "frames_per_blur=[3]")


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def texture(seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(30, 226, (10, 14, 3), np.uint8)
    return cv2.resize(coarse, (112, 80), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def photos(tmp_path) -> Path:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), texture())
    return tmp_path / "photos"


@pytest.fixture
def frames(tmp_path) -> Path:
    (tmp_path / "pan").mkdir()
    for number in range(12):
        cv2.imwrite(str(tmp_path / "pan" / f"{number:02d}.png"), texture()[8:56, 2 * number + 4 : 2 * number + 68])
    return tmp_path / "pan"


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_stills_make_pairs(photos, tmp_path):
    said = run("stills", photos, "-o", tmp_path / "out", "--count", 2, "--size", 32, "--motion", "--seed", 7)
    assert "2 pairs in 2 sequences" in said
    assert manifest(tmp_path / "out")["seed"] == 7
    assert manifest(tmp_path / "out")["unblur"] == unblur.__version__
    assert len(list((tmp_path / "out" / "train").rglob("*.npz"))) == 2


def test_a_mixed_set_is_made_by_a_recipe(photos, tmp_path):
    (tmp_path / "mix.yaml").write_text("size: 32\nsets: [{kind: stills, count: 1}, {kind: dynamic, count: 1}]\n")
    said = run("mixed", tmp_path / "mix.yaml", photos, "-o", tmp_path / "out", "--seed", 7)
    assert "2 pairs in 2 sequences" in said
    assert len(manifest(tmp_path / "out")["sets"]) == 2
    with pytest.raises(InputError, match="no recipe of a data set"):
        run("mixed", "other", photos, "-o", tmp_path / "b")


def test_stills_make_sequences(photos, tmp_path):
    run(
        "stills",
        photos,
        "-o",
        tmp_path / "out",
        "--count",
        1,
        "--size",
        "48x32",
        "--sequence",
        3,
        "--split",
        "test",
        "--set",
        "exposure=[0.5, 0.6]",
    )
    sharp = sorted((tmp_path / "out/test/stills_00000/sharp").iterdir())
    assert [path.name for path in sharp] == ["000000.png", "000001.png", "000002.png"]
    assert cv2.imread(str(sharp[0])).shape == (32, 48, 3)
    assert 0.5 <= manifest(tmp_path / "out")["sequences"][0]["exposure"] <= 0.6


def test_changes_of_stills_reach_the_parameters(photos, tmp_path):
    run("stills", photos, "-o", tmp_path / "out", "--count", 1, "--size", 16, "--set", "length=[3, 5]", "--set", "noise_probability=0")
    told = manifest(tmp_path / "out")["parameters"]
    assert (told["length"], told["noise_probability"], told["jpeg_probability"]) == ([3, 5], 0, StillsBlur().jpeg_probability)


def test_changes_of_sequences_reach_the_parameters(photos, tmp_path):
    words = ["--count", 1, "--size", 16, "--sequence", 2]
    run("stills", photos, "-o", tmp_path / "out", *words, "--set", "shake=0.1")
    assert manifest(tmp_path / "out")["parameters"]["shake"] == 0.1
    with pytest.raises(InputError, match="no range `shake`"):
        run("stills", photos, "-o", tmp_path / "pairs", "--count", 1, "--size", 16, "--set", "shake=0.1")


@pytest.mark.parametrize("value", ["32x", "big"])
def test_a_wrong_size_is_a_usage_error(photos, tmp_path, value):
    run("stills", photos, "-o", tmp_path / "out", "--size", value, code=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("length=3", "a range does not fit: `length`"),
        ("length=[5, 3]", "the smaller first"),
        ("noise_probability=2", r"must lie in \[0, 1\]"),
        ("lenght=[3, 5]", "did you mean `length`"),
        ("length", "KEY=VALUE"),
    ],
)
def test_wrong_changes_are_refused(photos, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        run("stills", photos, "-o", tmp_path / "out", "--set", change)
    assert not (tmp_path / "out").exists()


def test_video_makes_pairs(frames, tmp_path):
    said = run("video", frames, "-o", tmp_path / "out", "--rate", 240, "--set", "frames_per_blur=[3, 5]", "--response", "srgb")
    assert "left out" in said
    made = manifest(tmp_path / "out")
    assert made["response"] == "srgb"
    assert {sequence["frames per blur"] for sequence in made["sequences"]} == {3, 5}
    assert (tmp_path / "out/train/pan_m03_00/blur_gamma/000000.png").is_file()


def test_changes_of_video_reach_the_parameters(frames, tmp_path):
    run("video", frames, "-o", tmp_path / "out", "--rate", 240, *MOVING, "--set", "interpolate=never", "--set", "least_motion=0")
    told = manifest(tmp_path / "out")["parameters"]
    assert (told["frames_per_blur"], told["interpolate"], told["least_motion"]) == ([3], "never", 0)


def test_part_scale_and_split_of_video(frames, tmp_path):
    part = ("--start", 0.01, "--duration", 0.03, "--scale", 0.75, "--split", "test")
    run("video", frames, "-o", tmp_path / "out", "--rate", 240, *MOVING, *part)
    source = manifest(tmp_path / "out")["sources"][0]
    assert (source["start"], source["duration"], source["scale"], source["size"]) == (0.01, 0.03, 0.75, [48, 36])
    assert (tmp_path / "out" / "test").is_dir()


def test_failed_clips_are_named_and_the_exit_code_is_1(frames, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no clip")
    said = run("video", tmp_path / "bad.mp4", frames, "-o", tmp_path / "out", "--rate", 240, *MOVING, code=1)
    assert "failed" in said
    assert "bad.mp4" in said
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_wrong_options_of_video(frames, tmp_path):
    with pytest.raises(InputError, match="a range does not fit: `frames_per_blur`"):
        run("video", frames, "-o", tmp_path / "out", "--set", "frames_per_blur=many")
    with pytest.raises(InputError, match="odd"):
        run("video", frames, "-o", tmp_path / "out", "--rate", 240, "--set", "frames_per_blur=[4]")
    with pytest.raises(InputError, match="camera response"):
        run("video", frames, "-o", tmp_path / "out", "--rate", 240, "--response", "film")
    assert not (tmp_path / "out").exists()


def test_sheet_shows_what_was_made(photos, tmp_path):
    run("stills", photos, "-o", tmp_path / "out", "--count", 3, "--size", 32)
    run("sheet", tmp_path / "out", "-o", tmp_path / "sheet.jpg", "--count", 2, "--columns", 2, "--width", 24)
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape == (48, 52, 3)
    with pytest.raises(OutputError, match="exists"):
        run("sheet", tmp_path / "out", "-o", tmp_path / "sheet.jpg")
    run("sheet", tmp_path / "out", "-o", tmp_path / "sheet.jpg", "--overwrite")
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape == (64, 3 * 244 - 4 + 244, 3)


def test_dynamic_scenes_are_drawn(photos, frames, tmp_path):
    cutout = np.zeros((20, 24, 4), np.uint8)
    cv2.circle(cutout, (12, 10), 8, (40, 90, 200, 255), -1)
    cv2.imwrite(str(tmp_path / "ball.png"), cutout)
    things = ["--cutouts", tmp_path / "ball.png", "--highspeed", frames]
    words = ["--count", 12, "--size", 32, "--set", "length=[1, 6]", "--seed", 4]
    for name in ("a", "b"):
        assert "12 pairs in 12 sequences" in run("dynamic", photos, "-o", tmp_path / name, *things, *words)
    told = manifest(tmp_path / "a")
    assert told["made by"] == "synth dynamic"
    assert len({sequence["kind"] for sequence in told["sequences"]}) > 2
    assert [told[key][0]["name"] for key in ("sources", "cutouts", "highspeed")] == ["a.png", "ball.png", "pan"]
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.png")} for name in ("a", "b"))
    assert first == second
    assert not list(tmp_path.glob(".frames*"))
    run("sheet", tmp_path / "a", "-o", tmp_path / "sheet.png", "--count", 4)


def test_dynamic_scenes_need_a_source_and_name_what_is_none(photos, tmp_path):
    with pytest.raises(InputError, match="no source"):
        run("dynamic", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    said = run("dynamic", photos, "-o", tmp_path / "out", "--cutouts", photos, "--count", 2, "--size", 16, code=1)
    assert "no cut-out object" in said.replace("\n", " ")
