import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.data.layouts import Sample, read_layout
from unblur.errors import InputError
from unblur.training.distillation import Distilled, distil

GREY = np.full((8, 10, 3), 100, np.uint8)


def pair(folder, name, *, blurry, sharp):
    paths = []
    for kind, level in (("blur", blurry), ("sharp", sharp)):
        path = folder / name / kind / "000000.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(np.full_like(GREY, level)).save(path)
        paths.append(path)
    return Sample((paths[0],), (paths[1],), name, 0)


def made(samples, out, *, restore=lambda picture: picture + 10, most_psnr=36.0, source="a"):
    return distil(samples, out, restore=restore, most_psnr=most_psnr, facts={"made_by": "1", "source": source, "most_psnr": most_psnr})


def levels(out):
    samples = read_layout("gopro", out, choice={"split": "train", "blur": "blur"})
    return {each.sequence: [int(np.asarray(PillowImage.open(path)).mean()) for path in (each.reference, each.sharp[0])] for each in samples}


def test_restorations_take_the_place_of_the_truth_where_they_are_nearer(tmp_path):
    samples = [
        pair(tmp_path / "set", "better", blurry=100, sharp=130),
        pair(tmp_path / "set", "worse", blurry=100, sharp=60),
        pair(tmp_path / "set", "sharp", blurry=100, sharp=101),
    ]
    assert made(samples, tmp_path / "out") == Distilled(written=2, with_truth=1, there=0, left_out=1)
    assert levels(tmp_path / "out") == {"better": [100, 110], "worse": [100, 60]}


def test_a_run_that_was_stopped_goes_on(tmp_path):
    samples = [pair(tmp_path / "set", str(number), blurry=100, sharp=130) for number in range(3)]
    calls = []

    def restore(picture):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(picture)
        return picture + 10

    with pytest.raises(KeyboardInterrupt):
        made(samples, tmp_path / "out", restore=restore)
    assert made(samples, tmp_path / "out") == Distilled(written=1, with_truth=0, there=2, left_out=0)
    with pytest.raises(InputError, match="pairs of something else"):
        made(samples, tmp_path / "out", source="b")


def test_what_teaches_nothing_is_said(tmp_path):
    with pytest.raises(InputError, match="all 1 blurry pictures are nearer to the truth than 36 dB"):
        made([pair(tmp_path / "set", "a", blurry=100, sharp=100)], tmp_path / "out")
    odd = pair(tmp_path / "set", "b", blurry=100, sharp=130)
    PillowImage.fromarray(GREY[:4]).save(odd.sharp[0])
    with pytest.raises(InputError, match="differ in size"):
        made([odd], tmp_path / "other")
