"""Sharp pictures and data sets to train on."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from changes import changed
from shrunk import small

from unblur.training.loop import train
from unblur.training.recipe import Recipe


class Row:
    """A window whose pairs are made when they are asked for."""

    waited = 0.0

    def __init__(self, maker):
        self.maker = maker

    def range(self, step):
        return step, step + 1

    def pair(self, index):
        return {name: array.astype(self.maker.layout[name][1]) for name, array in self.maker(index).items()}


@pytest.fixture(scope="session")
def row() -> type[Row]:
    """The window that makes a pair at each step."""
    return Row


@pytest.fixture(scope="session")
def shrink() -> Callable[..., Recipe]:
    """The function that makes a shipped recipe small."""
    return small


@pytest.fixture(scope="session")
def change() -> Callable[..., Recipe]:
    """The function that gives a recipe with other values."""
    return changed


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(("a.png", "b.png")):
        cv2.imwrite(str(folder / name), drawing(seed, height=200, width=220))
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def sets(tmp_path_factory) -> dict[str, Path]:
    """A GoPro, a DVD, a REDS and a RealBlur data set of one sequence of eight frames in each part."""
    root = tmp_path_factory.mktemp("sets")
    sharp = drawing(5, height=256, width=272)
    for folders in (
        ("gopro/train/GOPR0001/blur_gamma", "gopro/train/GOPR0001/sharp"),
        ("gopro/train/GOPR0001/blur", "gopro/train/GOPR0001/sharp"),
        ("gopro/test/GOPR0002/blur_gamma", "gopro/test/GOPR0002/sharp"),
        ("dvd/train/IMG_0001/input", "dvd/train/IMG_0001/GT"),
        ("dvd/test/IMG_0003/input", "dvd/test/IMG_0003/GT"),
        ("reds/train/train_blur/000", "reds/train/train_sharp/000"),
        ("realblur/scene001/blur", "realblur/scene001/gt"),
    ):
        for number in range(8):
            moved = np.roll(sharp, 3 * number, axis=1)
            for folder, picture in zip(folders, (cv2.blur(moved, (7, 1)), moved), strict=True):
                target = root / folder / f"{number:06d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    listed = [f"scene001/gt/{number:06d}.png scene001/blur/{number:06d}.png\n" for number in range(8)]
    (root / "realblur" / "RealBlur_J_train_list.txt").write_text("".join(listed), encoding="utf-8")
    return {name: root / name for name in ("gopro", "dvd", "reds", "realblur")}


def drawing(seed: int, *, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128, np.uint8)
    for _ in range(200):
        corner = random.integers(0, width, 2).tolist()
        size = random.integers(5, 40, 2)
        cv2.rectangle(picture, corner, (corner + size).tolist(), random.integers(0, 256, 3).tolist(), -1)
    return picture


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """swift's recipe, small."""
    return small("swift/stills", steps=5, save_every=2, log_every=2, warmup=2, decay=2, teacher_forcing_until=3, pool=6)


@pytest.fixture(scope="session")
def run(recipe, photos, tmp_path_factory) -> Path:
    """The folder of a run that went through without a stop, saved after 2, 4 and 5 steps."""
    folder = tmp_path_factory.mktemp("run")
    assert len(list(train(recipe, photos=photos, out=folder))) == 3
    return folder
