"""Folders of frames as a user meets them: `unblur restore` and `unblur inspect`."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from unblur.models import create
from unblur.weights import sha256_of

TEXTURE = np.random.default_rng(0).integers(60, 180, (24, 32, 3), np.uint8)


@pytest.fixture
def run(run, tmp_path):
    """Runs `unblur ARGUMENTS` where the folder `frames` and the weights `video.safetensors` are; gives exit code, standard output and standard error."""
    for number in range(9, 12):
        (tmp_path / "frames").mkdir(exist_ok=True)
        Image.fromarray(TEXTURE + np.uint8(number)).save(tmp_path / "frames" / f"f{number}.png")
    arguments = {"widths": [4, 6, 8], "num_blocks": 1}
    torch.manual_seed(0)
    save_file(create("mdcn", **arguments).state_dict(), tmp_path / "video.safetensors")
    card = {"name": "video", "kind": "video", "summary": "", "architecture": "mdcn", "arguments": arguments, "results": []}
    card |= {"size_multiple": 4, "origin": "trained here", "training_data": "", "recipe": "", "licence": ""}
    (tmp_path / "video.json").write_text(json.dumps(card | {"sha256": sha256_of(tmp_path / "video.safetensors")}))

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_of_frames_becomes_a_folder_of_frames(run, tmp_path):
    options = ("--model", "video.safetensors", "--device", "cpu", "--precision", "fp32")
    code, _, err = run("restore", "frames", *options)
    assert code == 0
    assert "note: `frames` is read as a clip of 3 frames, `f9.png` to `f11.png`" in err
    assert names(tmp_path / "frames_unblurred") == names(tmp_path / "frames")
    code, out, _ = run("restore", "frames", *options, "--json")
    assert (code, json.loads(out)["status"], json.loads(out)["kind"]) == (0, "skipped", "video")
    (tmp_path / "frames/f10.png").unlink()
    code, _, err = run("restore", "frames", "-o", "again", *options)
    assert code == 1
    assert "number 10 is missing" in err
    assert run("restore", "frames", "-o", "again", *options, "--folders", "clips")[0] == 0
    assert names(tmp_path / "again") == ["f11.png", "f9.png"]


def test_a_frame_of_a_folder_is_inspected(run, tmp_path):
    code, _, err = run("inspect", "frames", "--frame", "2", "-o", "seen", "--model", "video.safetensors")
    assert code == 0, err
    assert "before-after.png" in names(tmp_path / "seen")
    code, _, err = run("inspect", "seen", "--frame", "0", "-o", "other", "--model", "video.safetensors")
    assert code == 1
    assert "`seen` is no clip" in err
