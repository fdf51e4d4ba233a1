"""Sharp pictures and data sets to train on, and the shipped recipes made small enough to run in a second."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from changes import changed

from unblur.training.loop import train
from unblur.training.recipe import Recipe, read_recipe
from unblur.training.recipe_files import merge

TINY_FLOW = {"flow": {"widths": [4, 6, 8], "decoder_widths": [8, 6], "context_widths": [6, 6, 6, 6, 6, 4]}}
SWIFT_BEST = {
    "widths": [8, 12],
    "blocks": [1, 1],
    "motion_widths": [8, 12],
    "motion_blocks": [1, 1],
    "kernels": {"size": 5, "refiner_widths": [8], "refiner_blocks": [1]},
}
NETWORKS = {
    "astcn": {"widths": [4, 6, 8], "num_blocks": 1, "cost_radius": 1},
    "cdvdtsp": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3},
    "dbn": {"width": 4},
    "dbgan": {"width": 4, "num_blocks": 1},
    "deblurgan": {"width": 4, "num_blocks": 1},
    "deepdeblur": {"width": 4, "num_blocks": 1},
    "dmphn": {"widths": [4, 6, 8], "num_blocks": 1},
    "edvr": {"width": 8, "groups": 2, "num_extract_blocks": 1, "num_blocks": 1, "head_width": 4},
    "gsta": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3, "num_descriptors": 5},
    "ifirnn": {"width": 12, "hidden": 4, "num_blocks": 1, "iterations": 2},
    "maxim": {"width": 4, "num_groups": 1, "num_bottlenecks": 1},
    "mdcn": {"widths": [4, 6, 8], "num_blocks": 1},
    "mscnn": {"widths": [4, 6, 8], "num_blocks": 1},
    "ovd": {"width": 8, "num_blocks": 1},
    "pwcnet": {"widths": [4, 6, 8], "decoder_widths": [8, 6], "context_widths": [6, 6, 6, 6, 6, 4]},
    "ppnet": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3, "reduction": 4},
    "pssnsc": {"widths": [4, 6, 8], "num_blocks": 1},
    "pvdnet": {"width": 4, "num_blocks": 1},
    "srn": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3},
    "stfan": {"widths": [4, 6, 8], "num_blocks": 1, "filter_size": 3},
    "svrnn": {"widths": [4, 6], "guide_widths": [4, 6, 8, 8], "num_filters": 2},
    "swift": {"widths": [8, 12], "blocks": [1, 1], "motion_widths": [8, 12], "motion_blocks": [1, 1]},
    "swift_best": SWIFT_BEST,
    "swift_fused": {
        "maxim": {"width": 4, "num_groups": 1, "num_bottlenecks": 1},
        "swift_best": SWIFT_BEST,
    },
    "swift_video_best": {
        "widths": [8, 12],
        "blocks": [1, 1],
        "motion_widths": [8, 12],
        "motion_blocks": [1, 1],
        "flow_widths": [8, 8],
        "flow_radii": [0, 1],
        "iterations": [1, 2],
        "samples": 3,
    },
    "swift_video": {
        "widths": [8, 12],
        "blocks": [1, 1],
        "motion_widths": [8, 12],
        "motion_blocks": [1, 1],
        "flow_widths": [4, 8],
        "flow_radii": [0, 2],
    },
    "xiang": {"width": 4, "num_blocks": 1, "kernel_size": 3},
}
"""Arguments that make a network small; the recipe's others stay."""


class Row:
    """A window whose pairs are made when they are asked for."""

    waited = 0.0

    def __init__(self, maker):
        self.maker = maker

    def range(self, step):
        return step, step + 1

    def pair(self, index):
        return {name: array.astype(self.maker.layout[name][1]) for name, array in self.maker(index).items()}


def small(path: str | Path, **changes: object) -> Recipe:
    """A built-in recipe with a small network, small crops and a batch of two."""
    recipe = read_recipe(path)
    adversary = getattr(recipe.objective, "adversary", None)
    with_flow = recipe.model in ("astcn", "cdvdtsp", "dbn", "ppnet", "pvdnet", "xiang") and recipe.arguments.get("flow", 0) is not None
    values: dict[str, object] = {
        "start": None,
        "arguments": merge(recipe.arguments, NETWORKS[recipe.model] | (TINY_FLOW if with_flow else {})),
        "steps": 2,
        "batch": 2,
        "crop": 64 if adversary == "deblurgan" else 16,
        "precision": "fp32",
        "workers": 0,
        "tensorboard": False,
        "save_every": 2,
        "sample_every": 0,
        "validate_every": 0,
        "flow_weights": None,  # they would not fit
        "lr_of": {
            part: max(rate, 1e-4) if part.endswith("flow") else rate for part, rate in recipe.lr_of.items()
        },  # so that flow can be learnt
    }
    if recipe.data.kind in ("stills", "dynamic", "sequences"):
        crop = 32 if recipe.objective.kind == "camera_kernel" else 20 if "scale" in recipe.arguments else 16
        values |= {"pair_size": 32, "pool": 4, "pool_start": 2, "new_pairs": 0.5, "crop": crop}
    if recipe.model in ("maxim", "swift_fused"):
        values |= {"pair_size": 64, "crop": 64}
    if adversary == "deepdeblur":
        values |= {"crop": 256, "adversary_arguments": {"width": 2}}
    if adversary in ("dbgan", "deblurgan"):
        values["adversary_arguments"] = {"width": 4}
    if hasattr(recipe.objective, "blurrer_arguments"):
        values["blurrer_arguments"] = {"width": 4, "num_blocks": 1}
    if hasattr(recipe.objective, "level_weights"):
        values["level_weights"] = [0.005, 0.01]  # of two levels
    if recipe.all_truths:
        values["frames"] = 6
    return changed(recipe, **(values | changes))


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
