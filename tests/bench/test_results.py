"""Pictures of another program: found by their names, refused before anything is measured, and measured as a model's are."""

import csv
import re
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from unblur.bench.contender import open_contender
from unblur.bench.datasets import open_data
from unblur.bench.export import write_csv
from unblur.bench.report import render_report
from unblur.bench.results import match_results, open_results
from unblur.bench.rows import ClipRow, PictureRow
from unblur.bench.run import PICTURES, run_bench
from unblur.bench.table import summarise
from unblur.errors import InputError
from unblur.metrics import from_uint8, protocols

SKIMAGE = protocols.get("gopro-skimage")


@pytest.fixture
def made(pairs, tmp_path):
    """Lays results out by a form of their names; gives their folder."""

    def lay(form, *, name="made"):
        folder = tmp_path / name
        for path in sorted((pairs / "blurry").rglob("*.png")):
            target = folder / form.format(sequence=path.parent.name, stem=path.stem, number=int(path.stem))
            target.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(target), cv2.GaussianBlur(cv2.imread(str(path)), (3, 3), 0))
        return folder

    return lay


def opened(folder, pairs, *, name="theirs", chosen=(SKIMAGE,), **options):
    return open_results(name, folder, data=open_data(str(pairs)), protocols=chosen, **options)


def measured(folder, pairs, run, **options):
    rows = run_bench([opened(folder, pairs)], [open_data(str(pairs))], [SKIMAGE], run=run, **options)
    return [row for row in rows if isinstance(row, PictureRow)]


@pytest.mark.parametrize(
    "form",
    [
        "{sequence}/{stem}.png",
        "{sequence}-{stem}.png",
        "{sequence}_{stem}.tif",
        "test/{sequence}/{stem}.bmp",
        "{sequence}/{stem}_restored.png",
        "{sequence}/{number}.png",
        "{sequence}-{number:06d}-out.png",
        "pairs/{sequence}/{stem}.png.png",
    ],
)
def test_results_are_found_by_every_form_of_their_names(made, pairs, tmp_path, form):
    """Each result is a softer copy of one blurry picture, so that a wrong match measures otherwise."""
    rows = measured(made(form), pairs, tmp_path / "run")
    assert len(rows) == 6
    for row in rows:
        blurry = cv2.imread(str(pairs / "blurry" / row.sequence / row.name))
        sharp = np.array(Image.open(pairs / "sharp" / row.sequence / row.name))
        expected = SKIMAGE.measure(from_uint8(cv2.GaussianBlur(blurry, (3, 3), 0)[..., ::-1].copy()), from_uint8(sharp))
        assert row.measures == pytest.approx(expected)


def test_pictures_that_a_run_keeps_measure_as_the_model_that_made_them(pairs, weights, tmp_path):
    contender = open_contender(str(weights("deepdeblur")), device="cpu", precision="fp32")
    rows = run_bench([contender], [open_data(str(pairs))], [SKIMAGE], run=tmp_path / "run", save_pictures=True)
    (folder,) = (tmp_path / "run" / PICTURES).iterdir()
    again = measured(folder, pairs, tmp_path / "again")
    assert [row.measures for row in again] == [row.measures for row in rows if isinstance(row, PictureRow)]
    assert {(row.way, row.model, row.seconds, row.peak_bytes) for row in again} == {("results", "theirs", 0, 0)}


def test_names_of_single_pictures_need_no_sequence(tmp_path):
    for kind, level in (("blurry", 10), ("sharp", 90), ("out", 50)):
        for stem in ("a", "b"):
            (tmp_path / kind).mkdir(exist_ok=True)
            suffix = ".jpg" if kind == "out" else ".png"
            Image.fromarray(np.full((16, 20, 3), level, np.uint8)).save(tmp_path / kind / f"{stem}{suffix}")
    data = open_data(str(tmp_path))
    found = match_results(tmp_path / "out", data, wanted=data.samples)
    assert {sample.reference.stem: file.name for sample, file in found.items()} == {"a": "a.jpg", "b": "b.jpg"}


def test_names_that_sequences_share_are_no_match(pairs, tmp_path):
    (tmp_path / "flat").mkdir()
    for number in range(3):
        shutil.copy(pairs / "blurry/clip0" / f"{number:03d}.png", tmp_path / "flat")
    with pytest.raises(InputError, match=r"holds no result for `pairs`.*`clip0/000`.*nor `clip0-000`.*only `000.png`"):
        opened(tmp_path / "flat", pairs)


def test_missing_results_are_counted_and_named(made, pairs):
    folder = made("{sequence}-{stem}.png")
    (folder / "clip1-002.png").unlink()
    with pytest.raises(InputError, match=r"lacks the results of 1 of the 6 .*called `SEQUENCE-NAME`.*`clip1/002.png`"):
        opened(folder, pairs)


def test_frames_that_no_protocol_measures_may_be_missing(made, pairs, tmp_path):
    for kind in ("blurry", "sharp"):
        for clip in ("clip0", "clip1"):
            for number in (3, 4):
                shutil.copy(pairs / kind / clip / "001.png", pairs / kind / clip / f"{number:03d}.png")
    bsd = protocols.get("bsd")  # without the first and last two of a clip
    folder = made("{sequence}/{stem}.png")
    for number in (0, 1, 3, 4):
        (folder / "clip0" / f"{number:03d}.png").unlink()
    contender = opened(folder, pairs, chosen=[bsd])
    rows = run_bench([contender], [open_data(str(pairs))], [bsd], run=tmp_path / "run")
    assert [row.frame for row in rows if isinstance(row, PictureRow)] == [2, 2]
    with pytest.raises(InputError, match="lacks the results of 4 of the 10"):
        opened(folder, pairs, chosen=[bsd], temporal=True)


def test_results_of_another_size_are_refused_before_anything_is_measured(made, pairs):
    folder = made("{sequence}/{stem}.png")
    Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(folder / "clip0/001.png")
    (folder / "clip1/000.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"001.png` is of 24x20 pixels, and the blurry picture .* of 48x40; .*000.png` cannot be read"):
        opened(folder, pairs)


def test_two_candidates_are_refused(made, pairs):
    folder = made("a/{sequence}/{stem}.png")
    made("b/{sequence}/{stem}.png")
    with pytest.raises(InputError, match=r"could both be the result of .*name the folder that holds one"):
        opened(folder, pairs)


def test_files_of_the_data_set_are_no_results(pairs):
    with pytest.raises(InputError, match="is a file of the data set itself"):
        opened(pairs / "sharp", pairs)


@pytest.mark.parametrize(("name", "where"), [("", "made"), ("blurry", "made"), ("theirs", "nowhere")])
def test_what_names_no_results_is_refused(made, pairs, tmp_path, name, where):
    made("{sequence}/{stem}.png")
    with pytest.raises(InputError):
        opened(tmp_path / where, pairs, name=name)


def test_nothing_is_measured_twice_and_changed_results_are_a_line_of_their_own(made, pairs, tmp_path):
    folder, run = made("{sequence}/{stem}.png"), tmp_path / "run"
    assert measured(folder, pairs, run) == measured(folder, pairs, run)
    shutil.copy(folder / "clip0/000.png", folder / "clip0/001.png")
    assert len(measured(folder, pairs, run)) == 12
    rows = run_bench([], [], [], run=run)
    assert [(each.model, each.pictures) for each in summarise(rows)] == [("theirs", 6)] * 2


def test_results_of_several_data_sets_bear_one_name(made, pairs, tmp_path):
    other = tmp_path / "others"
    shutil.copytree(pairs, other)
    shutil.copy(pairs / "sharp/clip0/000.png", other / "sharp/clip0/001.png")
    run, data = tmp_path / "run", [open_data(str(each)) for each in (pairs, other)]
    folders = [made("{sequence}/{stem}.png", name=name) for name in ("of-pairs", "of-others")]
    shutil.copy(folders[0] / "clip0/000.png", folders[0] / "clip0/001.png")  # or both would be the same pictures
    contenders = [open_results("theirs", folder, data=each, protocols=[SKIMAGE]) for folder, each in zip(folders, data, strict=True)]
    rows = run_bench(contenders, data, [SKIMAGE], run=run)
    assert [(each.data, each.pictures) for each in summarise(rows)] == [("others", 6), ("pairs", 6)]
    page = render_report([run])
    assert "restored by another program" in page
    assert not re.search(r"theirs \(\w{6}\)", page)


def test_warping_error_is_measured_of_results(made, pairs, tmp_path):
    contender = opened(made("{sequence}/{stem}.png"), pairs, temporal=True)
    rows = run_bench([contender], [open_data(str(pairs))], [SKIMAGE], run=tmp_path / "run", temporal=True)
    assert [row.warping_error > 0 for row in rows if isinstance(row, ClipRow)] == [True, True]


def test_unknown_costs_are_left_out_of_pages_and_tables(made, pairs, tmp_path):
    measured(made("{sequence}/{stem}.png"), pairs, tmp_path / "run")
    write_csv([tmp_path / "run"], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert {(row["way"], row["seconds"], row["peak_bytes"], row["device"]) for row in csv.DictReader(file)} == {("results", "", "", "")}
    page = render_report([tmp_path / "run"])
    assert "M parameters" not in page
    assert "PSNR against time" not in page
