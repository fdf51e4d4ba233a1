"""Work on a local Ray cluster of three nodes, each with processes of its own: results, and what becomes of workers that are lost."""

# ruff: noqa: ARG002 - stand-ins take what the real ones take

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from clips import Clip, Sound
from nets import save_weights, tiny_swift
from PIL import Image
from shrunk import small

from unblur.bench.ablate import Study, StudyRow, Trained, run_study
from unblur.bench.contender import open_contender
from unblur.bench.datasets import open_data
from unblur.bench.fit import Method
from unblur.bench.run import run_bench
from unblur.cluster import making, studying
from unblur.cluster.connect import connected
from unblur.cluster.making import MakeWork
from unblur.cluster.measuring import Asked, bench_on_cluster, works_of
from unblur.cluster.restoring import restore_files
from unblur.cluster.schedule import Begun, Ended, Frames, GivenUp, Lost, Work, run
from unblur.cluster.studying import StudyWork, Training
from unblur.errors import InputError
from unblur.io.journal import segment_of
from unblur.metrics import protocols
from unblur.restore import runner
from unblur.restore.batch import Options
from unblur.restore.networks import Request
from unblur.restore.observer import Observer
from unblur.synth.make import make
from unblur.synth.plans import StillsPlan
from unblur.synth.sources import find_photos
from unblur.synth.stills import StillsBlur
from unblur.training.budget import train_within
from unblur.weights import load_tensors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `cluster` is not installed"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds workers by /proc"),
    pytest.mark.filterwarnings("ignore"),  # those of Ray
]
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": ""}


@pytest.fixture(scope="module")
def cluster():
    """Three nodes with a processor each; ended with all of their processes."""
    patch = pytest.MonkeyPatch()
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have the tests
    node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    for _ in range(2):
        made.add_node(**node)
    yield made
    made.shutdown()
    patch.undo()


@pytest.fixture
def workers(cluster):
    from unblur.cluster.workers import RayWorkers

    with connected(cluster.address):
        yield RayWorkers(cpus=1)


def photo(path, *, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 56, 3), np.uint8)).save(path)


def mixed_files(folder):
    """40 files: photos in five formats, animations, clips with and without sound, one of them long, and one that is damaged."""
    folder.mkdir()
    (folder / "a damaged one.png").write_bytes(b"no picture")
    for number in range(28):
        photo(folder / f"photo {number:02}.{('png', 'jpg', 'tif', 'webp', 'bmp')[number % 5]}", seed=number)
    for number in range(3):
        frames = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 24, 3), np.uint8)) for i in range(4)]
        frames[0].save(folder / f"animation {number}.gif", save_all=True, append_images=frames[1:], duration=40)
    for number in range(7):
        Clip(pts=range(0, 40 * (5 + number), 40), sounds=[Sound()] if number % 2 else []).make(folder / f"clip {number}.mp4")
    Clip(pts=range(0, 40 * 200, 40), size=(160, 128)).make(folder / "long.mp4")
    assert len(list(folder.iterdir())) == 40
    return folder


def holder_of(path):
    """The process that has a file open, other than this one."""
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdecimal() and int(place.name) != os.getpid() and any(fd.readlink() == path for fd in (place / "fd").iterdir()):
                return int(place.name)
        except OSError:
            continue
    return None


class Kills(Observer):
    """Kills the worker that restores a clip or a segment, in the middle of it."""

    def __init__(self, target):
        self.partial, self.killed, self.ended = target.with_name(f".{target.name}.partial{target.suffix}"), None, []

    def progress(self, done, total):
        if self.killed is None and total is not None and total > 200 and (pid := holder_of(self.partial)) is not None:
            self.killed = pid
            os.kill(pid, signal.SIGKILL)

    def ends(self, outcome):
        self.ended.append(outcome.source.name)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_forty_mixed_files_are_those_of_one_machine_though_a_worker_is_killed(cluster, tmp_path):
    folder = mixed_files(tmp_path / "files")
    request = Request(model=save_weights(tmp_path / "tiny.safetensors", tiny_swift()), device="cpu", precision="fp32", threads=1)
    alone = runner.restore_files([folder], tmp_path / "alone", request=request, options=Options())
    kills = Kills(tmp_path / "together" / "long.mp4")
    together = restore_files([folder], tmp_path / "together", address=cluster.address, request=request, options=Options(), observer=kills)
    assert kills.killed is not None
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert [(each.source, each.status, each.frames) for each in together.outcomes] == [
        (each.source, each.status, each.frames) for each in alone.outcomes
    ]
    assert Counter(each.status for each in together.outcomes) == {"done": 39, "failed": 1}
    assert sorted(kills.ended) == sorted(path.name for path in folder.iterdir())
    again = [outcome for outcome in together.outcomes if any("tried again" in warning for warning in outcome.warnings)]
    assert "long.mp4" in [outcome.source.name for outcome in again]


def test_a_long_clip_in_segments_is_that_of_one_machine_though_a_worker_is_killed(cluster, tmp_path):
    source = Clip(pts=range(0, 40 * 300, 40), size=(128, 96), sounds=[Sound(seconds=11)]).make(tmp_path / "a.mp4")
    request = Request(model=save_weights(tmp_path / "tiny.safetensors", tiny_swift()), device="cpu", precision="fp32", threads=1)
    runner.restore_files([source], tmp_path / "alone.mp4", request=request, options=Options())
    kills = Kills(segment_of(tmp_path / "together.mp4", 1))
    (outcome,) = restore_files(
        [source], tmp_path / "together.mp4", address=cluster.address, request=request, options=Options(), observer=kills
    ).outcomes
    assert kills.killed is not None
    assert (outcome.status, outcome.frames) == ("done", 300), outcome.message
    assert (tmp_path / "together.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert any("tried again" in warning for warning in outcome.warnings)
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_data_set_is_measured(cluster, tmp_path):
    for kind in ("blurry", "sharp"):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        for number in range(10):
            photo(tmp_path / "pairs" / kind / f"{number}.png", seed=number + 100 * (kind == "sharp"))
    data, protocol = open_data(str(tmp_path / "pairs")), protocols.get("gopro-skimage")
    alone = run_bench([open_contender("blurry")], [data], [protocol], run=tmp_path / "alone")
    works = works_of([(Method("blurry", 1), False)], [(data, protocol)], asked=Asked(device="cpu"), run=tmp_path / "run")
    assert len(works) == 2
    assert bench_on_cluster(works, address=cluster.address) == alone


class KilledOnce(MakeWork):
    """Is killed after its first attempt."""

    def run(self, say, *, attempt):
        result = super().run(say, attempt=attempt)
        if attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def test_a_data_set_is_made_though_workers_are_killed(cluster, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        photo(tmp_path / "photos" / f"{number}.png", seed=number)
    plan = StillsPlan((tmp_path / "photos",), StillsBlur(), seed=3, count=8, size=(32, 32), with_motion=True)
    alone = make(plan, tmp_path / "alone", version="1.2.3")
    monkeypatch.setattr("unblur.synth.plans.DRAWS_A_UNIT", 3)
    monkeypatch.setattr(making, "MakeWork", KilledOnce)
    assert making.make_on_cluster(plan, tmp_path / "together", version="1.2.3", address=cluster.address) == alone
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")
    assert [path.name for path in tmp_path.glob(".*")] == []


class KilledInTheMiddle(StudyWork):
    """Is killed in its first attempt after a step of which the checkpoint is kept."""

    def run(self, say, *, attempt):
        def say_or_die(event):
            say(event)
            if attempt == 1 and event.done == 4:
                os.kill(os.getpid(), signal.SIGKILL)

        return super().run(say_or_die, attempt=attempt)


def test_rows_of_a_study_are_trained_on_photos_though_workers_are_killed(cluster, tmp_path, monkeypatch):
    """Each training starts processes of its own that make its pairs."""
    for kind in ("photos", "pairs/blurry", "pairs/sharp"):
        (tmp_path / kind).mkdir(parents=True)
        for number in range(2):
            photo(tmp_path / kind / f"{number}.png", seed=number + 100 * (kind == "pairs/sharp"))
    study = Study("tiny", "Does it run?", "", (StudyRow("swift", "swift/stills", {}, "", None),))
    photos, data, protocol = find_photos([tmp_path / "photos"]), open_data(str(tmp_path / "pairs")), protocols.get("gopro-skimage")

    def recipe_of(row, seed):
        return small(row.recipe, seed=seed, steps=6, save_every=2, log_every=1)

    def train_row(row, seed, folder):
        out = tmp_path / "alone" / "trainings" / folder
        budget = train_within(recipe_of(row, seed), out=out, photos=photos, cpu=True)
        return Trained(out, budget.steps, budget.seconds)

    how = {"seeds": (1, 2), "device": "cpu", "precision": "fp32"}
    alone = run_study(study, train_row, data, protocol, run=tmp_path / "alone", **how)
    monkeypatch.setattr(studying, "StudyWork", KilledInTheMiddle)
    training = Training(photos=tuple(photos), cpu=True)
    trained = studying.study_on_cluster(study, recipe_of, training, data, protocol, run=tmp_path / "run", address=cluster.address, **how)
    assert {name: each.steps for name, each in trained.items()} == {"swift-seed-1": 6, "swift-seed-2": 6}
    found = run_study(study, lambda _row, _seed, folder: trained[folder], data, protocol, run=tmp_path / "run", **how)
    assert [each.means for each in found] == [each.means for each in alone]
    for name in trained:
        tensors, others = (load_tensors(tmp_path / run / "trainings" / name) for run in ("alone", "run"))
        assert all((tensors[key] == others[key]).all() for key in tensors)


class Killed(Work):
    """Is killed in its first attempts, and then says on which nodes it was."""

    def __init__(self, attempts):
        self.attempts = attempts

    def run(self, say, *, attempt):
        if attempt <= self.attempts:
            os.kill(os.getpid(), signal.SIGKILL)
        return attempt


class Hangs(Work):
    """Reports nothing in its first attempt."""

    def run(self, say, *, attempt):
        if attempt == 1:
            time.sleep(600)
        return attempt


class Counts(Work):
    """Counts until it is ended, and then leaves a file."""

    def __init__(self, path):
        self.path = path

    def run(self, say, *, attempt):
        try:
            for number in range(6000):
                say(Frames(number, None))
                time.sleep(0.1)
        except KeyboardInterrupt:
            self.path.write_text("cleared up")
            raise


class Broken(Work):
    def run(self, say, *, attempt):
        raise ZeroDivisionError("odd")


def test_what_is_killed_is_tried_elsewhere_and_given_up_in_the_end(workers):
    works = [Killed(0), Killed(1), Killed(3)]
    events = list(run(deque(works), workers, hang_after=600))
    nodes = [event.node for work, event in events if work is works[1] and isinstance(event, Begun)]
    assert len(set(nodes)) == len(nodes) == 2
    assert {works.index(work): event.result for work, event in events if isinstance(event, Ended)} == {0: 1, 1: 2}
    (given_up,) = [(work, event) for work, event in events if isinstance(event, GivenUp)]
    assert given_up == (works[2], GivenUp(("its worker was killed, or crashed",) * 3))


def test_what_hangs_is_killed_and_tried_again(workers):
    events = [event for _, event in run(deque([Hangs()]), workers, hang_after=3.0)]
    assert [event.result for event in events if isinstance(event, Ended)] == [2]
    assert any(isinstance(event, Lost) and "reported nothing" in event.reason for event in events)


def test_what_is_stopped_clears_up(workers, tmp_path):
    with closing(run(deque([Counts(tmp_path / "left")]), workers, hang_after=600)) as events:
        for _, event in events:
            if isinstance(event, Frames) and event.done > 3:
                break
    assert (tmp_path / "left").read_text() == "cleared up"


def test_a_fault_of_the_program_is_an_error(workers):
    from unblur.errors import UnblurError

    with pytest.raises(UnblurError, match="ZeroDivisionError"):
        list(run(deque([Broken()]), workers, hang_after=600))


def test_more_processors_than_a_node_has_are_refused(cluster):
    from unblur.cluster.workers import RayWorkers

    with connected(cluster.address), pytest.raises(InputError, match="no node of the cluster has 4096 processors"):
        RayWorkers(cpus=4096)


def test_the_command_starts_a_cluster_of_its_own_that_others_cannot_reach(tmp_path):
    """On 127.0.0.1: who reaches the ports of Ray can run any code."""
    photo(tmp_path / "a.png", seed=0)
    code = (
        "import sys; from unblur.app.cli import main; from unblur.cluster import workers\n"
        "init = workers.RayWorkers.__init__\n"
        "def seen(self, **more):\n"
        "    init(self, **more); print([node['NodeManagerAddress'] for node in self._nodes()])\n"
        "workers.RayWorkers.__init__ = seen\n"
        "sys.argv = ['unblur', 'a.png', '--model', 'swift', '--cluster', 'auto']\nmain()"
    )
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # names of sockets must not be long
        environment = {**os.environ, **ENVIRONMENT, "RAY_TMPDIR": short}
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "['127.0.0.1']" in done.stdout
    assert (tmp_path / "a_unblurred.png").exists()
    assert "done a.png" in done.stderr
