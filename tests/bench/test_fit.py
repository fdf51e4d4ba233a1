"""What does not fit together is said before anything is measured."""

import numpy as np
import pytest
from PIL import Image

from unblur.bench.contender import frames_of
from unblur.bench.datasets import open_data
from unblur.bench.fit import Method, check_fit
from unblur.bench.run import run_bench
from unblur.errors import InputError, UnsupportedError, WeightsError
from unblur.metrics import protocols

SKIMAGE, KOHLER, BSD = (protocols.get(name) for name in ("gopro-skimage", "kohler", "bsd"))


@pytest.fixture
def stills(tmp_path):
    for kind in ("blurry", "sharp"):
        (tmp_path / "stills" / kind).mkdir(parents=True)
        for name in "ab":
            Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / "stills" / kind / f"{name}.png")
    return tmp_path / "stills"


def test_what_fits_is_let_through(pairs, stills):
    check_fit([Method("swift", 1)], [(open_data(str(stills)), SKIMAGE), (open_data(str(stills)), KOHLER)])
    check_fit([Method("swift", 1), Method("astcn", 5)], [(open_data(str(pairs)), SKIMAGE)])


def test_all_faults_are_named_at_once(pairs, stills, tmp_path):
    data, clips = open_data(str(stills)), open_data(str(pairs))
    (stills / "sharp" / "a.png").unlink()
    Image.fromarray(np.zeros((16, 20, 3), np.uint8)).save(stills / "blurry" / "b.png")
    with pytest.raises(InputError, match=r"^nothing was measured") as caught:
        check_fit([Method("astcn", 5)], [(data, SKIMAGE), (clips, BSD)])
    for words in (
        "`astcn` looks at 5 frames, but `stills` has no clips",
        "a.png` is missing",
        "b.png` differ in size",
        "`clip0` of `pairs` by `bsd`: a sequence of 3 frames is too short",
    ):
        assert words in str(caught.value)
    with pytest.raises(InputError, match="a sequence of 3 frames is too short"):
        run_bench(pytest.fail, [clips], [BSD], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_several_truths_need_a_protocol_for_them(tmp_path):
    for number in (1, 2):
        Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / f"GroundTruth1_1_{number}.png")
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / "Blurry1_1.png")
    data = open_data(f"kohler:{tmp_path}")
    check_fit([], [(data, KOHLER)])
    with pytest.raises(InputError, match="has 2 truths; measure it by `kohler`, not by `gopro-skimage`"):
        check_fit([], [(data, SKIMAGE)])


def test_frames_are_known_without_loading(weights, tmp_path):
    video, photo = str(weights("ifirnn")), str(weights("deepdeblur"))
    assert frames_of("blurry") == frames_of("swift") == frames_of(photo) == frames_of(photo, as_tool=True) == 1
    assert frames_of(video) == frames_of(video, alone=True) > 1
    for name, way in ((video, {"as_tool": True}), (photo, {"alone": True})):
        with pytest.raises(UnsupportedError):
            frames_of(name, **way)
    for name, published in (("nothing", False), (str(tmp_path / "no.pth"), True)):
        with pytest.raises(WeightsError, match="no"):
            frames_of(name, published=published)
