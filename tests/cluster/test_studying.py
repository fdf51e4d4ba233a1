"""Studies in units, by workers of this process: trainings, rows and comparison are those of one machine."""

import json

import cv2
import numpy as np
import pytest
import torch
from backwards import Backwards
from shrunk import small

from unblur.bench.ablate import Trained, folder_of, read_study, run_study
from unblur.bench.datasets import open_data
from unblur.bench.rows import PictureRow, read_rows
from unblur.cluster import measuring
from unblur.cluster.studying import StudyWork, Training, study_on_cluster
from unblur.errors import InputError, UnblurError
from unblur.metrics import protocols
from unblur.training.budget import train_within
from unblur.weights import load_tensors

SKIMAGE = protocols.get("gopro-skimage")
STUDY = read_study("mscnn-codecs", only=["MSCNN-1-Codec"])


pytestmark = pytest.mark.usefixtures("quick_costs")


@pytest.fixture
def data(tmp_path):
    """A picture that moves and is blurred along its motion: a data set to train on, and a clip to measure on."""
    scene = cv2.resize(np.random.default_rng(3).integers(20, 236, (8, 8, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
    for number in range(3):
        moved = np.roll(scene, 2 * number, axis=1)
        for kind, picture in (("blur_gamma", cv2.blur(moved, (9, 1))), ("sharp", moved)):
            folder = tmp_path / "gopro" / "train" / "GOPR0001" / kind
            folder.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / f"{number:06d}.png"), picture)
            folder = tmp_path / "measured" / ("blurry" if kind == "blur_gamma" else kind) / "clip"
            folder.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / f"{number:06d}.png"), picture[::-1])
    return tmp_path


def recipe_of(row, seed):
    return small(row.recipe, steps=2, seed=seed)


@pytest.fixture
def on_cluster(use_workers, data):
    measuring._contender.cache_clear()

    def call(run, *, workers=None, seeds=(1,), steps=2, **more):
        use_workers(workers or Backwards())
        training = Training(steps=steps, data=(data / "gopro",), cpu=True)
        measured = open_data(str(data / "measured"))
        return study_on_cluster(
            STUDY, recipe_of, training, measured, SKIMAGE, seeds=seeds, run=run, address="auto", device="cpu", precision="fp32", **more
        )

    return call


def facts(run):
    """Rows without times and peaks, which no two runs share."""
    left_out = {"seconds", "peak_bytes"}
    return [row.model_dump(exclude=left_out) if isinstance(row, PictureRow) else row.model_dump() for row in read_rows(run)]


def test_trainings_and_rows_are_those_of_one_machine(on_cluster, data, tmp_path):
    def train_row(row, seed, folder):
        out = tmp_path / "alone" / "trainings" / folder
        budget = train_within(recipe_of(row, seed), out=out, steps=2, data=[data / "gopro"], cpu=True)
        return Trained(out, budget.steps, budget.seconds)

    measured, how = open_data(str(data / "measured")), {"seeds": (1,), "device": "cpu", "precision": "fp32", "save_pictures": True}
    expected = run_study(STUDY, train_row, measured, SKIMAGE, run=tmp_path / "alone", **how)
    said, workers = [], Backwards(losses=2)
    trained = on_cluster(tmp_path / "parts", workers=workers, save_pictures=True, progress=lambda done, total: said.append((done, total)))
    names = [folder_of(row, seed=1) for row in STUDY.rows]
    assert list(trained) == names
    assert [work.out.name for work in workers.started[:2]] == names
    assert facts(tmp_path / "parts") == facts(tmp_path / "alone")
    assert said[-1] == (200, 200)
    for name in names:
        tensors, others = (load_tensors(str(tmp_path / run / "trainings" / name)) for run in ("alone", "parts"))
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[key], others[key]) for key in tensors)
    found = run_study(STUDY, lambda _row, _seed, folder: trained[folder], measured, SKIMAGE, run=tmp_path / "parts", **how)
    assert [(each.row.name, each.means, each.difference, each.steps) for each in found] == [
        (each.row.name, each.means, each.difference, each.steps) for each in expected
    ]
    assert facts(tmp_path / "parts") == facts(tmp_path / "alone")  # nothing was measured again
    pictures = [
        {path.relative_to(tmp_path / run): path.read_bytes() for path in (tmp_path / run / "pictures").rglob("*.png")}
        for run in ("alone", "parts")
    ]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 6


def test_what_was_trained_is_not_trained_again(on_cluster, tmp_path, monkeypatch):
    with pytest.raises(UnblurError, match="the training `mscnn-seed-1` was lost in every attempt"):
        on_cluster(tmp_path / "run", workers=Backwards(losses=3))
    begun, run = [], StudyWork.run
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "trainings").glob("*/state.pt")}
    assert [path.parent.name for path in states] == ["mscnn-seed-1"]
    monkeypatch.setattr(StudyWork, "run", lambda self, say, *, attempt: begun.append(self.out.name) or run(self, say, attempt=attempt))
    assert on_cluster(tmp_path / "run")["mscnn-seed-1"].steps == 2
    assert {path: path.stat().st_mtime_ns for path in states} == states
    assert len(begun) == 2


def test_a_fault_of_the_data_and_another_budget_are_errors(on_cluster, data, tmp_path):
    on_cluster(tmp_path / "run")
    with pytest.raises(InputError, match="begun with a budget of 2 steps"):
        on_cluster(tmp_path / "run", steps=3)
    (data / "measured/blurry/clip/000002.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="000002"):
        on_cluster(tmp_path / "other")


def test_the_command_trains_on_photos_on_a_cluster(use_workers, data, monkeypatch, capsys):
    """With pairs that are made for each training apart, where one machine makes them once for all."""
    from unblur.app import cli

    monkeypatch.chdir(data)
    measuring._contender.cache_clear()
    use_workers(workers := Backwards())
    sizes = ("data.pool=2", "data.pool_start=2", "data.pair_size=32", "crop=16", "batch=2", "precision=fp32", "workers=0")
    where = ("--photos", "gopro", "--data", "measured", "--device", "cpu")
    options = ("--row", "MSCNN-1-Codec", "--small", "--steps", "1", "--json", *(word for size in sizes for word in ("--set", size)))
    words = ("ablate", "mscnn-codecs", *where, *options)
    found = []
    for run, more in (("alone", ()), ("parts", ("--cluster", "auto", "--threads", "1"))):
        monkeypatch.setattr("sys.argv", ["unblur", *words, "-o", run, *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        found.append(json.loads(capsys.readouterr().out))
    left_out = {"seconds": 0}
    assert [each | left_out for each in found[0]] == [each | left_out for each in found[1]]
    assert len(workers.started) == len(found[0]) == 2
    assert facts(data / "alone") == facts(data / "parts")
    assert list((data / "parts" / "samples").iterdir()) == []
    monkeypatch.setattr("sys.argv", ["unblur", *words, "-o", "alone", "--threads", "2"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "it is for a cluster" in capsys.readouterr().err
