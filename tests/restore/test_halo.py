"""The built-in weights see no farther than the halo of a tile: tiled and whole pictures are the same to the eye.

Those that look at the picture as a whole find other kernels in a tile than in the picture. There, tiles fade into each other. `l0`, which has one kernel
for all that it sees, is another method in a tile; tests/app/test_photo_systems.py bounds how far."""

import cv2
import numpy as np
import pytest

import unblur
from unblur.models import create
from unblur.weights import card_of, names


@pytest.mark.parametrize("name", [name for name in names() if card_of(name).kind == "photo" and name != "l0"])
def test_built_in_weights_give_tiled_what_they_give_whole(name):
    generator = np.random.default_rng(0)
    coarse = generator.random((40, 44, 3)).astype(np.float32)
    fine = generator.random((480, 528, 3)).astype(np.float32)
    picture = cv2.blur(0.7 * cv2.resize(coarse, (528, 480), interpolation=cv2.INTER_CUBIC) + 0.3 * fine, (9, 1)).clip(0, 1)
    whole, tiled = (unblur.load(name, device="cpu", precision="fp32", tile=tile).photo(picture) for tile in (1024, 128))
    assert np.abs(whole - picture).max() > 0.01  # it did something
    if not create(card_of(name).architecture, **card_of(name).arguments).global_context:
        assert np.abs(whole - tiled).max() < 1e-3
        return
    assert np.square(whole - tiled).mean() < 2.5e-4  # 36 dB
    steps = [np.abs(np.diff(result, axis=1)).mean(axis=(0, 2)) for result in (whole, tiled)]  # from column to column
    inside = np.abs(steps[0] - steps[1])[8:-8]  # no tiles meet at the border of the picture, where other kernels show most
    assert inside.max() < 0.1 * steps[0].mean()  # no seam shows
