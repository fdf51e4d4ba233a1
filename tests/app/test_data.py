import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from unblur.app.data import app
from unblur.errors import InputError


@pytest.fixture
def tree(tmp_path) -> Path:
    for kind in ("blur_gamma", "sharp"):
        folder = tmp_path / "test" / "GOPR0384_11_00" / kind
        folder.mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(folder / f"{number:06d}.png"), np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8))
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_well_data_is_said_to_be_well(tree):
    result = run("check", tree)
    assert result.exit_code == 0
    for words in ("gopro", "test, blur_gamma", "16×12: 2", "1111", "all is well"):
        assert words in result.output


def test_wrong_data_ends_with_code_1_and_a_name(tree):
    (tree / "test/GOPR0384_11_00/sharp/000001.png").unlink()
    result = run("check", tree)
    assert result.exit_code == 1
    assert "blur_gamma/000001.png` has no partner" in result.output


def test_decode_looks_deeper(tree):
    cv2.imwrite(str(tree / "test/GOPR0384_11_00/sharp/000001.png"), np.zeros((12, 16, 3), np.uint8))
    assert run("check", tree).exit_code == 0
    result = run("check", tree, "--decode")
    assert result.exit_code == 1
    assert "shows nothing" in result.output


def test_json_says_the_same(tree):
    report = json.loads(run("check", tree, "--json").output)
    assert report["layout"] == "gopro"
    assert report["parts"][0] == {"name": "test, blur_gamma", "pairs": 2, "sequences": 1, "sizes": {"16x12": 2}, "published": 1111}
    assert report["problems"] == []


def test_unknown_layout_is_an_error(tmp_path):
    result = run("check", tmp_path)
    assert isinstance(result.exception, InputError)
    assert "none of the layouts" in str(result.exception)


def test_help_of_the_whole_command_imports_nothing_heavy():
    code = "import sys, unblur.app.cli; print([name for name in ('torch', 'cv2', 'av', 'numpy', 'PIL') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_data_set_is_cut_into_crops(tree, tmp_path):
    result = run("prepare", f"gopro/test/blur_gamma:{tree}", "-o", tmp_path / "crops", "--size", 16)
    assert isinstance(result.exception, InputError)
    assert "smaller than 16x16" in str(result.exception)
    for kind in ("blur_gamma", "sharp"):
        (tree / f"train/a/{kind}").mkdir(parents=True)
    for number in range(2):
        for kind in ("blur_gamma", "sharp"):
            cv2.imwrite(str(tree / f"train/a/{kind}/{number}.png"), np.zeros((20, 40, 3), np.uint8))
    result = run("prepare", tree, "-o", tmp_path / "train-crops", "--size", 16)
    assert result.exit_code == 0, result.exception
    assert "12 crops" in " ".join(result.output.split())
    assert "--set data.layout=gopro" in result.output


def test_pairs_of_restorations(tree):
    (tree / "test").rename(tree / "train")
    result = run("distil", f"gopro/train/blur_gamma:{tree}", "-o", tree / "none", "--model", "swift", "--most-psnr", "90")
    assert result.exit_code == 1  # the blurry pictures of this tree are the sharp ones
    assert "nothing to teach" in str(result.exception)
    for path in (tree / "train/GOPR0384_11_00/sharp").iterdir():
        cv2.imwrite(str(path), np.random.default_rng(5).integers(0, 256, (12, 16, 3), np.uint8))
    result = run("distil", f"gopro/train/blur_gamma:{tree}", "-o", tree / "out", "--model", "swift")
    assert result.exit_code == 0, result.output
    assert "2 pairs" in result.output
    assert len(list((tree / "out").rglob("*.png"))) == 4
