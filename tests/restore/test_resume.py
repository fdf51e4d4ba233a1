"""A clip that was stopped is gone on with as it was begun."""

import json
from dataclasses import replace

import pytest
from clips import Clip
from nets import CPU, Identity

import unblur
from unblur.errors import DeviceError
from unblur.io.journal import frames_of, journal_of, work_of
from unblur.restore.batch import Job
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Setup
from unblur.restore.resume import Loader, Settings, settings_of_stopped

DEFAULT = Settings("latest", "auto", 1)
BEGUN = Settings("swift", "fp32", 2)


@pytest.fixture(autouse=True)
def keep_at_once(monkeypatch):
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "6")


def deblurrer(settings: Settings = BEGUN) -> Deblurrer:
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[settings.precision]
    return Deblurrer(Identity(), setup=Setup(CPU, dtype, self_ensemble=settings.self_ensemble), model=settings.model)


def stop(job: Job, *, after: int = 8, made: Deblurrer | None = None, **options) -> None:
    def progress(done, _total):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        (made or deblurrer()).video(job.source, job.target, progress=progress, **options)


@pytest.fixture
def job(tmp_path):
    return Job(Clip().make(tmp_path / "a.mp4"), tmp_path / "b.mp4", "video")


@pytest.mark.parametrize("after", [3, 8])  # of the frame store alone, and of the journal
def test_settings_are_found_where_a_clip_was_stopped(job, after):
    assert settings_of_stopped(job.source, job.target) is None
    stop(job, after=after)
    assert frames_of(job.target).exists()
    assert settings_of_stopped(job.source, job.target) == BEGUN
    job.source.touch()
    assert settings_of_stopped(job.source, job.target) is None


@pytest.mark.parametrize(
    "settings",
    [
        None,
        [],
        {"model": "swift"},
        {"model": "", "precision": "fp32", "self_ensemble": 1},
        {"model": "a", "precision": "x", "self_ensemble": 1},
    ],
)
def test_senseless_settings_are_none(job, settings, monkeypatch):
    stop(job)
    monkeypatch.setattr("unblur.restore.resume.work_of", lambda target: work_of(target) | {"settings": settings})
    assert settings_of_stopped(job.source, job.target) is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], BEGUN),
        (["model"], replace(BEGUN, model="latest")),
        (["precision"], replace(BEGUN, precision="auto")),
        (["model", "precision", "self_ensemble"], DEFAULT),
    ],
)
def test_what_was_asked_for_holds_and_the_rest_is_as_it_was_begun(job, asked, expected):
    loaded = []
    load = Loader(lambda settings: loaded.append(settings) or deblurrer(), default=lambda _: DEFAULT, asked=asked)
    other = Job(job.source, job.target.with_name("c.mp4"), "video")
    stop(job)
    assert load(job) is load(job)
    load(other)
    load(Job(job.source, job.target, "photo"))
    assert loaded == list(dict.fromkeys([expected, DEFAULT]))


def test_a_precision_that_this_machine_lacks_is_replaced(job):
    stop(job)

    def load(settings: Settings) -> Deblurrer:
        if settings.precision == "fp32":
            raise DeviceError("not here")
        return deblurrer(replace(settings, precision="bf16"))

    made = Loader(load, default=lambda _: DEFAULT, asked=[])(job)
    assert (made.model, made.setup.precision, made.setup.self_ensemble) == ("swift", "bf16", 2)
    with pytest.raises(DeviceError):
        Loader(load, default=lambda _: replace(DEFAULT, precision="fp32"), asked=["precision"])(job)


def test_what_is_thrown_away_is_said_before_the_work(job):
    stop(job)
    said, order = [], []
    other = deblurrer(replace(BEGUN, precision="bf16"))
    report = other.video(
        job.source, job.target, notify=lambda text: (said.append(text), order.append("said")), progress=lambda *_: order.append("work")
    )
    assert report.resumed_after == 0
    (text,) = said
    assert text in report.warnings
    assert text == "8 frame(s) that an earlier run has finished are discarded: `precision` was fp32 and is bf16"
    assert order[0] == "said"
    assert order.count("work") == report.frames == 15


def test_another_version_begins_anew(job, monkeypatch):
    version = unblur.__version__
    stop(job)
    monkeypatch.setattr("unblur.__version__", "9.9")
    report = deblurrer().video(job.source, job.target)
    assert report.resumed_after == 0
    assert any(text.endswith(f"`unblur` was {version} and is 9.9") for text in report.warnings)


def test_another_setting_of_the_network_begins_anew(job):
    stop(job)
    other = deblurrer()
    other.net.iterations = 3  # as networks keep their arguments
    report = other.video(job.source, job.target)
    assert report.resumed_after == 0
    assert any(text.endswith("`weights` is another") for text in report.warnings)


def test_nothing_is_said_where_nothing_is_thrown_away(job):
    stop(job)
    said = []
    report = deblurrer().video(job.source, job.target, notify=said.append)
    assert (report.resumed_after, said, report.warnings) == (8, [], ())


def test_the_earlier_work_stays_until_there_is_other(job):
    """Who has mistyped an option and stops at once has lost nothing."""
    stop(job)
    before = journal_of(job.target).read_bytes(), frames_of(job.target).read_bytes()

    def notify(_text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deblurrer().video(job.source, job.target, strength=0.5, notify=notify)
    assert (journal_of(job.target).read_bytes(), frames_of(job.target).read_bytes()) == before
    assert deblurrer().video(job.source, job.target).resumed_after == 8


def test_settings_do_not_decide_whether_it_is_the_same_work(job):
    """The same weights may lie at another place."""
    stop(job)
    moved = deblurrer(replace(BEGUN, model=json.dumps("elsewhere")))
    assert moved.video(job.source, job.target).resumed_after == 8
