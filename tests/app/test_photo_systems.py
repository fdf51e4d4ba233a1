"""`unblur restore --model RUN` with every photo system, whole and in tiles."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from shrunk import NETWORKS
from small import all_agreed, with_blur_found

from unblur.models import create, names
from unblur.models.swift_fused import SwiftFused
from unblur.restore import executor
from unblur.restore.safety import Guarded

SHARED = ("dbgan", "deepdeblur", "dmphn", "mscnn", "pssnsc", "srn", "svrnn", "swift", "swift_best", "swift_fused")
SMALL = {name: NETWORKS[name] for name in SHARED} | {
    "deblurgan": {"width": 8, "num_blocks": 1},
    "l0": {"kernel_size": 9, "iterations": [2, 2]},
    "maxim": NETWORKS["maxim"] | {"num_stages": 1},
}
SPREAD = 30
"""Standard deviation, in levels of 255, to which the output of the untrained networks is brought: their own is arbitrary."""

MOST = dict.fromkeys(SMALL, (1, 0.01)) | {
    "dmphn": (16, 1.0),
    "deblurgan": (64, 14.0),
    "maxim": (64, 4.0),
    "swift_fused": (64, 4.0),
    "l0": (64, 2.0),
}
"""Largest and mean difference between tiles and the whole, in levels. The others give the same but for rounding; `dmphn` cuts a
tile into patches elsewhere than the picture, `deblurgan` normalises each tile by its own statistics, and `maxim`, also within `swift_fused`, lays its grid over each tile; `l0` has a kernel
of its own in each tile."""


@pytest.fixture
def photo(tmp_path):
    """A blurred texture, long enough that a tile and its halo are only part of it."""
    random = np.random.default_rng(0)
    coarse = cv2.resize(random.random((6, 60, 3)), (960, 96), interpolation=cv2.INTER_CUBIC)
    picture = cv2.blur(0.7 * coarse + 0.3 * random.random((96, 960, 3)), (9, 1)).clip(0, 1)
    Image.fromarray((255 * picture).round().astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def save_run(folder, name, picture, monkeypatch):
    """A run folder of an untrained network; the fail-safe, which would keep the input, brings its output to a picture's range."""
    torch.manual_seed(1)
    net = create(name, **SMALL[name]).eval()
    if name == "swift_fused":
        with_blur_found(net)
        monkeypatch.setattr(SwiftFused, "correlation", lambda _, changes: all_agreed(changes))
    rows = len(picture) // net.size_multiple * net.size_multiple
    with torch.no_grad():
        restored = net(torch.from_numpy(picture[:rows, :256].copy()).permute(2, 0, 1)[None].float() / 255)
    middle, spread = float(restored.mean()), float(restored.std())
    assert spread > 1e-4
    monkeypatch.setattr(executor, "guard", lambda _, out: Guarded(0.5 + SPREAD / 255 * (out - middle) / spread, 0.0))
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps({"model": name, "arguments": SMALL[name], "steps": 1}))
    torch.save({"average": net.state_dict(), "step": 1}, folder / "state.pt")
    return folder


def restore(photo, weights, target, run, *, tile):
    code, _, err = run("restore", photo, "--model", weights, "-o", target, "--device", "cpu", "--precision", "fp32", "--tile", tile)
    assert code == 0, err
    with Image.open(target) as picture:
        return np.asarray(picture).astype(float)


def test_every_photo_system_is_here():
    with torch.device("meta"):
        assert set(SMALL) == {name for name in names() if create(name).num_frames == 1}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_tiles_and_the_whole_differ_by_no_more_than_said(name, photo, run, tmp_path, monkeypatch):
    with Image.open(photo) as picture:
        blurry = np.asarray(picture)
    weights = save_run(tmp_path / "run", name, blurry, monkeypatch)
    whole, cut = (restore(photo, weights, tmp_path / f"{tile}.png", run, tile=tile) for tile in (1024, 64))
    assert np.abs(whole - blurry).mean() > 3  # it did something
    difference = np.abs(whole - cut)
    largest, mean = MOST[name]
    assert difference.max() <= largest
    assert difference.mean() <= mean
    if largest > 1:
        assert difference.max() > 1  # else the bound says too much
