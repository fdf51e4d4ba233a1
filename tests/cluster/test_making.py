"""A data set made in parts, by workers of this process, has the bytes of one machine's."""

import cv2
import numpy as np
import pytest
from backwards import Backwards
from typer.testing import CliRunner

from unblur.app.synth import app
from unblur.cluster import making
from unblur.cluster.making import make_on_cluster
from unblur.errors import InputError, OutputError, UnblurError
from unblur.synth.dynamic import DynamicBlur
from unblur.synth.make import make
from unblur.synth.plans import ClipPlan, ScenePlan, StillsPlan
from unblur.synth.stills import StillsBlur
from unblur.synth.video import VideoBlur


def texture(seed):
    coarse = np.random.default_rng(seed).integers(30, 226, (10, 14, 3), np.uint8)
    return cv2.resize(coarse, (112, 80), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def sources(tmp_path):
    """Photos of which one shows nothing, an object, and three folders of frames: of two of one name one stands still, and one is empty."""
    for name, picture in {"a": texture(0), "b": texture(1), "black": np.zeros((20, 20, 3), np.uint8)}.items():
        (tmp_path / "photos").mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), picture)
    opacity = np.zeros((80, 112, 1), np.uint8)
    opacity[20:60, 30:80] = 255
    (tmp_path / "objects").mkdir()
    assert cv2.imwrite(str(tmp_path / "objects" / "a.png"), np.concatenate([texture(2), opacity], axis=2))
    for clip, step, frames in (("pan", 2, 9), ("still/pan", 0, 9), ("fast", 3, 12), ("empty", 0, 0)):
        (tmp_path / clip).mkdir(parents=True)
        for number in range(frames):
            assert cv2.imwrite(str(tmp_path / clip / f"{number:02}.png"), texture(3)[8:56, step * number + 4 : step * number + 68])
    return tmp_path


def plans(at):
    blur = VideoBlur(frames_per_blur=(3,), least_detail=0, max_blurred=1, noise_probability=1.0, jpeg_probability=0.5)
    clips = (at / "pan", at / "still/pan", at / "empty", at / "fast", at / "pan")
    return {
        "video": ClipPlan(clips, "srgb", blur, seed=5, rate=240),
        "stills": StillsPlan((at / "photos",), StillsBlur(), seed=5, count=7, size=(32, 32), with_motion=True),
        "dynamic": ScenePlan(
            (at / "photos",), (at / "objects",), (at / "pan",), DynamicBlur(frames_probability=0.5), seed=5, count=7, size=32
        ),
    }


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def on_cluster(use_workers, monkeypatch):
    monkeypatch.setattr("unblur.synth.plans.DRAWS_A_UNIT", 3)

    def call(plan, target, *, workers=None, **more):
        use_workers(workers or Backwards())
        making._kept.cache_clear()
        return make_on_cluster(plan, target, version="1.2.3", address="auto", **more)

    return call


@pytest.mark.parametrize("kind", ["video", "stills", "dynamic"])
def test_the_data_set_is_that_of_one_machine(on_cluster, sources, tmp_path, kind):
    plan, said, workers = plans(sources)[kind], [], Backwards(losses=2)
    alone = make(plan, tmp_path / "out" / "alone", version="1.2.3", split="test")
    made = on_cluster(
        plan, tmp_path / "out" / "parts", workers=workers, split="test", progress=lambda done, total: said.append((done, total))
    )
    assert made == alone
    assert contents(tmp_path / "out" / "parts") == contents(tmp_path / "out" / "alone")
    assert len(contents(tmp_path / "out" / "alone")) > 7
    assert len({work.place for work in workers.started}) == (5 if kind == "video" else 3)
    assert said[-1] == ((5, 5) if kind == "video" else (7, 7))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["alone", "parts"]


def test_what_was_made_is_not_made_again(on_cluster, sources, tmp_path, monkeypatch):
    plan, target = plans(sources)["stills"], tmp_path / "out" / "a"
    with pytest.raises(UnblurError, match="the part of `a` from number 6 was lost in every attempt: killed; killed; killed"):
        on_cluster(plan, target, workers=Backwards(losses=3))
    assert [path.name for kept in target.parent.iterdir() for path in kept.iterdir()] == ["000006"]
    written, write = [], StillsPlan.write

    def seen(self, folder, *, parts, progress):
        written.append(parts)
        return write(self, folder, parts=parts, progress=progress)

    monkeypatch.setattr(StillsPlan, "write", seen)
    assert on_cluster(plan, target).pairs == 7
    assert written == [range(3, 6), range(3)]


def test_a_folder_that_holds_something_and_arguments_that_do_not_fit_are_refused_first(on_cluster, sources, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    workers = Backwards()
    with pytest.raises(OutputError, match="not an empty folder"):
        on_cluster(plans(sources)["stills"], tmp_path / "out", workers=workers)
    with pytest.raises(InputError, match="at least one"):
        on_cluster(StillsPlan((sources / "photos",), StillsBlur(), seed=5, count=0, size=(32, 32)), tmp_path / "b", workers=workers)
    assert workers.started == []


def test_clips_of_which_nothing_can_be_made_leave_nothing(on_cluster, sources, tmp_path):
    plan = ClipPlan((sources / "still/pan", sources / "empty"), "srgb", VideoBlur(frames_per_blur=(3,), least_detail=0), seed=5, rate=240)
    with pytest.raises(InputError, match=r"no pair could be made .*nothing moves"):
        on_cluster(plan, tmp_path / "out" / "a")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_node_that_does_not_see_the_data_set_says_so(sources, tmp_path):
    work = making.MakeWork(plans(sources)["stills"], "train", range(1), tmp_path / "elsewhere" / "000000")
    assert "all nodes have under the same path" in str(work.run(print, attempt=1))


def test_the_command_makes_a_data_set_on_a_cluster(use_workers, sources, monkeypatch):
    monkeypatch.chdir(sources)
    use_workers(workers := Backwards())
    words = ["stills", "photos", "--count", "2", "--size", "32", "--seed", "7"]
    for target, more in (("alone", []), ("parts", ["--cluster", "auto"])):
        result = CliRunner().invoke(app, [*words, "-o", target, *more])
        assert result.exit_code == 1, result.output  # one photo shows nothing
        assert "2 pairs in 2 sequences" in result.output
        assert "black.png" in result.output
    assert contents(sources / "alone") == contents(sources / "parts")
    assert len(workers.started) == 1
