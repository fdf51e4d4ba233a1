"""`unblur.restore` and `unblur.load` do what the command does, and raise nothing but `UnblurError`."""

import inspect
import shutil
from dataclasses import FrozenInstanceError

import cv2
import numpy as np
import pytest
import torch
from clips import Clip
from nets import TINY_VIDEO, save_weights, tiny_swift
from PIL import Image

import unblur
from unblur.app import cli
from unblur.errors import DeviceError, InputError, OutputError, UnblurError, UnreadableError, UnsupportedError, WeightsError
from unblur.io.video import VideoReader
from unblur.models import create
from unblur.restore import api

PICTURE = cv2.blur(np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8), (5, 1))
CPU = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def built_in(tmp_path, monkeypatch):
    """Small networks in place of the built-in ones, so that what is taken is known and fast."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for seed, name in enumerate(("swift", "swift_quick", "swift_best", "swift_fused")):
        save_weights(folder / f"{name}.safetensors", tiny_swift(seed=seed))
    for name in ("swift_video", "swift_video_best"):
        net = create("swift_video", **TINY_VIDEO)
        save_weights(folder / f"{name}.safetensors", net, architecture="swift_video", arguments=TINY_VIDEO)
    monkeypatch.setattr("unblur.weights.BUILT_IN", folder)
    return folder


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def clip(tmp_path):
    return Clip(pts=[0, 40, 80]).make(tmp_path / "clip.mp4")


def command(*arguments, monkeypatch):
    monkeypatch.setattr("sys.argv", ["unblur", *map(str, arguments), "--device", "cpu", "--precision", "fp32"])
    with pytest.raises(SystemExit) as end:
        cli.main()
        raise SystemExit(0)
    return end.value.code or 0


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture).copy()


# What is restored


@pytest.mark.usefixtures("built_in")
def test_files_are_those_of_the_command(photo, clip, tmp_path, monkeypatch):
    assert command(photo, clip, "-o", tmp_path / "command", monkeypatch=monkeypatch) == 0
    report = unblur.restore([photo, str(clip)], tmp_path / "api", **CPU)
    assert [outcome.status for outcome in report.outcomes] == ["done", "done"]
    assert [outcome.model for outcome in report.outcomes] == ["swift_fused", "swift_video_best"]
    for name in ("photo_unblurred.png", "clip_unblurred.mp4"):
        assert (tmp_path / "api" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()


@pytest.mark.usefixtures("built_in")
def test_a_single_file_goes_beside_its_source(photo, clip, tmp_path):
    report = unblur.restore(photo, **CPU)
    assert (report.target, report.outcomes[0].frames, report.picture) == (tmp_path / "photo_unblurred.png", 1, None)
    report = unblur.restore(str(clip), tmp_path / "out.mkv", codec="ffv1", duration=0.08, **CPU)
    assert (report.target, report.outcomes[0].frames) == (tmp_path / "out.mkv", 2)
    assert VideoReader(tmp_path / "out.mkv").info.codec == "ffv1"


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize("kind", ["array", "pillow", "tensor"])
def test_a_picture_is_restored_as_its_file_is(kind, photo):
    given = {"array": PICTURE, "pillow": Image.fromarray(PICTURE), "tensor": torch.from_numpy(PICTURE).permute(2, 0, 1) / 255}[kind]
    report = unblur.restore(given, **CPU)
    assert type(report.picture) is (Image.Image if kind == "pillow" else type(given))
    assert (report.target, report.outcomes[0].source, report.outcomes[0].kind) == (None, None, "photo")
    expected = pixels(unblur.restore(photo, **CPU).target)
    found = report.picture.permute(1, 2, 0).numpy() * 255 if kind == "tensor" else np.asarray(report.picture)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.51 if kind == "tensor" else 0)
    assert (expected != PICTURE).any()


@pytest.mark.usefixtures("built_in")
def test_a_folder_is_restored_and_what_is_bad_in_it_is_an_outcome(photo, tmp_path):
    (tmp_path / "shots").mkdir()
    shutil.copy(photo, tmp_path / "shots" / "a.png")
    (tmp_path / "shots" / "b.png").write_bytes(photo.read_bytes()[:80])
    report = unblur.restore(tmp_path / "shots", **CPU)
    assert [(outcome.source.name, outcome.status) for outcome in report.outcomes] == [("a.png", "done"), ("b.png", "failed")]
    assert [outcome.source.name for outcome in report.failed] == ["b.png"]
    assert "b.png" in report.failed[0].message
    again = unblur.restore(tmp_path / "shots", **CPU)
    assert len(again.with_status("skipped")) == 1


def test_a_report_cannot_be_changed():
    report = unblur.restore(PICTURE, model="swift", strength=0, **CPU)
    with pytest.raises(FrozenInstanceError):
        report.picture = None
    with pytest.raises(FrozenInstanceError):
        report.outcomes[0].status = "failed"
    assert not any(name in vars(unblur.load("swift", **CPU)) for name in ("kept_input", "skipped_sharp", "network_seconds"))


# The network that is taken


@pytest.mark.usefixtures("built_in")
def test_loaded_weights_are_those_that_restore_takes(clip, tmp_path):
    loaded = unblur.load(**CPU)
    assert (loaded.for_photos.model, loaded.for_videos.model) == ("swift_fused", "swift_video_best")
    assert loaded.for_photos is loaded.for_photos  # loaded once
    np.testing.assert_array_equal(loaded.photo(PICTURE), unblur.restore(PICTURE, **CPU).picture)
    loaded.video(clip, tmp_path / "a.mp4")
    unblur.restore(clip, tmp_path / "b.mp4", **CPU)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with VideoReader(clip) as reader:
        frames = [frame.pixels for frame in reader]
    np.testing.assert_array_equal(list(loaded.frames(frames)), list(unblur.load("swift_video_best", **CPU).frames(frames)))


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize(
    ("quality", "expected"),
    [("fast", ("swift_quick", "swift")), ("good", ("swift_best", "swift_video")), ("best", ("swift_fused", "swift_video_best"))],
)
def test_quality_chooses_among_the_built_in_weights(quality, expected, photo, clip, tmp_path):
    report = unblur.restore([photo, clip], tmp_path / "out", quality=quality, duration=0.04, **CPU)
    assert tuple(outcome.model for outcome in report.outcomes) == expected
    loaded = unblur.load(quality=quality, **CPU)
    assert (loaded.for_photos.model, loaded.for_videos.model) == expected
    assert unblur.restore(PICTURE, quality=quality, **CPU).outcomes[0].model == expected[0]


@pytest.mark.usefixtures("built_in")
def test_a_photo_gets_the_same_weights_and_scale_however_busy_the_machine_is_later(monkeypatch, tmp_path):
    monkeypatch.setenv("UNBLUR_CACHE_DIR", str(tmp_path / "measured"))
    monkeypatch.setattr("unblur.restore.choose.LEAST_PIXELS", 100)
    chosen = []
    for seconds in (0.1, 1.0, 1e-9):
        monkeypatch.setattr("unblur.restore.choose.seconds_a_pixel", lambda *_, seconds=seconds, **__: seconds)
        chosen.append(unblur.restore(PICTURE, **CPU).outcomes[0])
    assert [(outcome.model, outcome.scale) for outcome in chosen] == [("swift_fused", 0.75)] * 3


@pytest.mark.usefixtures("built_in")
def test_large_pictures_are_restored_at_a_smaller_scale_where_time_is_short(monkeypatch):
    monkeypatch.setattr("unblur.restore.networks.usual_seconds_a_pixel", lambda _: 0.1)
    monkeypatch.setattr("unblur.restore.choose.LEAST_PIXELS", 100)
    report = unblur.restore(PICTURE, **CPU)
    (outcome,) = report.outcomes
    assert (outcome.model, outcome.scale) == ("swift_fused", 0.75)
    assert "0.75 of the photo's size" in report.warnings[0]
    np.testing.assert_array_equal(unblur.load(**CPU).photo(PICTURE), report.picture)
    np.testing.assert_array_equal(unblur.load("swift_fused", **CPU).photo(PICTURE, scale=0.75), report.picture)
    assert unblur.restore(PICTURE, scale=1, **CPU).outcomes[0].model == "swift"


@pytest.mark.usefixtures("built_in")
def test_a_time_limit_chooses_for_a_picture(monkeypatch):
    monkeypatch.setattr("unblur.restore.networks.seconds_a_pixel", lambda *_, **__: 0.01)  # 4.8 s for the picture
    said = []

    class Listens(unblur.Observer):
        def chosen(self, summary):
            said.append(summary)

    report = unblur.restore(PICTURE, time_limit=0.2, observer=Listens(), **CPU)
    assert "`--model swift_fused` with `--self-ensemble 2`" in said[0]
    np.testing.assert_array_equal(report.picture, unblur.restore(PICTURE, model="swift_fused", self_ensemble=2, **CPU).picture)


@pytest.mark.usefixtures("built_in")
def test_a_clip_that_was_stopped_is_gone_on_with_as_it_was_begun(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)

    class Stops(unblur.Observer):
        def progress(self, done, total):
            del total
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unblur.restore(clip, tmp_path / "a.mp4", model="swift", self_ensemble=2, observer=Stops(), **CPU)
    with pytest.raises(KeyboardInterrupt):
        unblur.restore(clip, tmp_path / "b.mp4", model="swift", self_ensemble=2, observer=Stops(), **CPU)
    outcome = unblur.restore(clip, tmp_path / "a.mp4", device="cpu").outcomes[0]
    assert (outcome.model, outcome.resumed_after) == ("swift", 2)
    assert unblur.load(device="cpu").video(clip, tmp_path / "b.mp4").resumed_after == 2


# What an observer hears


@pytest.mark.usefixtures("built_in")
def test_an_observer_hears_of_every_file(photo, tmp_path):
    heard = []

    class Listens(unblur.Observer):
        def preparing(self, what):
            heard.append(what)
            return super().preparing(what)

        def begins(self, job):
            heard.append(("begins", job.source.name))

        def progress(self, done, total):
            heard.append((done, total))

        def ends(self, outcome):
            heard.append((outcome.status, outcome.source.name))

    unblur.restore([photo, tmp_path / "missing.png"], observer=Listens(), **CPU)
    assert heard == ["loading the network", ("begins", "photo.png"), (1, 1), ("done", "photo.png"), ("failed", "missing.png")]


# What cannot be used


BAD_FILES = [
    ("missing.png", UnreadableError, "no file"),
    ("empty", InputError, "no photo or video"),
    ("text.png", UnreadableError, "neither a photo nor a video"),
    ("zero.jpg", UnreadableError, "empty"),
    ("broken.png", UnreadableError, "broken off"),
    ("", InputError, "not the name"),
    ("a\0b", InputError, "not the name"),
    ([], InputError, "nothing to restore"),
    ([PICTURE], InputError, "a path is"),
    (5, InputError, "a source is"),
    (None, InputError, "a source is"),
    (b"photo.png", InputError, "a path is|not the name"),
]


@pytest.mark.parametrize(("source", "kind", "words"), BAD_FILES, ids=lambda value: repr(value)[:20])
def test_bad_files(source, kind, words, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:80])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(kind, match=words) as error:
        unblur.restore(source, model="swift", **CPU)
    assert isinstance(error.value, UnblurError)
    assert sorted(tmp_path.rglob("*")) == before
    if isinstance(source, list | str):
        with pytest.raises(UnblurError):
            unblur.load("swift", **CPU).video(source, tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (np.zeros((5, 5, 3), np.int64), InputError),
        (np.zeros((5, 5), object), InputError),
        (np.zeros((2, 5, 5, 3), np.uint8), InputError),
        (np.zeros((5, 5, 7), np.uint8), InputError),
        (np.zeros((0, 5, 3), np.uint8), InputError),
        (np.full((5, 5, 3), np.nan), InputError),
        (np.full((5, 5, 3), 255.0), InputError),
        (torch.zeros(5, 5), InputError),
        (torch.full((3, 5, 5), torch.nan), InputError),
        (torch.zeros(3, 5, 5, device="meta"), InputError),
        (torch.zeros(3, 5, 5).to_sparse(), InputError),
        (Image.new("CMYK", (5, 5)), InputError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bad_pictures(picture, kind):
    loaded = unblur.load("swift", **CPU)
    for entry in (lambda: unblur.restore(picture, model="swift", **CPU), lambda: loaded.photo(picture)):
        with pytest.raises(kind) as error:
            entry()
        assert isinstance(error.value, UnblurError)
    with pytest.raises(UnblurError):
        list(loaded.frames([picture]))
    with pytest.raises(InputError, match="iterable"):
        list(loaded.frames(5))


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"model": "swfit"}, WeightsError, "there are no weights"),
        ({"model": 5}, InputError, "a path is"),
        ({"model": "pwcnet"}, WeightsError, "estimate flow"),
        ({"model": "swift_video"}, UnsupportedError, "looks at"),
        ({"weights": "nowhere.pth"}, UnblurError, "nowhere.pth"),
        ({"weights": "a.pth", "model": "swift"}, InputError, "leave out"),
        ({"time_limit": 3, "model": "swift"}, InputError, "leave out"),
        ({"quality": "fast", "model": "swift"}, InputError, "leave out"),
        ({"quality": 60, "model": "auto"}, WeightsError, "fast, good, best"),
        ({"time_limit": -1}, InputError, "time_limit"),
        ({"device": "tpu"}, DeviceError, "tpu"),
        ({"device": ["cpu"]}, DeviceError, "no device"),
        ({"precision": "fp8"}, DeviceError, "fp8"),
        ({"precision": []}, DeviceError, "no precision"),
        ({"codec": "divx"}, InputError, "choose one of"),
        ({"interlaced": "both"}, InputError, "interlaced"),
        ({"observer": 3}, InputError, "unblur.Observer"),
        ({"tile": 8}, InputError, "tile"),
        ({"tile": "auto"}, InputError, "tile"),
        ({"threads": 0}, InputError, "threads"),
        ({"self_ensemble": 3}, InputError, "1, 2, 4, 8"),
        ({"strength": 2}, InputError, "strength"),
        ({"strength": "much"}, InputError, "strength"),
        ({"scale": 0}, InputError, "scale"),
        ({"start": -1}, InputError, "start"),
        ({"duration": float("nan")}, InputError, "duration"),
        ({"file_quality": 101}, InputError, "file_quality"),
        ({"target": "out.png"}, InputError, "no target"),
    ],
    ids=str,
)
def test_bad_options(options, kind, words):
    with pytest.raises(kind, match=words) as error:
        unblur.restore(
            PICTURE, **({"model": "swift"} if not {"weights", "time_limit"} & set(options) else {}) | {"device": "cpu"} | options
        )
    assert isinstance(error.value, UnblurError)


def test_targets_that_cannot_be_written(photo, tmp_path):
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        unblur.restore(photo, tmp_path / "there.png", model="swift", **CPU)
    with pytest.raises(OutputError, match="must end in"):
        unblur.restore(photo, tmp_path / "out.xyz", model="swift", **CPU)
    with pytest.raises(InputError, match="a path is"):
        unblur.restore(photo, 5, model="swift", **CPU)
    assert (tmp_path / "there.png").read_bytes() == b"mine"


def test_a_fault_of_a_network_is_an_error_of_ours(photo, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("unblur.restore.deblurrer.restore_tiled", broken)
    with pytest.raises(UnblurError, match="unexpected ZeroDivisionError: odd") as error:
        unblur.restore(photo, model="swift", **CPU)
    assert isinstance(error.value.__cause__, ZeroDivisionError)


# The function itself


def test_the_package_is_the_function_and_has_the_options_of_the_command():
    assert inspect.signature(unblur.restore) == inspect.signature(api.restore)
    options = set(inspect.signature(unblur.restore).parameters) - {"source", "target", "observer"}
    from unblur.app.restore import restore as of_command

    of_cluster = {"cluster", "hang_after"}  # which `unblur.cluster.restoring.restore_files` takes
    assert set(inspect.signature(of_command).parameters) - {"inputs", "output", "as_json"} - of_cluster == options
    of_load = set(inspect.signature(unblur.load).parameters)
    assert of_load <= options
