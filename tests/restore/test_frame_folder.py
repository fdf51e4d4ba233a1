"""Clips whose frames are pictures in a folder: restored with their neighbours, under their own names, and gone on with when stopped."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import CPU, Darker, Identity, OneNetwork, Windowed, deblurrer, save_weights
from PIL import Image, PngImagePlugin

import unblur
from unblur.errors import InputError, OutputError, UnreadableError
from unblur.io.frame_folder import FrameFolder, folder_work_of, frames_identity
from unblur.io.image import read_image, write_image
from unblur.io.journal import journal_of
from unblur.io.numbered import frames_in
from unblur.models import create
from unblur.restore.batch import Job, Options, Outcome, plan
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.inspect import read_window
from unblur.restore.observer import Observer
from unblur.restore.precision import Setup
from unblur.restore.resume import Settings, settings_of_stopped
from unblur.restore.runner import Run

COUNT = 9
TEXTURE = np.random.default_rng(0).integers(60, 180, (16, 20, 3), np.uint8)


def frame(number: int) -> np.ndarray:
    return TEXTURE + np.uint8(3 * number)


def make(folder: Path, *, count: int = COUNT, name: str = "{:04d}.png", first: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(frame(number)).save(folder / name.format(first + number))
    return list(frames_in(folder, gaps=True).files)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


class Counting(Windowed):
    """Counts the windows that are restored."""

    def __init__(self) -> None:
        super().__init__()
        self.windows = 0

    def fuse(self, aligned):
        self.windows += 1
        return super().fuse(aligned)


def stop(made: Deblurrer, frames: list[Path], target: Path, *, after: int, **options) -> None:
    def progress(done: int, _: int | None) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.frame_folder(frames, target, progress=progress, **options)


def test_frames_are_restored_with_their_neighbours_under_their_own_names(tmp_path):
    frames = make(tmp_path / "in", name="shot_{}.png", first=7)
    before = digests(tmp_path / "in")
    report = deblurrer(Windowed()).frame_folder(frames, tmp_path / "out", temporal_fusion=False)
    assert (report.frames, report.resumed_after, report.warnings) == (COUNT, 0, ())
    assert [path.name for path in frames_in(tmp_path / "out").files] == [path.name for path in frames]
    for place, path in enumerate(frames):
        around = [frame(min(max(place + step, 0), COUNT - 1)) for step in (-1, 0, 1)]
        assert np.abs(pixels(tmp_path / "out" / path.name) - np.mean(around, axis=0)).max() <= 0.5
    assert digests(tmp_path / "in") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_what_a_file_said_is_kept_as_of_photos(tmp_path):
    (tmp_path / "in").mkdir()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "of the frame")
    for number in range(3):
        deep = np.concatenate([frame(number).astype(np.uint16) * 257 + 3, np.full((16, 20, 1), 40_000, np.uint16)], axis=2)
        image = read_image(_png(tmp_path / "template.png"))
        write_image(tmp_path / f"in/{number}.png", replace(image, pixels=deep[..., :3], alpha=deep[..., 3]))
    deblurrer(Darker()).frame_folder(frames_in(tmp_path / "in").files, tmp_path / "out", temporal_fusion=False)
    for number in range(3):
        given, made = (read_image(tmp_path / folder / f"{number}.png") for folder in ("in", "out"))
        assert (made.bit_depth, made.metadata) == (16, given.metadata)
        assert np.array_equal(made.alpha, given.alpha)
        assert np.abs(made.pixels - 0.9 * given.pixels).max() <= 1


def _png(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    Image.fromarray(frame(0)).save(path, exif=exif, icc_profile=None, dpi=(72, 72))
    return path


def test_grey_frames_stay_grey(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(frame(number)[..., 0]).save(tmp_path / f"in/{number}.jpg", quality=95)
    deblurrer(Darker()).frame_folder(frames_in(tmp_path / "in").files, tmp_path / "out", temporal_fusion=False)
    for number in range(3):
        given, made = (pixels(tmp_path / folder / f"{number}.jpg").astype(float) for folder in ("in", "out"))
        assert made.ndim == 2
        assert np.abs(made - 0.9 * given).mean() < 2


@pytest.mark.parametrize("after", [1, 4, COUNT - 1])
def test_a_clip_that_was_stopped_is_gone_on_with(tmp_path, after):
    frames = make(tmp_path / "in")
    deblurrer(Windowed()).frame_folder(frames, tmp_path / "whole")
    stop(deblurrer(Windowed()), frames, tmp_path / "out", after=after)
    kept = digests(tmp_path / "out")
    assert after <= len(kept) < COUNT or after == COUNT - 1
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    report = deblurrer(Windowed()).frame_folder(frames, tmp_path / "out")
    assert (report.frames, report.resumed_after) == (COUNT, len(kept))
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in times} == times
    assert not journal_of(tmp_path / "out").exists()


def test_finished_frames_are_not_computed_again(tmp_path):
    frames = make(tmp_path / "in", count=60)
    stop(deblurrer(Counting()), frames, tmp_path / "out", after=50)
    left = 60 - len(list((tmp_path / "out").iterdir()))
    net = Counting()
    deblurrer(net).frame_folder(frames, tmp_path / "out")
    assert left <= net.windows <= left + 13 + 1  # those before that tell where a scene begins, and one by which memory is measured


def test_frames_that_were_taken_away_are_made_again(tmp_path):
    frames = make(tmp_path / "in", count=40)
    deblurrer(Windowed()).frame_folder(frames, tmp_path / "whole")
    stop(deblurrer(Windowed()), frames, tmp_path / "out", after=39)
    for number in (3, 5):
        (tmp_path / f"out/{number:04d}.png").unlink()
    deblurrer(Windowed()).frame_folder(frames, tmp_path / "out")
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_other_work_is_refused_unless_all_is_to_be_made_anew(tmp_path):
    frames = make(tmp_path / "in")
    deblurrer(Darker()).frame_folder(frames, tmp_path / "whole", strength=0.5)
    stop(deblurrer(Darker()), frames, tmp_path / "out", after=4)
    kept = digests(tmp_path / "out")
    with pytest.raises(OutputError, match=r"`strength` was 1.0 and is 0.5.*--overwrite"):
        deblurrer(Darker()).frame_folder(frames, tmp_path / "out", strength=0.5)
    frames[8].touch()
    with pytest.raises(OutputError, match="`source` is another"):
        deblurrer(Darker()).frame_folder(frames, tmp_path / "out")
    assert digests(tmp_path / "out") == kept
    report = deblurrer(Darker()).frame_folder(frames, tmp_path / "out", strength=0.5, overwrite=True)
    assert report.resumed_after == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_frames_to_be_replaced_do_not_count_as_finished(tmp_path):
    frames = make(tmp_path / "in")
    deblurrer(Darker()).frame_folder(frames, tmp_path / "out", strength=0.5)
    old = digests(tmp_path / "out")
    with pytest.raises(OutputError, match=r"0000.png` exists; add `--overwrite`"):
        deblurrer(Darker()).frame_folder(frames, tmp_path / "out")
    stop(deblurrer(Darker()), frames, tmp_path / "out", after=4, overwrite=True)
    new = {name for name, digest in digests(tmp_path / "out").items() if digest != old[name]}
    assert 4 <= len(new) < COUNT
    with pytest.raises(OutputError, match=r"exists; add `--overwrite`"):
        deblurrer(Darker()).frame_folder(frames, tmp_path / "out")
    report = deblurrer(Darker()).frame_folder(frames, tmp_path / "out", overwrite=True)
    assert report.resumed_after == len(new)
    deblurrer(Darker()).frame_folder(frames, tmp_path / "whole")
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_inputs_are_never_written_to(tmp_path):
    frames = make(tmp_path / "in")
    before = digests(tmp_path / "in")
    (tmp_path / "out").mkdir()
    os.link(frames[4], tmp_path / "out/0004.png")
    for target in (tmp_path / "in", tmp_path / "out"):
        with pytest.raises(OutputError, match="is one of the frames themselves"):
            deblurrer(Darker()).frame_folder(frames, target, overwrite=True)
    (tmp_path / "link").symlink_to(tmp_path / "in", target_is_directory=True)
    with pytest.raises(OutputError, match="is one of the frames themselves"):
        deblurrer(Darker()).frame_folder(frames, tmp_path / "link", overwrite=True)
    assert digests(tmp_path / "in") == before


def test_a_damaged_frame_stops_the_clip_and_what_is_finished_stays(tmp_path):
    frames = make(tmp_path / "in")
    whole = frames[6].read_bytes()
    frames[6].write_bytes(whole[:200])
    with pytest.raises(UnreadableError, match=r"0006.png"):
        deblurrer(Darker()).frame_folder(frames, tmp_path / "out", temporal_fusion=False)
    assert set(digests(tmp_path / "out")) <= {f"{number:04d}.png" for number in range(6)}
    assert folder_work_of(tmp_path / "out") is not None


def test_few_frames_are_held_at_once(tmp_path, monkeypatch):
    held = []

    class Watched(FrameFolder):
        def write(self, place, pixels):
            held.append(len(self._images))
            return super().write(place, pixels)

    monkeypatch.setattr("unblur.restore.deblurrer.FrameFolder", Watched)
    deblurrer(Windowed()).frame_folder(make(tmp_path / "in", count=60), tmp_path / "out")
    assert len(held) == 60
    assert max(held) < 16  # three on each side of the network, and those of a window


def test_sharp_frames_are_copied_as_they_are(tmp_path):
    class Meter:
        def is_sharp(self, picture):
            return picture.mean() < frame(4).mean()

    frames = make(tmp_path / "in")
    frames[0].write_bytes(frames[0].read_bytes() + b"what is behind the picture")
    made = Deblurrer(Darker(), setup=Setup(CPU, torch.float32), meter=Meter())
    report = made.frame_folder(frames, tmp_path / "out", temporal_fusion=False)
    given, restored = digests(tmp_path / "in"), digests(tmp_path / "out")
    assert [given[path.name] == restored[path.name] for path in frames] == [True] * 4 + [False] * 5
    assert report.warnings == ("4 of 9 frames are sharp and were left as they are",)


def test_settings_of_a_stopped_clip_are_found(tmp_path):
    frames, target = make(tmp_path / "in"), tmp_path / "out"
    assert settings_of_stopped(tmp_path / "in", target, frames=frames) is None
    begun = Deblurrer(Identity(), setup=Setup(CPU, torch.float32, self_ensemble=2), model="swift")
    stop(begun, frames, target, after=3)
    assert settings_of_stopped(tmp_path / "in", target, frames=frames) == Settings("swift", "fp32", 2)
    frames[0].touch()
    assert settings_of_stopped(tmp_path / "in", target, frames=frames) is None
    assert frames_identity(frames)[1] == COUNT
    journal_of(target).write_text("{")
    assert folder_work_of(target) is None


# Which folders are clips


def job_of(jobs: list[Job | Outcome]) -> Job:
    (job,) = jobs
    assert isinstance(job, Job)
    return job


def test_a_folder_is_a_clip_where_the_network_takes_clips_or_it_is_told(tmp_path):
    frames = make(tmp_path / "in")
    told = job_of(list(plan([tmp_path / "in"], None, folders="clips")))
    chosen = job_of(list(plan([tmp_path / "in"], None, takes_clips=lambda: True)))
    assert told == chosen
    assert (told.source, told.target, told.kind, list(told.frames)) == (tmp_path / "in", tmp_path / "in_unblurred", "video", frames)
    assert told.note == f"`{tmp_path / 'in'}` is read as a clip of 9 frames, `0000.png` to `0008.png`"
    photos = list(plan([tmp_path / "in"], None))
    assert [job.kind for job in photos] == ["photo"] * COUNT
    assert "are read as photos; `--folders clips` restores them as a clip" in photos[0].note
    assert not any(job.note for job in photos[1:])
    assert not any(job.note for job in plan([tmp_path / "in"], None, folders="photos", takes_clips=lambda: True))


def test_every_folder_below_is_a_clip_of_its_own(tmp_path):
    """The part of DVD without truths: `qualitative_datasets/SEQUENCE/input`."""
    for name in ("alley", "bicycle"):
        make(tmp_path / "qualitative_datasets" / name / "input", name="{:05d}.jpg", count=3)
    jobs = list(plan([tmp_path / "qualitative_datasets"], tmp_path / "out", takes_clips=lambda: True))
    assert [(str(job.target.relative_to(tmp_path)), len(job.frames)) for job in jobs] == [("out/alley/input", 3), ("out/bicycle/input", 3)]


def test_what_is_no_clip_is_one_failure_that_says_why(tmp_path):
    make(tmp_path / "in")
    (tmp_path / "in/0003.png").unlink()
    (outcome,) = plan([tmp_path / "in"], None, takes_clips=lambda: True)
    assert isinstance(outcome, Outcome)
    assert "number 3 is missing between `0000.png` and `0008.png`; " in outcome.message
    assert "allow numbers to be missing by `--folders clips`" in outcome.message
    job = job_of(list(plan([tmp_path / "in"], None, folders="clips")))
    assert len(job.frames) == 8
    assert "number 3 is missing, and the frames around are taken to follow each other" in job.note


def test_frames_never_replace_other_inputs(tmp_path):
    make(tmp_path / "a/shots")
    make(tmp_path / "b/shots", count=2)
    (tmp_path / "b/shots/cover.png").write_bytes(
        (tmp_path / "b/shots/0000.png").read_bytes()
    )  # no clip, so its pictures are inputs one by one
    first, *others = plan([tmp_path / "a/shots", tmp_path / "b/shots"], tmp_path / "b", folders="clips")
    assert isinstance(first, Outcome)
    assert f"would replace the input `{tmp_path / 'b/shots'}`" in first.message
    jobs = list(plan([tmp_path / "a/shots", tmp_path / "b/shots/0001.png"], tmp_path / "b", folders="clips"))
    assert isinstance(jobs[0], Outcome)
    assert f"would replace the input `{tmp_path / 'b/shots/0001.png'}`" in jobs[0].message
    assert all(isinstance(each, Outcome) for each in others)


def run(jobs: list[Job | Outcome], **options) -> list[Outcome]:
    made = OneNetwork(deblurrer(Windowed()))
    return list(Run(made, options=Options(**options), observer=Observer(), goes_on=True).all(jobs).outcomes)


def test_a_batch_says_how_it_reads_and_skips_what_is_whole(tmp_path):
    make(tmp_path / "in")
    jobs = list(plan([tmp_path / "in"], None, folders="clips"))
    (outcome,) = run(jobs)
    assert (outcome.status, outcome.kind, outcome.frames, outcome.warnings) == ("done", "video", COUNT, (jobs[0].note,))
    assert [each.status for each in run(jobs)] == ["skipped"]
    assert [each.status for each in run(jobs, overwrite=True)] == ["done"]
    (failed,) = run(jobs, start=1.0, overwrite=True)
    assert "have no times" in failed.message


# From outside


@pytest.fixture
def video_weights(tmp_path):
    arguments = {"width": 16, "hidden": 4, "num_blocks": 1}
    torch.manual_seed(0)
    net = create("ifirnn", **arguments)
    return save_weights(tmp_path / "ifirnn.safetensors", net, architecture="ifirnn", arguments=arguments)


def test_from_python_the_network_decides_or_the_caller(tmp_path, video_weights):
    make(tmp_path / "in", count=3)
    report = unblur.restore(tmp_path / "in", tmp_path / "out", model=video_weights, device="cpu", precision="fp32")
    assert report.target == tmp_path / "out"
    assert "is read as a clip of 3 frames" in report.warnings[0]
    assert sorted(digests(tmp_path / "out")) == ["0000.png", "0001.png", "0002.png"]
    with pytest.raises(InputError, match="one of 'auto', 'clips', 'photos', got 'film'"):
        unblur.restore(tmp_path / "in", folders="film")
    make(tmp_path / "in", count=1, first=5)
    with pytest.raises(InputError, match="numbers 3, 4 are missing"):
        unblur.restore(tmp_path / "in", tmp_path / "other", model=video_weights, device="cpu", precision="fp32")


def test_a_window_of_a_folder_is_that_of_a_clip(tmp_path):
    make(tmp_path / "in", count=4, name="f{}.png", first=8)
    window = read_window(tmp_path / "in", frame=3, num_frames=5)
    assert all(np.array_equal(seen, frame(number)) for seen, number in zip(window, (1, 2, 3, 3, 3), strict=True))
    with pytest.raises(InputError, match="has 4 frames"):
        read_window(tmp_path / "in", frame=4, num_frames=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is no clip"):
        read_window(tmp_path / "empty", frame=0, num_frames=1)
