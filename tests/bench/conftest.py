"""Tiny data sets and weights for measuring."""

import hashlib
import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save

from unblur.models import create

TINY = {
    "deepdeblur": {"num_scales": 1, "width": 4, "num_blocks": 1},
    "ifirnn": {"width": 16, "hidden": 4, "num_blocks": 1},
}


def texture(seed, *, size=(48, 40)):
    """A picture with edges at several scales, (H, W, 3), 8 bit."""
    rng = np.random.default_rng(seed)
    levels = sum(
        cv2.resize(rng.random((size[1] // step, size[0] // step, 3)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC) * step
        for step in (2, 4, 8)
    )
    return (cv2.normalize(levels, None, 0, 255, cv2.NORM_MINMAX)).astype(np.uint8)


@pytest.fixture
def pairs(tmp_path):
    """A plain folder of two clips of three frames: the second is blurrier."""
    root = tmp_path / "pairs"
    for clip, length in enumerate((3, 9)):
        scene = texture(clip, size=(64, 56))
        for frame in range(3):
            sharp = np.ascontiguousarray(scene[frame : frame + 40, 2 * frame : 2 * frame + 48])
            for kind, picture in (("blurry", cv2.blur(sharp, (length, 1))), ("sharp", sharp)):
                path = root / kind / f"clip{clip}" / f"{frame:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), picture)
    return root


@pytest.fixture
def trained(tmp_path):
    """Makes the folder of a run of no step, as a training leaves it; gives its path."""

    def make(seed, *, system="deepdeblur"):
        torch.manual_seed(seed)
        net = create(system, **TINY[system])
        run = tmp_path / f"{system}-{seed}"
        run.mkdir(exist_ok=True)
        (run / "recipe.json").write_text(json.dumps({"model": system, "arguments": TINY[system], "steps": 1}))
        torch.save({"average": net.state_dict(), "step": 1}, run / "state.pt")
        return run

    return make


@pytest.fixture
def weights(tmp_path):
    """Makes a file of random weights with its card; gives its path."""

    def make(system, *, seed=0, name=None):
        torch.manual_seed(seed)
        net = create(system, **TINY[system])
        path = tmp_path / f"{name or system}.safetensors"
        path.write_bytes(save({key: value.contiguous() for key, value in net.state_dict().items()}))
        card = {
            "name": path.stem,
            "kind": "photo" if net.num_frames == 1 else "video",
            "summary": "random, for a test",
            "architecture": system,
            "arguments": TINY[system],
            "size_multiple": net.size_multiple,
            "origin": "trained here",
            "training_data": "none",
            "recipe": "none",
            "results": [],
            "licence": "Apache-2.0",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        path.with_suffix(".json").write_text(json.dumps(card))
        return path

    return make
