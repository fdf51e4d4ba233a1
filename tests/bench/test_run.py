"""Measuring: what is in a row, that nothing is measured twice, and that a run survives being stopped."""

import errno
import hashlib
import json
import shutil
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

import unblur
from unblur.bench.contender import open_contender
from unblur.bench.crops import read_crops
from unblur.bench.datasets import open_data
from unblur.bench.report import write_report
from unblur.bench.rows import FILE, ClipRow, ModelRow, PictureRow, read_rows
from unblur.bench.run import read_picture, run_bench, saved_picture
from unblur.bench.table import summarise
from unblur.errors import InputError, OutputError, UnsupportedError
from unblur.metrics import from_uint8, protocols

SKIMAGE = protocols.get("gopro-skimage")


def measure(run, pairs, *models, chosen=(SKIMAGE,), as_tool=False, self_ensemble=1, **options):
    contenders = [
        open_contender(str(model), device="cpu", precision="fp32", as_tool=as_tool, self_ensemble=self_ensemble) for model in models
    ]
    return run_bench(contenders, [open_data(str(pairs))], chosen, run=run, **options)


def pictures(rows):
    return [row for row in rows if isinstance(row, PictureRow)]


def test_the_blurry_input_measures_as_the_protocol_does(pairs, tmp_path):
    rows = pictures(measure(tmp_path / "run", pairs, "blurry"))
    assert len(rows) == 6
    blurry, sharp = (np.array(Image.open(pairs / kind / "clip1/002.png")) for kind in ("blurry", "sharp"))
    assert rows[-1].measures == pytest.approx(SKIMAGE.measure(from_uint8(blurry), from_uint8(sharp)))
    assert rows[-1].before == rows[-1].measures
    assert (rows[-1].sequence, rows[-1].frame, rows[-1].name, rows[-1].width, rows[-1].height) == ("clip1", 2, "002.png", 48, 40)


def test_a_network_is_measured_with_all_that_a_row_needs(pairs, weights, tmp_path):
    path = weights("deepdeblur")
    rows = measure(tmp_path / "run", pairs, path)
    model = next(row for row in rows if isinstance(row, ModelRow))
    assert (model.system, model.device, model.precision) == ("deepdeblur", "cpu", "fp32")
    assert model.multiply_adds > model.parameters > 0
    for row in pictures(rows):
        assert row.model_sha256 == json.loads(path.with_suffix(".json").read_text())["sha256"]
        assert row.protocol == "gopro-skimage@1"
        assert len(row.blurry_sha256) == len(row.sharp_sha256) == 64
        assert row.seconds > 0
        assert row.peak_bytes > 48 * 40 * 3 * 4
        assert row.measures != row.before
    assert len({row.blurry_sha256 for row in pictures(rows)}) == 6


def test_nothing_is_measured_twice(pairs, weights, tmp_path):
    path = weights("deepdeblur")
    first = measure(tmp_path / "run", pairs, path)
    content = (tmp_path / "run" / FILE).read_bytes()
    assert measure(tmp_path / "run", pairs, path) == first
    assert (tmp_path / "run" / FILE).read_bytes() == content


def test_what_changed_is_measured_again(pairs, weights, tmp_path):
    run = tmp_path / "run"
    measure(run, pairs, weights("deepdeblur"))
    Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(pairs / "blurry/clip0/001.png")
    assert len(pictures(measure(run, pairs, weights("deepdeblur")))) == 7
    assert len(pictures(measure(run, pairs, weights("deepdeblur", seed=1)))) == 13
    assert len(pictures(measure(run, pairs, weights("deepdeblur", seed=1), chosen=[protocols.get("gopro-matlab")]))) == 19


def test_another_version_measures_again_and_its_rows_are_a_line_of_their_own(pairs, weights, tmp_path, monkeypatch):
    run = tmp_path / "run"
    measure(run, pairs, weights("deepdeblur"))
    monkeypatch.setattr(unblur, "__version__", "99")
    assert len(pictures(measure(run, pairs, weights("deepdeblur")))) == 12
    assert len(pictures(measure(run, pairs, weights("deepdeblur")))) == 12
    assert sorted((each.version == "99", each.pictures) for each in summarise(read_rows(run))) == [(False, 6), (True, 6)]
    write_report([run], tmp_path / "page.html")
    assert "(unblur 99)" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_same_weights_with_other_arguments_are_measured_again(pairs, weights, tmp_path):
    """Those of iterations belong to no tensor."""
    run, path = tmp_path / "run", weights("ifirnn")
    one = pictures(measure(run, pairs, path))
    card = json.loads(path.with_suffix(".json").read_text())
    card["arguments"] |= {"iterations": 1}
    path.with_suffix(".json").write_text(json.dumps(card))
    both = pictures(measure(run, pairs, path))
    assert len(both) == 12
    assert {row.model_sha256 for row in both} == {one[0].model_sha256}
    assert [row.measures for row in both[6:]] != [row.measures for row in one]
    assert [each.pictures for each in summarise(read_rows(run))] == [6, 6]


def test_a_clip_is_measured_again_when_its_truth_has_changed(pairs, tmp_path):
    run = tmp_path / "run"
    clips = [row for row in measure(run, pairs, "blurry", temporal=True) if isinstance(row, ClipRow)]
    assert len(clips) == 2
    Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(pairs / "sharp/clip0/001.png")
    again = [row for row in measure(run, pairs, "blurry", temporal=True) if isinstance(row, ClipRow)]
    assert len(again) == 3
    assert again[2].sequence == "clip0"
    assert again[2].warping_error_sharp != again[0].warping_error_sharp


def test_the_tool_has_a_fail_safe_that_the_network_itself_has_not(pairs, weights, tmp_path):
    """Random weights look wrong everywhere: the tool keeps the input."""
    run = tmp_path / "run"
    network = pictures(measure(run, pairs, weights("deepdeblur")))
    both = pictures(measure(run, pairs, weights("deepdeblur"), as_tool=True))
    assert [row.way for row in both] == ["network"] * 6 + ["tool"] * 6
    assert all(row.kept_input == 1 and row.measures == row.before for row in both[6:])
    assert all(row.kept_input == 0 and row.measures["psnr"] < row.before["psnr"] for row in network)
    assert len(summarise(read_rows(run))) == 2
    with pytest.raises(UnsupportedError, match="looks at 5 frames"):
        measure(run, pairs, weights("ifirnn"), as_tool=True)


@pytest.mark.parametrize("name", ["deepdeblur", "ifirnn"])
def test_several_views_are_a_line_of_their_own(pairs, weights, tmp_path, name):
    run = tmp_path / "run"
    measure(run, pairs, weights(name))
    measure(run, pairs, weights(name), self_ensemble=2)
    one, two = sorted(summarise(read_rows(run)), key=lambda summary: summary.self_ensemble)
    assert (one.self_ensemble, two.self_ensemble) == (1, 2)
    assert two.multiply_adds == 2 * one.multiply_adds
    assert two.parameters == one.parameters
    assert two.means != one.means
    write_report([run], tmp_path / "page.html")
    assert ", self-ensemble of 2" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_stopped_run_goes_on(pairs, weights, tmp_path):
    path, run = weights("deepdeblur"), tmp_path / "run"
    whole = measure(run, pairs, path)
    lines = (run / FILE).read_bytes().splitlines(keepends=True)
    (run / FILE).write_bytes(b"".join(lines[:4]) + lines[4][:40])  # the model, three pictures, and part of a fourth
    assert len(pictures(read_rows(run))) == 3
    again = measure(run, pairs, path)
    assert [row.key for row in pictures(again)] == [row.key for row in pictures(whole)]
    assert [row.measures for row in pictures(again)] == [row.measures for row in pictures(whole)]
    assert len(read_crops(run)) == 6


def test_a_damaged_run_is_an_error_with_its_line(pairs, tmp_path):
    run = tmp_path / "run"
    measure(run, pairs, "blurry")
    lines = (run / FILE).read_text().splitlines()
    (run / FILE).write_text("\n".join([lines[0], "{}", *lines[2:]]) + "\n")
    with pytest.raises(InputError, match="line 2"):
        read_rows(run)


def test_a_folder_of_other_things_is_left_alone(pairs, tmp_path):
    with pytest.raises(OutputError, match="other things"):
        measure(pairs, pairs, "blurry")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        measure(tmp_path / "file", pairs, "blurry")


def test_a_video_network_sees_the_neighbours_of_its_clip_only(pairs, weights, tmp_path):
    path = weights("ifirnn")
    before = pictures(measure(tmp_path / "a", pairs, path))
    Image.fromarray(np.full((40, 48, 3), 128, np.uint8)).save(pairs / "blurry/clip0/000.png")
    after = pictures(measure(tmp_path / "b", pairs, path))
    assert before[1].measures != after[1].measures
    assert [row.measures for row in before[3:]] == [row.measures for row in after[3:]]
    assert before[1].blurry_sha256 != after[1].blurry_sha256  # that of the clip
    assert len(before) == 6


def test_a_video_network_refuses_pictures_that_are_no_clip(weights, tmp_path):
    for kind in ("blurry", "sharp"):
        (tmp_path / "stills" / kind).mkdir(parents=True)
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "stills" / kind / "1.png")
    with pytest.raises(InputError, match="no clips"):
        measure(tmp_path / "run", tmp_path / "stills", weights("ifirnn"))


def test_warping_error_is_measured_for_each_clip(pairs, tmp_path):
    rows = measure(tmp_path / "run", pairs, "blurry", temporal=True)
    clips = [row for row in rows if isinstance(row, ClipRow)]
    assert [row.sequence for row in clips] == ["clip0", "clip1"]
    assert all(0 < row.warping_error < 0.5 and 0 < row.visible <= 1 for row in clips)
    assert clips[0].warping_error != clips[0].warping_error_sharp
    assert measure(tmp_path / "run", pairs, "blurry", temporal=True) == rows
    assert not any(isinstance(row, ClipRow) for row in measure(tmp_path / "other", pairs, "blurry"))


def test_the_worst_pictures_keep_a_crop(pairs, tmp_path):
    rows = pictures(measure(tmp_path / "run", pairs, "blurry", crops=2))
    crops = read_crops(tmp_path / "run")
    worst = sorted(rows, key=lambda row: row.measures["psnr"])[:2]
    assert [(crop.sequence, crop.name) for crop in crops] == [(row.sequence, row.name) for row in worst]
    assert [crop.psnr for crop in crops] == [row.measures["psnr"] for row in worst]
    strip = np.asarray(Image.open(crops[0].file))
    assert strip.shape == (40, 120, 3)
    assert np.array_equal(strip[:, :40], strip[:, 40:80])  # blurry and restored are the same here
    sharp = np.asarray(Image.open(pairs / "sharp" / worst[0].sequence / worst[0].name))
    assert any(np.array_equal(strip[:, 80:], sharp[:, left : left + 40]) for left in range(9))
    assert not read_crops_of_none(pairs, tmp_path)


def read_crops_of_none(pairs, tmp_path):
    measure(tmp_path / "none", pairs, "blurry", crops=0)
    return read_crops(tmp_path / "none")


def test_averages_are_those_of_the_protocol(pairs, weights, tmp_path):
    rows = measure(tmp_path / "run", pairs, "blurry", weights("deepdeblur"), temporal=True)
    summaries = summarise(rows)
    psnr = [summary.means["psnr"] for summary in summaries]
    assert psnr == sorted(psnr, reverse=True)
    for summary in summaries:
        own = [row for row in pictures(rows) if row.model == summary.model]
        assert summary.means["psnr"] == pytest.approx(np.mean([row.measures["psnr"] for row in own]))
        assert summary.gain == pytest.approx(np.mean([row.measures["psnr"] - row.before["psnr"] for row in own]))
        assert summary.pictures == 6
        assert summary.warping_error is not None
    assert next(summary.gain for summary in summaries if summary.model == "blurry") == 0


def test_perfect_pictures_are_counted_and_survive_the_file(pairs, tmp_path):
    for path in (pairs / "sharp").rglob("*.png"):
        (pairs / "blurry" / path.relative_to(pairs / "sharp")).write_bytes(path.read_bytes())
    rows = measure(tmp_path / "run", pairs, "blurry")
    assert all(np.isinf(row.measures["psnr"]) for row in pictures(rows))
    assert summarise(rows)[0].infinite == 6
    for line in (tmp_path / "run" / FILE).read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_a_run_of_training_is_known_by_its_averaged_tensors(trained, pairs, tmp_path):
    one, other = (open_contender(str(trained(seed)), called="row", device="cpu", precision="fp32") for seed in (0, 1))
    assert len(one.sha256) == 64
    assert open_contender(str(trained(0)), device="cpu", precision="fp32").name == "deepdeblur-0"  # of the folder, not the way to it
    assert one.sha256 == open_contender(str(trained(0)), device="cpu", precision="bf16").sha256 != other.sha256
    rows = run_bench([one, other], [open_data(str(pairs))], [SKIMAGE], run=tmp_path / "run")
    assert len(pictures(rows)) == 12
    assert {row.model for row in rows} == {"row"}


def test_alone_a_video_network_sees_copies(pairs, weights):
    """What comes out for a frame is what the network makes of a window of copies, whatever the clip's other frames show."""
    path = weights("ifirnn")
    contender = open_contender(str(path), device="cpu", precision="fp32", alone=True)
    assert contender.way == "alone"
    clip = [read_picture(pairs / f"blurry/clip1/{frame:03d}.png") for frame in range(3)]
    alone = [each.picture for each in contender.restore(clip)]
    for frame, picture in zip(clip, alone, strict=True):
        (single,) = contender.restore([frame])
        assert np.array_equal(single.picture, picture)
    with_neighbours = list(open_contender(str(path), device="cpu", precision="fp32").restore(clip))
    assert np.array_equal(with_neighbours[0].picture, alone[0])  # a recurrent network has no state at the first frame
    assert not np.array_equal(with_neighbours[1].picture, alone[1])
    with pytest.raises(UnsupportedError, match="looks at one frame"):
        open_contender(str(weights("deepdeblur")), alone=True)


def test_pictures_are_read_as_colour_in_0_to_1(tmp_path):
    Image.fromarray(np.full((3, 5), 51, np.uint8)).save(tmp_path / "grey.png")
    grey = read_picture(tmp_path / "grey.png")
    assert grey.shape == (3, 5, 3)
    assert np.allclose(grey, 0.2)
    Image.fromarray(np.full((3, 5, 4), 255, np.uint8)).save(tmp_path / "opaque.png")
    assert read_picture(tmp_path / "opaque.png").shape == (3, 5, 3)


def test_the_best_of_several_truths_counts(tmp_path):
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (176, 176, 3), np.uint8)
    (tmp_path / "kohler").mkdir()
    Image.fromarray(sharp).save(tmp_path / "kohler" / "Blurry1_1.png")
    for instant, noise in ((1, 40), (2, 5), (3, 40)):
        truth = np.clip(sharp + rng.normal(0, noise, sharp.shape), 0, 255).astype(np.uint8)
        Image.fromarray(truth).save(tmp_path / "kohler" / f"GroundTruth1_1_{instant}.png")
    (row,) = pictures(measure(tmp_path / "run", f"kohler:{tmp_path / 'kohler'}", "blurry", chosen=[protocols.get("kohler")]))
    assert row.measures["psnr"] > 30  # that of the second; the others have 17 dB
    with pytest.raises(InputError, match="3 truths"):
        measure(tmp_path / "other", f"kohler:{tmp_path / 'kohler'}", "blurry")


def test_the_protocol_says_which_frames_are_measured(pairs, tmp_path):
    bsd = protocols.get("bsd")  # without the first and last two
    with pytest.raises(InputError, match="too short"):
        measure(tmp_path / "short", pairs, "blurry", chosen=[bsd])
    for kind in ("blurry", "sharp"):
        for clip in ("clip0", "clip1"):
            for frame in range(3, 6):
                (pairs / kind / clip / f"{frame:03d}.png").write_bytes((pairs / kind / clip / "000.png").read_bytes())
    assert [row.frame for row in pictures(measure(tmp_path / "run", pairs, "blurry", chosen=[bsd]))] == [2, 3, 2, 3]


def test_one_restoration_serves_all_protocols(pairs, tmp_path):
    class Counting:
        def __init__(self, inner):
            self.inner, self.calls = inner, 0

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def restore(self, frames, samples):
            self.calls += 1
            return self.inner.restore(frames, samples)

    contender = Counting(open_contender("blurry"))
    chosen = [protocols.get("gopro-skimage"), protocols.get("gopro-matlab")]
    rows = pictures(run_bench([contender], [open_data(str(pairs))], chosen, run=tmp_path / "run"))
    assert contender.calls == 6
    assert len(rows) == 12
    assert {row.protocol for row in rows} == {"gopro-skimage@1", "gopro-matlab@1"}


def test_blurry_pictures_are_measured_once_for_all_models(pairs, weights, tmp_path):
    measured = []

    class Counting(type(SKIMAGE)):
        def measure(self, restored, sharp):
            measured.append(restored)
            return super().measure(restored, sharp)

    counting = Counting(**{field.name: getattr(SKIMAGE, field.name) for field in fields(SKIMAGE)})
    rows = pictures(measure(tmp_path / "run", pairs, weights("deepdeblur"), weights("ifirnn"), chosen=[counting]))
    assert len(measured) == 6 + 2 * 6
    alone = pictures(measure(tmp_path / "alone", pairs, weights("ifirnn")))
    assert [row.before for row in rows[6:]] == [row.before for row in alone]


@pytest.mark.parametrize("as_tool", [False, True])
def test_a_published_checkpoint_is_measured(pairs, published, tmp_path, as_tool):
    contender = open_contender(str(published), published=True, device="cpu", precision="fp32", as_tool=as_tool)
    assert (contender.system, contender.cost.frames, contender.precision) == ("TinyNet", 1, "fp32")
    assert contender.sha256 == hashlib.sha256(published.read_bytes()).hexdigest()
    rows = run_bench([contender], [open_data(str(pairs))], [protocols.get("gopro-skimage")], run=tmp_path / "run")
    measured = [row for row in rows if isinstance(row, PictureRow)]
    assert len(measured) == 6
    assert {row.way for row in measured} == {"tool" if as_tool else "network"}
    assert any(row.measures != row.before for row in measured)
    with pytest.raises(UnsupportedError, match="looks at one frame"):
        open_contender(str(published), published=True, device="cpu", precision="fp32", alone=True)


def test_a_full_disk_is_said(pairs, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("unblur.bench.rows.os.fsync", full)
    with pytest.raises(OutputError, match=r"the disk is full.*rows\.jsonl"):
        measure(tmp_path / "run", pairs, "blurry")


def test_pairs_are_measured_by_their_own_protocol_alone(pairs, tmp_path):
    shutil.copytree(pairs, tmp_path / "others")
    data, others = open_data(str(pairs)), open_data(str(tmp_path / "others"))
    matlab = protocols.get("gopro-matlab")
    rows = pictures(
        run_bench([open_contender("blurry")], [data], [SKIMAGE], run=tmp_path / "run", pairs=[(others, matlab), (data, SKIMAGE)])
    )
    assert {(row.data, row.protocol) for row in rows} == {("pairs", SKIMAGE.id), ("others", matlab.id)}
    assert len(rows) == 12  # what is named twice is measured once


def test_restored_pictures_are_saved(pairs, weights, tmp_path):
    path = weights("deepdeblur")
    measure(tmp_path / "run", pairs, path, "blurry")
    assert not (tmp_path / "run" / "pictures").exists()
    rows = measure(tmp_path / "run", pairs, path, "blurry", save_pictures=True)  # what was measured before is restored again
    assert len(pictures(rows)) == 12
    saved = sorted((tmp_path / "run" / "pictures").rglob("*.png"))
    assert len(saved) == 12
    contender = open_contender(str(path), device="cpu", precision="fp32")
    sample = open_data(str(pairs)).samples[4]
    file = saved_picture(tmp_path / "run" / "pictures", method=contender.name, which=contender.which, data="pairs", sample=sample)
    assert file.relative_to(tmp_path / "run" / "pictures").parts[1:] == ("pairs", "clip1", "001.png")
    (restored,) = contender.restore([read_picture(sample.reference)])
    assert np.array_equal(np.asarray(Image.open(file)), (restored.picture * 255).round().astype(np.uint8))
    blurry = next(path for path in saved if path.parts[-4].startswith("blurry-") and path.parts[-2:] == ("clip1", "001.png"))
    assert np.array_equal(np.asarray(Image.open(blurry)), np.asarray(Image.open(sample.reference)))
    times = {path: path.stat().st_mtime_ns for path in saved}
    measure(tmp_path / "run", pairs, path, "blurry", save_pictures=True)
    assert {path: path.stat().st_mtime_ns for path in saved} == times
    file.unlink()
    measure(tmp_path / "run", pairs, path, "blurry", save_pictures=True)
    assert file.is_file()


def test_clips_are_saved_frame_by_frame(pairs, weights, tmp_path):
    measure(tmp_path / "run", pairs, weights("ifirnn"), save_pictures=True)
    assert len(list((tmp_path / "run" / "pictures").rglob("*.png"))) == 6
