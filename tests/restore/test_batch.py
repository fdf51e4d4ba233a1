import os
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from clips import Clip
from nets import Darker, Identity, NanMaker, OneNetwork, deblurrer
from PIL import Image

from unblur.errors import InputError
from unblur.io.image import Image as Picture
from unblur.io.image import read_image, write_image
from unblur.io.video import VideoReader
from unblur.restore import batch
from unblur.restore.batch import Job, Options, Outcome, plan, restore_job
from unblur.restore.networks import Networks
from unblur.restore.observer import Observer
from unblur.restore.runner import Run


def photo(path: Path, *, level: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".png": "PNG", ".gif": "GIF", ".dat": "PNG"}[path.suffix.lower()]
    Image.fromarray(np.full((8, 12, 3), level, np.uint8)).save(path, format=kind)
    return path


def level(path: Path) -> int:
    with Image.open(path) as picture:
        return round(np.asarray(picture).mean())


def targets(jobs: list[Job | Outcome], folder: Path) -> list[str]:
    return [str(job.target.relative_to(folder)) if isinstance(job, Job) else job.message for job in jobs]


def run(jobs: list[Job | Outcome], *, net: Identity | None = None, **options) -> list[Outcome]:
    networks = cast(Networks, OneNetwork(deblurrer(net or Darker())))
    return list(Run(networks, options=Options(**options), observer=Observer(), goes_on=True).all(jobs).outcomes)


@pytest.fixture
def shots(tmp_path) -> Path:
    folder = tmp_path / "shots"
    for name in ("a.jpg", "B.PNG", "day 1/a.jpg", "day 1/late/c.png"):
        photo(folder / name)
    Clip(pts=[0, 40]).make(folder / "day 1" / "clip.mp4")
    (folder / "notes.txt").write_text("not for restoring")
    return folder


IN_SHOTS = ["B.PNG", "a.jpg", "day 1/a.jpg", "day 1/clip.mp4", "day 1/late/c.png"]


# Where results go


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("a.jpg", "a_unblurred.jpg"),
        ("A.PNG", "A_unblurred.PNG"),
        ("a.b.png", "a.b_unblurred.png"),
        ("a.gif", "a_unblurred.png"),
        ("a.dat", "a_unblurred.png"),
    ],
)
def test_a_photo_goes_beside_its_source(tmp_path, name, result):
    source = photo(tmp_path / name)
    note = "GIF cannot be written; the result is a `.png` file" if name == "a.gif" else ""
    assert list(plan([source], None)) == [Job(source, tmp_path / result, "photo", note=note)]


@pytest.mark.parametrize(("name", "result"), [("a.mp4", "a_unblurred.mp4"), ("a.avi", "a_unblurred.mkv")])
def test_a_clip_goes_beside_its_source(tmp_path, name, result):
    source = Clip(pts=[0, 40]).make(tmp_path / name)
    assert list(plan([source], None)) == [Job(source, tmp_path / result, "video")]


def test_output_names_the_file_or_the_folder(tmp_path):
    source = photo(tmp_path / "a.jpg")
    (tmp_path / "there.d").mkdir()
    for output, result in (("b.png", "b.png"), ("new", "new/a_unblurred.jpg"), ("there.d", "there.d/a_unblurred.jpg")):
        assert targets(list(plan([source], tmp_path / output)), tmp_path) == [result]


def test_several_files_go_into_a_folder(tmp_path):
    sources = [photo(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    assert targets(list(plan(sources, None)), tmp_path) == ["a_unblurred.jpg", "b_unblurred.jpg"]
    assert targets(list(plan(sources, tmp_path / "out.d")), tmp_path) == ["out.d/a_unblurred.jpg", "out.d/b_unblurred.jpg"]


def test_a_folder_keeps_its_sub_folders(shots, tmp_path):
    for output, name in ((None, "shots_unblurred"), (tmp_path / "out", "out")):
        jobs = list(plan([shots], output))
        assert targets(jobs, tmp_path / name) == IN_SHOTS
        assert all(job.in_batch for job in jobs)
        assert [job.kind for job in jobs] == ["photo", "photo", "photo", "video", "photo"]


def test_a_folder_among_others_keeps_its_name(shots, tmp_path):
    other = photo(tmp_path / "x.jpg")
    jobs = list(plan([shots, other], tmp_path / "out"))
    assert targets(jobs, tmp_path / "out") == [*(f"shots/{name}" for name in IN_SHOTS), "x_unblurred.jpg"]


def test_a_folder_without_a_name_of_its_own(shots, tmp_path, monkeypatch):
    monkeypatch.chdir(shots)
    assert targets(list(plan([Path()], None)), tmp_path / "shots_unblurred") == IN_SHOTS
    monkeypatch.chdir(shots / "day 1")
    jobs = list(plan([Path(".."), Path("a.jpg")], tmp_path / "out"))
    assert targets(jobs, tmp_path / "out") == [*(f"shots/{name}" for name in IN_SHOTS), "a_unblurred.jpg"]


def test_other_formats_in_a_folder_change_their_suffix(tmp_path):
    photo(tmp_path / "in" / "a.gif")
    (job,) = plan([tmp_path / "in"], tmp_path / "out")
    assert targets([job], tmp_path) == ["out/a.png"]
    assert isinstance(job, Job)
    assert job.note == "GIF cannot be written; the result is a `.png` file"


def test_two_sources_of_one_result(tmp_path, monkeypatch):
    photo(tmp_path / "in" / "a.gif")
    photo(tmp_path / "in" / "a.png")
    first, second = plan([tmp_path / "in"], None)
    assert isinstance(first, Job)
    assert (second.status, second.source.name) == ("failed", "a.png")
    assert "a.png` already; restore it on its own" in second.message
    monkeypatch.chdir(tmp_path / "in")
    first, second = plan([Path("a.png"), tmp_path / "in" / "a.png"], None)  # the same file twice
    assert isinstance(first, Job)
    assert second.status == "failed"


# What is left alone


def test_results_inside_the_folder_are_not_restored_again(shots):
    for _ in range(2):
        jobs = list(plan([shots], shots / "out"))
        assert targets(jobs, shots / "out") == IN_SHOTS
        run(jobs)


def test_nor_are_those_of_other_inputs(shots, tmp_path):
    sources = [shots, photo(tmp_path / "x.jpg")]
    for _ in range(2):
        jobs = list(plan(sources, shots / "out"))
        assert targets(jobs, shots / "out") == [*(f"shots/{name}" for name in IN_SHOTS), "x_unblurred.jpg"]
        run(jobs)


def test_results_beside_their_sources_are_not_restored_again(shots):
    run(list(plan([shots / "a.jpg", shots / "day 1" / "clip.mp4", shots / "day 1" / "late"], None)))
    assert (shots / "day 1" / "late_unblurred" / "c.png").exists()
    photo(shots / "z_unblurred.jpg")  # called so, but the source of nothing
    photo(shots / "odd_unblurred" / "d.png")
    assert targets(list(plan([shots], None)), shots.parent / "shots_unblurred") == sorted(
        [*IN_SHOTS, "z_unblurred.jpg", "odd_unblurred/d.png"]
    )
    asked = list(plan([shots / "a_unblurred.jpg"], None))
    assert asked[0].target.name == "a_unblurred_unblurred.jpg"  # who names it wants it


def test_hidden_files_are_passed_over(shots, tmp_path):
    photo(shots / ".hidden.jpg")
    photo(shots / ".thumbnails" / "a.jpg")
    assert targets(list(plan([shots], None)), tmp_path / "shots_unblurred") == IN_SHOTS


def test_results_never_land_among_the_originals(shots, tmp_path):
    (outcome,) = plan([shots], shots)
    assert outcome.status == "failed"
    assert "choose another `--output`" in outcome.message
    (outcome, other) = plan([shots, photo(tmp_path / "x.jpg")], tmp_path)
    assert "choose another `--output`" in outcome.message
    assert isinstance(other, Job)


def test_the_parent_may_be_the_output(shots, tmp_path):
    assert targets(list(plan([shots], tmp_path)), tmp_path) == IN_SHOTS


def test_a_photo_that_its_target_cannot_hold_is_refused_before_the_work(tmp_path):
    Image.fromarray(np.full((8, 12, 4), 100, np.uint8)).save(tmp_path / "a.png")
    (outcome,) = run(list(plan([tmp_path / "a.png"], tmp_path / "b.jpg")), net=NanMaker())  # whose work would fail in another way
    assert outcome.status == "failed"
    assert "transparent" in outcome.message


def test_a_result_of_another_format_that_nobody_asked_for_is_said(tmp_path):
    photo(tmp_path / "a.gif")
    (outcome,) = run(list(plan([tmp_path / "a.gif"], None)))
    assert any("`.png` file" in warning for warning in outcome.warnings)
    (outcome,) = run(list(plan([photo(tmp_path / "c.jpg")], None)))
    assert outcome.warnings == ()


def test_no_original_is_replaced(tmp_path):
    photo(tmp_path / "in" / "a.png", level=50)
    photo(tmp_path / "in" / "in" / "a.png", level=90)
    outcomes = run(list(plan([tmp_path / "in" / "in"], tmp_path / "in")), overwrite=True)
    assert [outcome.status for outcome in outcomes] == ["done"]  # named as output by the user, and asked to overwrite
    jobs = list(plan([tmp_path / "in"], tmp_path))
    assert [type(job) for job in jobs] == [Outcome, Job] or [type(job) for job in jobs] == [Job, Outcome]
    (refused,) = (job for job in jobs if isinstance(job, Outcome))
    assert "would replace the original" in refused.message


def test_what_cannot_be_restored_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("text")
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "words.mp4").write_text("words")
    sources = [tmp_path / name for name in ("gone.jpg", "empty", "text", "zero.jpg", "words.mp4")]
    outcomes = list(plan(sources, None))
    assert [outcome.status for outcome in outcomes] == ["failed"] * 5
    for outcome, words in zip(outcomes, ("no file", "no photo or video", "no photo or video", "empty", "neither"), strict=True):
        assert words in outcome.message
        assert outcome.source.name in outcome.message


def test_a_broken_promise_in_a_folder_is_reported(shots):
    (shots / "broken.mp4").write_text("words")
    failed = [job for job in plan([shots], None) if isinstance(job, Outcome)]
    assert [outcome.source.name for outcome in failed] == ["broken.mp4"]


def test_wrong_calls(shots, tmp_path):
    with pytest.raises(InputError, match="nothing to restore"):
        list(plan([], None))
    taken = photo(tmp_path / "taken.jpg")
    for sources in ([shots], [shots / "a.jpg", shots / "B.PNG"]):
        with pytest.raises(InputError, match=r"taken\.jpg` is a file.*name a folder"):
            list(plan(sources, taken))


# Doing it


def test_a_photo_is_restored_with_all_that_came_with_it(tmp_path):
    source = tmp_path / "a.jpg"
    picture = Image.fromarray(np.full((8, 12, 3), 200, np.uint8))
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    picture.save(source, exif=exif, icc_profile=b"profile" * 20, quality=95)
    calls = []
    (job,) = plan([source], None)
    outcome = restore_job(deblurrer(Darker()), job, options=Options(), progress=lambda *done: calls.append(done))
    assert (outcome.status, outcome.target, outcome.kind, outcome.frames) == ("done", tmp_path / "a_unblurred.jpg", "photo", 1)
    assert outcome.seconds > 0
    assert calls == [(1, 1)]
    assert level(outcome.target) == 180
    with Image.open(outcome.target) as restored:
        assert restored.getexif()[0x010F] == "Maker"
        assert restored.info["icc_profile"] == b"profile" * 20


def test_every_page_is_restored(tmp_path):
    first, second = (np.full((8, 12, 3), level, dtype) for level, dtype in ((200, np.uint8), (0.5, np.float32)))
    write_image(tmp_path / "a.tif", Picture(first, pages=(lambda: Picture(second),)))
    (outcome,) = run(list(plan([tmp_path / "a.tif"], None)))
    assert (outcome.status, outcome.warnings) == ("done", ())
    restored = read_image(tmp_path / "a_unblurred.tif")
    assert (restored.pixels == 180).all()
    np.testing.assert_allclose(restored.pages[0]().pixels, 0.45, rtol=1e-6)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animation_is_restored_frame_by_frame(tmp_path, suffix):
    shown = [Image.new("RGBA", (32, 24), (200 - place,) * 3 + (255,)) for place in range(3)]
    for place, frame in enumerate(shown):
        frame.paste((0, 0, 0, 0), (0, 0, 6 + place, 6))
    source = tmp_path / f"a{suffix}"
    options = {"duration": [50, 100, 150], "loop": 0, "lossless": True, "disposal": 2 if suffix == ".gif" else 0}
    shown[0].save(source, save_all=True, append_images=shown[1:], **options)
    calls = []
    (job,) = plan([source], None)
    outcome = restore_job(deblurrer(Darker()), job, options=Options(temporal_fusion=False), progress=lambda *done: calls.append(done))
    assert (outcome.target, outcome.kind, outcome.frames) == (tmp_path / f"a_unblurred{suffix}", "video", 3)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    with Image.open(outcome.target) as restored:
        times, opacity = [], []
        for place in range(3):
            restored.seek(place)
            pixels = np.asarray(restored.convert("RGBA"))
            times.append(restored.info["duration"])
            opacity.append(int((pixels[2, :, 3] == 0).sum()))
            assert abs(int(pixels[12, 24, 0]) - 180) <= 4
    assert times == [50, 100, 150]
    assert opacity == [6, 7, 8]
    with pytest.raises(InputError, match="animation"):
        restore_job(deblurrer(Darker()), job, options=Options(start=1.0, overwrite=True))


def test_options_reach_a_photo(tmp_path):
    source = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(source)
    sizes = {}
    for quality in (10, 95):
        run(list(plan([source], tmp_path / f"{quality}.jpg")), file_quality=quality)
        sizes[quality] = (tmp_path / f"{quality}.jpg").stat().st_size
    assert sizes[10] < sizes[95]
    plain = photo(tmp_path / "b.png", level=200)
    run(list(plan([plain], None)), strength=0.5)
    assert level(tmp_path / "b_unblurred.png") == 190


def test_options_reach_a_clip(tmp_path):
    source = Clip().make(tmp_path / "a.mp4")
    (outcome,) = run(list(plan([source], tmp_path / "b.mkv")), start=0.2, duration=0.2, codec="ffv1")
    assert (outcome.status, outcome.kind, outcome.frames) == ("done", "video", 5)
    assert VideoReader(tmp_path / "b.mkv").info.codec == "ffv1"
    (outcome,) = run(list(plan([source], None)), start=99)
    assert outcome.status == "failed"
    assert "no frame in the part" in outcome.message
    interlaced = Clip(options={"x264-params": "log-level=error:tff=1", "flags": "+ildct+ilme"}).make(tmp_path / "i.mp4")
    assert [run(list(plan([interlaced], None)), interlaced=how)[0].status for how in ("refuse", "keep")] == ["failed", "done"]


def test_the_fail_safe_is_told(tmp_path):
    source = photo(tmp_path / "a.png", level=255)
    (outcome,) = run(list(plan([source], None)), net=NanMaker())
    assert outcome.status == "done"
    assert any("100.0 % of the area" in warning for warning in outcome.warnings)
    assert level(tmp_path / "a_unblurred.png") == 255


def test_a_batch_goes_on_past_bad_files(shots):
    good = photo(shots / "day 1" / "z.png")
    (shots / "b.jpg").write_bytes((shots / "a.jpg").read_bytes()[:200])  # begins like a photo
    (shots / "day 1" / "b.mp4").write_bytes(b"")
    outcomes = run(list(plan([shots], None)))
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert sorted(outcome.source.name for outcome in failed) == ["b.jpg", "b.mp4"]
    assert all(outcome.message and outcome.target is None for outcome in failed)
    assert (shots.parent / "shots_unblurred" / good.relative_to(shots)).exists()
    assert sum(outcome.status == "done" for outcome in outcomes) == len(IN_SHOTS) + 1
    assert not list((shots.parent / "shots_unblurred").rglob("*b.*"))


def test_a_photo_too_large_for_memory_is_one_failure(tmp_path, monkeypatch):
    def read(_path):
        raise MemoryError

    monkeypatch.setattr(batch, "read_image", read)
    (outcome,) = run(list(plan([photo(tmp_path / "a.png")], None)))
    assert outcome.status == "failed"
    assert "memory" in outcome.message


def test_a_second_run_of_a_folder_does_what_is_missing(shots):
    run(list(plan([shots], None)))
    missing = shots.parent / "shots_unblurred" / "day 1" / "a.jpg"
    kept = shots.parent / "shots_unblurred" / "a.jpg"
    missing.unlink()
    photo(kept, level=7)
    outcomes = run(list(plan([shots], None)))
    assert {outcome.target.name: outcome.status for outcome in outcomes if outcome.status == "done"} == {"a.jpg": "done"}
    assert [outcome.status for outcome in outcomes].count("skipped") == len(IN_SHOTS) - 1
    assert missing.exists()
    assert level(kept) == 7
    assert all("--overwrite" in outcome.message for outcome in outcomes if outcome.status == "skipped")
    outcomes = run(list(plan([shots], None)), overwrite=True)
    assert [outcome.status for outcome in outcomes] == ["done"] * len(IN_SHOTS)
    assert level(kept) == 90


@pytest.mark.parametrize("kind", ["photo", "video"])
def test_an_existing_result_of_a_single_file_is_refused_before_the_work(tmp_path, kind):
    source = photo(tmp_path / "a.png") if kind == "photo" else Clip(pts=[0, 40]).make(tmp_path / "a.mp4")
    target = tmp_path / f"a_unblurred{source.suffix}"
    target.write_text("precious")
    net = Identity()
    (outcome,) = run(list(plan([source], None)), net=net)
    assert (outcome.status, outcome.target) == ("failed", None)
    assert "--overwrite" in outcome.message
    assert not net.seen
    assert target.read_text() == "precious"
    (outcome,) = run(list(plan([source], None)), net=net, overwrite=True)
    assert outcome.status == "done"


def test_a_result_of_one_of_several_files_is_not_made_again(tmp_path):
    sources = [photo(tmp_path / name) for name in ("a.png", "b.png")]
    assert [outcome.status for outcome in run(list(plan(sources, None)))] == ["done", "done"]
    net = Identity()
    outcomes = run(list(plan(sources, None)), net=net)
    assert [(outcome.status, "--overwrite" in outcome.message) for outcome in outcomes] == [("skipped", True)] * 2
    assert not net.seen


def test_results_that_a_pattern_names_beside_their_sources_are_no_inputs(tmp_path):
    source, other = photo(tmp_path / "a.png"), photo(tmp_path / "c_unblurred.png")
    run(list(plan([source], None)))
    named = sorted(tmp_path.glob("*.png"))
    assert [path.name for path in named] == ["a.png", "a_unblurred.png", "c_unblurred.png"]
    outcomes = run(list(plan(named, None)))
    assert [outcome.status for outcome in outcomes] == ["skipped", "skipped", "done"]
    assert "is the result of" in outcomes[1].message
    assert outcomes[2].source == other  # of which no source is there
    assert not (tmp_path / "a_unblurred_unblurred.png").exists()


def test_the_current_folder_beside_a_file_in_it_is_no_source_of_it(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    jobs = list(plan([Path(), Path("a.png")], None))
    assert not [job for job in jobs if isinstance(job, Outcome) and "is the result of" in job.message]


@pytest.mark.parametrize("several", [True, False])
def test_the_name_of_a_file_is_no_folder_for_several_inputs(tmp_path, several):
    (tmp_path / "shots").mkdir()
    sources = [photo(tmp_path / "a.png"), photo(tmp_path / "b.png")] if several else [tmp_path / "shots"]
    with pytest.raises(InputError, match="is the name of one file"):
        list(plan(sources, tmp_path / "one.jpg"))
    assert not (tmp_path / "one.jpg").exists()


# Inputs are never changed


def links(original: Path, kind: str) -> Path:
    """Another name of a file."""
    other = original.with_name(f"other{original.suffix}")
    if kind == "symbolic link":
        other.symlink_to(original.name)
    elif kind == "hard link":
        other.hardlink_to(original)
    elif kind == "link to its folder":
        (original.parent / "elsewhere").symlink_to(original.parent, target_is_directory=True)
        other = original.parent / "elsewhere" / original.name
    elif kind == "detour":
        (original.parent / "sub").mkdir()
        other = original.parent / "sub" / ".." / original.name
    else:
        other = original
    return other


@pytest.mark.usefixtures("symlinks")
@pytest.mark.parametrize("kind", ["itself", "symbolic link", "hard link", "link to its folder", "detour"])
@pytest.mark.parametrize("video", [False, True])
def test_the_input_is_never_replaced_by_whatever_name(tmp_path, kind, video):
    original = Clip(pts=[0, 40]).make(tmp_path / "a.mp4") if video else photo(tmp_path / "a.png")
    before = original.read_bytes(), original.stat().st_ino
    target = links(original, kind)
    job = Job(original, target, "video" if video else "photo")
    for each in [*plan([original], target), job]:  # the plan refuses it, and so does the work without one
        (outcome,) = run([each], overwrite=True)
        assert outcome.status == "failed"
        assert "inputs are never changed" in outcome.message
    assert (original.read_bytes(), original.stat().st_ino) == before
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_nor_is_another_input(tmp_path):
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "b.png", level=50)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a_unblurred.png").hardlink_to(second)
    outcomes = run(list(plan([first, second], tmp_path / "out")), overwrite=True)
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert level(tmp_path / "out" / "a_unblurred.png") == level(second) == 50


@pytest.mark.usefixtures("symlinks")
def test_nor_is_one_of_a_folder(tmp_path):
    original = photo(tmp_path / "shots" / "a.png")
    photo(tmp_path / "shots" / "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").symlink_to(original)
    outcomes = run(list(plan([tmp_path / "shots"], tmp_path / "out")), overwrite=True)
    assert [outcome.status for outcome in outcomes] == ["done", "failed"]
    assert level(original) == 100


@pytest.mark.usefixtures("symlinks")
def test_a_result_that_is_a_link_to_something_else_is_replaced_and_that_stays(tmp_path):
    original, other = photo(tmp_path / "a.png"), photo(tmp_path / "other.png", level=50)
    (tmp_path / "a_unblurred.png").symlink_to(other)
    assert [outcome.status for outcome in run(list(plan([original], None)), overwrite=True)] == ["done"]
    assert level(other) == 50


# Errors of one file are that file's


@pytest.mark.parametrize("length", [241, 245, 250])
@pytest.mark.parametrize("suffix", [".png", ".mp4"])
def test_long_names_end_no_batch(tmp_path, length, suffix):
    """Up to 245 bytes the result has a name that a file can have; then it is an error of that file."""
    folder = tmp_path / "shots"
    photo(folder / "z.png")
    long = folder / f"{'n' * (length - 4)}{suffix}"
    if suffix == ".mp4":
        Clip(pts=[0, 40]).make(long)
    else:
        photo(long)
    for sources in ([folder / "z.png", long, folder / "z.png"], [folder]):  # beside it, and in a folder under the same name
        outcomes = {outcome.source: outcome for outcome in run(list(plan(sources, None)))}
        beside = sources != [folder]
        assert outcomes[long].status == ("failed" if beside and length > 245 else "done")
        assert ("name too long" in outcomes[long].message) is (beside and length > 245)
        assert ("with `--output`" in outcomes[long].message) is (beside and length > 245)
    assert outcomes[folder / "z.png"].status == "done"


def refuse(monkeypatch, name: str, refused: Path) -> None:
    """Make the system refuse a call for a path and all below it, as it does to users without the right; root has every right."""
    real = getattr(os, name)

    def call(path=".", *arguments, **options):
        if isinstance(path, str | os.PathLike) and refused in (Path(path), *Path(path).parents):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, name, call)


def test_folders_that_cannot_be_listed_are_named(shots, monkeypatch):
    refuse(monkeypatch, "scandir", shots / "day 1" / "late")
    jobs = list(plan([shots], None))
    assert [job.source.name for job in jobs if isinstance(job, Job)] == ["B.PNG", "a.jpg", "a.jpg", "clip.mp4"]
    (outcome,) = [job for job in jobs if isinstance(job, Outcome)]
    assert (outcome.source, outcome.status) == (shots / "day 1" / "late", "failed")
    assert outcome.message == f"cannot look into the folder `{shots / 'day 1' / 'late'}`: Permission denied"


def test_folders_that_cannot_be_searched_are_named_once(shots, monkeypatch):
    """They can be listed, but their files not looked at."""
    real = os.stat

    def refusing(path, *arguments, **options):
        if isinstance(path, str | os.PathLike) and shots / "day 1" in Path(path).parents:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing)
    jobs = list(plan([shots], None))
    assert [job.source.name for job in jobs if isinstance(job, Job)] == ["B.PNG", "a.jpg"]
    assert [job.source for job in jobs if isinstance(job, Outcome)] == [shots / "day 1"]


def test_inputs_that_cannot_be_looked_at_are_failures(shots, monkeypatch):
    refuse(monkeypatch, "stat", shots / "day 1")
    outcomes = run(list(plan([shots / "day 1" / "a.jpg", shots / "a.jpg", shots / "day 1"], None)))
    assert [outcome.status for outcome in outcomes] == ["failed", "done", "failed"]
    assert all("Permission denied" in outcome.message for outcome in outcomes if outcome.status == "failed")


def test_results_that_cannot_be_looked_at_are_failures(shots, tmp_path, monkeypatch):
    jobs = list(plan([shots], tmp_path / "out"))
    refuse(monkeypatch, "stat", tmp_path / "out" / "day 1")
    outcomes = run(jobs)
    assert [outcome.status for outcome in outcomes] == ["done", "done", "failed", "failed", "failed"]
    assert all("ermission" in outcome.message for outcome in outcomes if outcome.status == "failed")


class Broken(Darker):
    """Has a fault that some pictures find."""

    def change(self, blurry):
        if blurry.mean() > 0.5:
            raise RuntimeError("a fault of the program")
        return super().change(blurry)


def test_a_fault_of_the_program_costs_one_file(tmp_path):
    jobs = list(plan([photo(tmp_path / "bright.png", level=200), photo(tmp_path / "dark.png", level=20)], None))
    outcomes = run(jobs, net=Broken())
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert outcomes[0].message == "unexpected RuntimeError: a fault of the program; please report this with the file"
