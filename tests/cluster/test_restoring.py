"""Files of a cluster, done by workers of this process: what is asked of them, what is refused, and what is said."""

# ruff: noqa: ARG002, ARG005 - stand-ins take what the real ones take

import json
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import Clip
from nets import save_weights, tiny_swift
from PIL import Image

from unblur.cluster import restoring, work
from unblur.cluster.restoring import restore_files
from unblur.cluster.schedule import Begun, Ended, Frames, Lost, Note, Workers
from unblur.cluster.work import RestoreWork, absolute
from unblur.errors import InputError
from unblur.restore.batch import Job, Options
from unblur.restore.networks import Networks, Request
from unblur.restore.observer import Observer
from unblur.restore.runner import restore_files as on_one


def photo(path, *, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)).save(path)
    return path


class Here(Workers):
    """Does each unit at once, in this process, after it was pickled.

    Args:
        losses: reasons for which the first attempts are lost.
        finishes: whether a lost attempt has done its work before.
    """

    def __init__(self, *, losses=(), finishes=False):
        self.losses, self.finishes, self.started = list(losses), finishes, []

    def room(self):
        return 1

    def start(self, work, *, attempt, avoid):
        self.started.append(work)
        return pickle.dumps(work), attempt

    def events(self, handles, *, seconds):
        for data, attempt in handles:
            said = [Begun("here", "1")]
            if self.losses:
                if self.finishes:
                    pickle.loads(data).run(said.append, attempt=attempt)
                said.append(Lost(self.losses.pop(0)))
            else:
                said.append(Ended(pickle.loads(data).run(said.append, attempt=attempt)))
            yield from (((data, attempt), event) for event in said)

    def kill(self, handle):
        raise AssertionError("nothing hangs")

    def stop(self, handles):
        assert not handles


class Heard(Observer):
    def __init__(self):
        self.begun, self.notes, self.counts, self.ended = [], [], [], []

    def begins(self, job):
        self.begun.append(job.source.name)

    def note(self, text):
        self.notes.append(text)

    def progress(self, done, total):
        self.counts.append((done, total))

    def ends(self, outcome):
        self.ended.append((outcome.source.name, outcome.status))


@pytest.fixture
def request_(tmp_path):
    (tmp_path / "weights").mkdir()
    return Request(model=save_weights(tmp_path / "weights" / "tiny.safetensors", tiny_swift()), device="cpu", precision="fp32")


@pytest.fixture
def restore(monkeypatch, request_):
    """Restores files by workers of this process; the network of one test is not that of the next."""
    monkeypatch.setattr(restoring, "connected", lambda address: pytest.MonkeyPatch.context())
    work._networks.cache_clear()

    def call(sources, target=None, *, workers=None, options=None, **more):
        monkeypatch.setattr(restoring, "RayWorkers", lambda *, cpus, gpus: workers or Here())
        return restore_files(sources, target, address="auto", request=more.pop("request", request_), options=options or Options(), **more)

    return call


def test_results_are_those_of_one_machine(restore, request_, tmp_path):
    for name in ("a.png", "b.jpg", "day/c.png"):
        photo(tmp_path / "shots" / name)
    (tmp_path / "shots" / "broken.png").write_bytes(b"nothing")
    heard = Heard()
    report = restore([tmp_path / "shots"], tmp_path / "ours", observer=heard)
    other = on_one([tmp_path / "shots"], tmp_path / "theirs", request=request_, options=Options())
    assert [(each.source, each.status, each.message) for each in report.outcomes] == [
        (each.source, each.status, each.message) for each in other.outcomes
    ]
    assert [each.status for each in report.outcomes] == ["done", "done", "failed", "done"]
    for outcome in report.with_status("done"):
        assert outcome.target.read_bytes() == (tmp_path / "theirs" / outcome.target.relative_to(tmp_path / "ours")).read_bytes()
    assert heard.counts[-1] == (3, 3)
    assert heard.begun == ["a.png", "b.jpg", "c.png"]
    assert sorted(heard.ended) == sorted((each.source.name, each.status) for each in report.outcomes)
    assert {path.name for path in (tmp_path / "ours").iterdir()} == {"a.png", "b.jpg", "day"}  # no mark is left


def test_paths_of_the_caller_come_back_and_absolute_ones_are_sent(restore, tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    workers = Here()
    (source,) = [path.relative_to(tmp_path) for path in tmp_path.glob("a.png")]
    (outcome,) = restore([source], workers=workers).outcomes
    assert (str(outcome.source), str(outcome.target)) == ("a.png", "a_unblurred.png")
    assert workers.started[0].job.source == tmp_path / "a.png"
    assert workers.started[0].request.threads == 1


def test_weights_in_a_file_are_sent_by_their_whole_path(restore, request_, tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    workers = Here()
    assert not restore([tmp_path / "a.png"], workers=workers, request=replace(request_, model="weights/tiny.safetensors")).failed
    assert workers.started[0].request.model == tmp_path / "weights" / "tiny.safetensors"


def test_a_lost_attempt_is_said_and_tried_again(restore, tmp_path):
    photo(tmp_path / "a.png")
    heard = Heard()
    (outcome,) = restore([tmp_path / "a.png"], workers=Here(losses=["its node died"]), observer=heard).outcomes
    assert outcome.status == "done"
    assert "it was tried again: its node died" in outcome.warnings
    assert any("is tried again" in note for note in heard.notes)


def test_after_three_attempts_a_file_is_named_with_its_reasons(restore, tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    report = restore([tmp_path / "a.png", tmp_path / "b.png"], workers=Here(losses=["first", "second", "third"]))
    (failed,) = report.failed
    assert failed.source == tmp_path / "a.png"
    assert failed.message == "given up after 3 attempts: first; second; third"
    assert report.outcomes[1].status == "done"


def test_a_worker_lost_after_it_had_finished_costs_nothing(restore, tmp_path):
    photo(tmp_path / "a.png")
    (outcome,) = restore([tmp_path / "a.png"], workers=Here(losses=["killed"], finishes=True)).outcomes
    assert (outcome.status, outcome.target) == ("done", tmp_path / "a_unblurred.png")
    assert any("after it had finished" in warning for warning in outcome.warnings)


def test_a_result_that_was_there_before_is_not_taken_for_ours(restore, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "a_unblurred.png").write_bytes(b"mine")
    (outcome,) = restore([tmp_path / "a.png"], workers=Here(losses=["killed"])).outcomes
    assert outcome.status == "failed"
    assert "--overwrite" in outcome.message
    assert (tmp_path / "a_unblurred.png").read_bytes() == b"mine"


@pytest.mark.parametrize("missing", ["source", "storage of the results"])
def test_a_worker_that_does_not_see_the_files_says_so(request_, tmp_path, missing):
    source = photo(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    job = absolute(Job(source, tmp_path / "out" / "a.png", "photo"))
    mark = tmp_path / "out" / ".unblur-mark"
    if missing == "source":
        shutil.rmtree(source.parent)
    unit = RestoreWork(job, Options(), request_, Networks(request_).chosen_for(job), mark=None if missing == "source" else mark)
    outcome = unit.run(lambda event: None, attempt=1)
    assert outcome.status == "failed"
    assert str(source if missing == "source" else tmp_path / "out") in outcome.message
    assert "storage that all nodes have" in outcome.message
    assert not (tmp_path / "out" / "a.png").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_worker_without_memory_loses_the_unit_and_not_the_file(request_, tmp_path, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("unblur.restore.batch.read_image", full)
    job = absolute(Job(photo(tmp_path / "a.png"), tmp_path / "b.png", "photo"))
    with pytest.raises(MemoryError):
        RestoreWork(job, Options(), request_, Networks(request_).chosen_for(job)).run(lambda event: None, attempt=1)


def test_the_choice_of_the_driver_is_taken(tmp_path):
    """Weights and scale depend on the speed of the machine that chooses."""
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    networks = Networks(Request(quality="fast", device="cpu"))
    jobs = [Job(path, path.with_suffix(".tif"), "photo") for path in (first, second)]
    networks.choose(jobs, options=Options(), scale=0.5)
    chosen = networks.chosen_for(jobs[0])
    assert chosen.photo.scale == 0.5
    outcome = RestoreWork(absolute(jobs[0]), Options(), Request(device="cpu"), chosen).run(lambda event: None, attempt=1)
    assert (outcome.model, outcome.scale) == (chosen.photo.weights, 0.5)


@pytest.mark.parametrize("name", ["s3://bucket/a.png", "gs:/bucket/a.png", "https://example.org/a.png"])
def test_urls_are_refused_with_what_to_do(restore, name):
    with pytest.raises(InputError, match="mount that storage"):
        restore([Path(name)])


def test_a_time_limit_is_refused(restore, tmp_path):
    with pytest.raises(InputError, match="time limit"):
        restore([photo(tmp_path / "a.png")], request=Request(time_limit=1.0))


def test_frames_of_all_files_are_counted_together():
    heard = Heard()
    files = restoring._Files(heard)
    for place in range(3):
        files.add(place, RestoreWork(Job(Path("a"), Path("b"), "photo"), Options(), Request(device="cpu"), None), ())
    units = list(files.works)
    for place, frames in ((0, Frames(1, 1)), (1, Frames(2, 10)), (1, Frames(3, 10)), (2, Frames(5, None))):
        files.take(units[place], frames)
    assert heard.counts == [(1, 3), (3, 12), (4, 12), (9, 16)]
    files.take(units[0], Note("once"))
    files.take(units[1], Note("once"))
    assert heard.notes == ["once"]


def test_a_long_clip_is_restored_in_segments(restore, request_, tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "6")
    source = Clip(pts=range(0, 800, 40)).make(tmp_path / "a.mp4")
    heard, workers = Heard(), Here(losses=["its node died"])
    request = replace(request_, precision="auto")
    (outcome,) = restore([source], tmp_path / "ours.mp4", workers=workers, observer=heard, request=request).outcomes
    on_one([source], tmp_path / "theirs.mp4", request=replace(request, threads=1), options=Options())
    assert (outcome.status, outcome.frames, outcome.resumed_after) == ("done", 20, 0)
    assert (tmp_path / "ours.mp4").read_bytes() == (tmp_path / "theirs.mp4").read_bytes()
    assert [type(unit).__name__ for unit in workers.started] == [*["SegmentWork"] * 4, "JoinWork"]  # one of them twice
    assert {unit.clip.request.precision for unit in workers.started[:4]} <= {"fp32", "bf16", "int8"}  # chosen once
    assert heard.counts[-1] == (20, 20)
    assert any("tried again" in warning for warning in outcome.warnings)
    assert heard.ended == [("a.mp4", "done")]


# The command


@pytest.fixture
def by_command(monkeypatch, tmp_path, capsys):
    """Runs `unblur ARGUMENTS --cluster auto` by workers of this process."""
    from unblur.app import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(restoring, "connected", lambda address: pytest.MonkeyPatch.context())

    def call(*arguments, workers=None):
        monkeypatch.setattr(restoring, "RayWorkers", lambda *, cpus, gpus: workers or Here())
        monkeypatch.setattr("sys.argv", ["unblur", *arguments, "--cluster", "auto"])
        with pytest.raises(SystemExit) as end:
            cli.main()
            raise SystemExit(0)
        return end.value.code or 0, *capsys.readouterr()

    return call


def test_command_names_what_is_done_and_what_has_failed(by_command, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    code, _, err = by_command("a.png", "b.png", "--model", "swift", "--device", "cpu", workers=Here(losses=["its node died"]))
    assert code == 1
    assert "done a.png → a_unblurred.png" in err
    assert "is tried again: its node died" in err
    assert "1 restored, 0 skipped, 1 failed" in err
    assert (tmp_path / "a_unblurred.png").exists()


def test_command_prints_an_object_a_file(by_command, tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    code, out, _ = by_command("a.png", "b.png", "--model", "swift", "--device", "cpu", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["source"], row["status"], row["target"]) for row in rows] == [
        ("a.png", "done", "a_unblurred.png"),
        ("b.png", "done", "b_unblurred.png"),
    ]


def test_command_refuses_standard_input(by_command):
    code, _, err = by_command("-", "-o", "a.png")
    assert code == 2
    assert "is of this machine alone" in err


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with pytest.raises(InputError, match=r"pip install 'unblur\[cluster\]'"):
        restore_files([photo(tmp_path / "a.png")], address="127.0.0.1:1", request=Request(model="swift", device="cpu"), options=Options())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]
