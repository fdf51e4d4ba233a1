"""A run of tasks with a reader that needs no library: rows, resuming, pictures, and the averages of them."""

import numpy as np
import pytest
from PIL import Image

from unblur.bench.contender import open_contender
from unblur.bench.report import render_report
from unblur.bench.rows import FILE, ModelRow, TaskRow, read_rows
from unblur.bench.tasks.run import run_tasks
from unblur.bench.tasks.source import generated, photos
from unblur.bench.tasks.table import summarise_tasks
from unblur.errors import InputError, OutputError


@pytest.fixture
def source(task):
    return generated(task, count=3, seed=2, size=96)


def test_blurry_restored_and_sharp_are_read(source, oracle, tmp_path):
    rows = run_tasks([oracle(source)], [source], run=tmp_path / "run")
    made = [row for row in rows if isinstance(row, TaskRow)]
    assert [row.name for row in made] == ["00000.png", "00001.png", "00002.png"]
    for row in made:
        assert (row.read_blurry, row.read_restored, row.read_sharp) == ("A", "AB12", "AB12")
        assert (row.blurry, row.restored, row.sharp, row.seconds) == (0.25, 1.0, 1.0, 0.25)
        assert (row.width, row.height, row.text, row.reader) == (96, 96, "ab 12", "fake 1.0")
    assert [row.system for row in rows if isinstance(row, ModelRow)] == ["oracle"]


def test_no_picture_is_read_twice(source, reader, oracle, tmp_path):
    run_tasks([oracle(source), oracle(source, name="twin"), open_contender("blurry")], [source], run=tmp_path / "run")
    assert reader.calls == 2 * source.count


def test_the_input_itself_restores_nothing(source, tmp_path):
    (summary,) = summarise_tasks(run_tasks([open_contender("blurry")], [source], run=tmp_path / "run"))
    assert (summary.gain.value, summary.better, summary.worse) == (0, 0, 0)
    assert summary.blurry == summary.restored


def test_a_run_is_resumed_and_what_it_has_is_not_made_again(source, reader, oracle, tmp_path):
    run = tmp_path / "run"
    rows = run_tasks([oracle(source)], [source], run=run)
    lines = (run / FILE).read_bytes().splitlines(keepends=True)
    (run / FILE).write_bytes(b"".join(lines[:-1]) + lines[-1][:40])  # stopped while the last line was written
    again = oracle(source)
    calls = reader.calls
    assert run_tasks([again], [source], run=run) == rows
    assert again.restored == 1
    assert reader.calls == calls + 2  # its blurry and its sharp picture; the restored one is the sharp one


def test_another_seed_reader_or_version_is_measured_anew(source, task, oracle, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run_tasks([oracle(source)], [source], run=run)
    other = generated(task, count=1, seed=3, size=96)
    run_tasks([oracle(other)], [other], run=run)
    monkeypatch.setattr("unblur.__version__", "99")
    run_tasks([oracle(source)], [source], run=run)
    assert [(each.data, each.version == "99", each.pictures) for each in summarise_tasks(read_rows(run))] == [
        ("96x96, seed 2", False, 3),
        ("96x96, seed 2", True, 3),
        ("96x96, seed 3", False, 1),
    ]


def test_pictures_are_kept_if_asked_for_also_of_a_run_that_has_the_rows(source, oracle, tmp_path):
    run = tmp_path / "run"
    run_tasks([oracle(source)], [source], run=run)
    assert not (run / "pictures").exists()
    rows = read_rows(run)
    assert run_tasks([oracle(source)], [source], run=run, save_pictures=True) == rows
    found = sorted(path.relative_to(run / "pictures") for path in (run / "pictures").rglob("*.png"))
    assert {path.parts[0].partition("-")[0] for path in found} == {"blurry", "sharp", "oracle"}
    assert len(found) == 9
    with Image.open(run / "pictures" / "sharp" / "text-96x96-seed-2" / "00001.png") as kept:
        assert np.array_equal(np.asarray(kept), source.picture(1).sharp)


def test_methods_of_several_frames_are_refused_unless_alone(source, oracle, tmp_path):
    with pytest.raises(InputError, match=r"looks at 3 frames.*--alone"):
        run_tasks([oracle(source, frames=3)], [source], run=tmp_path / "run")
    assert len(run_tasks([oracle(source, frames=3, way="alone")], [source], run=tmp_path / "run")) == 1 + source.count


def test_a_folder_of_something_else_is_not_written_to(source, tmp_path):
    (tmp_path / "notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="holds other things"):
        run_tasks([open_contender("blurry")], [source], run=tmp_path)


def test_photos_have_no_sharp_score(source, task, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(source.picture(0).blurry).save(folder / "a.png")
    (folder / "text.csv").write_text("file,text\na.png,AB\n")
    rows = run_tasks([open_contender("blurry")], [photos(task, folder)], run=tmp_path / "run")
    (row,) = (row for row in rows if isinstance(row, TaskRow))
    assert (row.read_blurry, row.blurry, row.read_sharp, row.sharp, row.sharp_sha256) == ("A", 0.5, None, None, "")
    (summary,) = summarise_tasks(rows)
    assert summary.sharp is None
    assert summary.groups == ()


def test_a_report_shows_tasks_without_other_rows(source, oracle, tmp_path):
    run_tasks([oracle(source), open_contender("blurry")], [source], run=tmp_path / "run")
    page = render_report([tmp_path / "run"])
    assert "text in 96x96, seed 2, read by fake 1.0: character accuracy, %" in page
    assert "100.0 ± 0.0" in page
    assert "+75.0 ± 0.0" in page
