"""Makes tiny trees in the layouts of published data sets."""

from pathlib import Path

import cv2
import numpy as np


def picture(path: Path, *, size: tuple[int, int] = (16, 12), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def gopro(root: Path) -> Path:
    for split, sequence in (("train", "GOPR0372_07_00"), ("train", "GOPR0374_11_00"), ("test", "GOPR0384_11_00")):
        for kind in ("blur", "blur_gamma", "sharp"):
            for number in (8, 9, 10):
                picture(root / split / sequence / kind / f"{number:06d}.png")
    return root


def dvd(root: Path) -> Path:
    for sequence in ("IMG_0001", "720p_240fps_1", "IMG_0003"):
        for kind in ("input", "GT"):
            for number in range(2):
                picture(root / "quantitative_datasets" / sequence / kind / f"{number:05d}.jpg")
    return root


def reds(root: Path) -> Path:
    for split in ("train", "val"):
        for kind in ("blur", "blur_comp", "sharp"):
            for number in range(2):
                picture(root / f"{split}_{kind}" / "000" / f"{number:08d}.png")
    return root


def realblur(root: Path) -> Path:
    folder = {"J": "RealBlur-J_ECC_IMCORR_centroid_itensity_ref", "R": "RealBlur-R_BM3D_ECC_IMCORR_centroid_itensity_ref"}
    for kind in "JR":
        for split, scene in (("train", "scene001"), ("test", "scene002")):
            lines = []
            for number in (1, 2, 10):
                names = [f"{folder[kind]}/{scene}/{what}/{what}_{number}.png" for what in ("gt", "blur")]
                for name in names:
                    picture(root / name)
                lines.append(" ".join(names))
            (root / f"RealBlur_{kind}_{split}_list.txt").write_text("\n".join(lines) + "\n")
    return root


def hide(root: Path) -> Path:
    for name in ("train/1.png", "test/test-close-ups/2.png", "test/test-long-shot/3.png", "GT/1.png", "GT/2.png", "GT/3.png"):
        picture(root / "HIDE_dataset" / name)
    return root


def kohler(root: Path) -> Path:
    for image, path in ((1, 1), (1, 12), (4, 2)):
        picture(root / "BlurryImages" / f"Blurry{image}_{path}.png")
        for instant in (1, 2, 10):
            picture(root / f"Image{image}" / f"Kernel{path}" / f"GroundTruth{image}_{path}_{instant}.png")
    return root


def bsd(root: Path) -> Path:
    for split in ("train", "valid", "test"):
        for kind in ("Blur", "Sharp"):
            for number in range(2):
                picture(root / split / "000" / kind / "RGB" / f"{number:08d}.png")
    return root


ALL = {"gopro": gopro, "dvd": dvd, "reds": reds, "realblur": realblur, "hide": hide, "kohler": kohler, "bsd": bsd}
