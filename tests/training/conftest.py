"""Sharp pictures to train on, and the shipped recipe made small enough to run in a second."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from unblur.training.loop import train
from unblur.training.recipe import StillsRecipe, read_recipe

SHIPPED = Path(__file__).parents[2] / "recipes" / "swift" / "stills.yaml"
SMALL = {
    "arguments": {"widths": [8, 12], "blocks": [1, 1], "motion_widths": [8, 12], "motion_blocks": [1, 1]},
    "steps": 5,
    "batch": 2,
    "crop": 32,
    "pair_size": 64,
    "window": 6,
    "window_start": 3,
    "warmup": 2,
    "decay": 2,
    "told_until": 3,
}


@pytest.fixture(scope="session")
def recipe() -> StillsRecipe:
    return read_recipe(SHIPPED, changes=SMALL)


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        picture = np.full((200, 220, 3), 128, np.uint8)
        for _ in range(200):
            corner = random.integers(0, 200, 2).tolist()
            size = random.integers(5, 40, 2)
            cv2.rectangle(picture, corner, (corner + size).tolist(), random.integers(0, 256, 3).tolist(), -1)
        cv2.imwrite(str(folder / name), picture)
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def run(recipe, photos, tmp_path_factory) -> Path:
    """The folder of a run that went through without a stop, saved after 2, 4 and 5 steps."""
    folder = tmp_path_factory.mktemp("run")
    assert len(list(train(recipe, photos=photos, out=folder, save_every=2))) == 3
    return folder
