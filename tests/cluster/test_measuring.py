"""Measuring in parts, by workers of this process: rows, crops and pictures are those of one machine."""

# ruff: noqa: ARG005 - stand-ins take what the real ones take

import json

import cv2
import numpy as np
import pytest
from backwards import Backwards
from nets import save_weights, tiny_swift

from unblur.bench.contender import open_contender
from unblur.bench.crops import read_crops
from unblur.bench.datasets import open_data
from unblur.bench.fit import Method
from unblur.bench.rows import PictureRow, read_rows
from unblur.bench.run import run_bench
from unblur.cluster import measuring
from unblur.cluster.measuring import Asked, bench_on_cluster, works_of
from unblur.errors import InputError, UnblurError
from unblur.metrics import protocols

SKIMAGE, DVD = protocols.get("gopro-skimage"), protocols.get("gopro-matlab")
HOW = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def data(tmp_path):
    """Two clips of eleven frames, none of which is like another."""
    for clip in "ab":
        for number in range(11):
            coarse = np.random.default_rng((number, ord(clip))).integers(20, 236, (8, 10, 3), np.uint8)
            sharp = cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_CUBIC)
            for kind, width in (("blurry", 5), ("sharp", 1)):
                folder = tmp_path / "pairs" / kind / clip
                folder.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(folder / f"{number:03}.png"), cv2.blur(sharp, (width, 1)))
    return open_data(str(tmp_path / "pairs"))


@pytest.fixture
def on_cluster(use_workers):
    measuring._contender.cache_clear()

    def call(works, *, workers=None, **more):
        use_workers(workers or Backwards())
        return bench_on_cluster(works, address="auto", **more)

    return call


def facts(rows):
    """Rows without times and peaks, which no two runs share."""
    left_out = {"seconds", "peak_bytes"}
    return [row.model_dump(exclude=left_out) if isinstance(row, PictureRow) else row.model_dump() for row in rows]


@pytest.mark.parametrize("temporal", [False, True])
def test_rows_crops_and_pictures_are_those_of_one_machine(on_cluster, data, tmp_path, temporal):
    weights = str(save_weights(tmp_path / "tiny.safetensors", tiny_swift()))
    options = {"temporal": temporal, "crops": 3, "save_pictures": True}
    contenders = [open_contender(name, **HOW) for name in ("blurry", weights)]
    alone = run_bench(contenders, [data], [SKIMAGE, DVD], run=tmp_path / "alone", **options)
    plan = [(data, SKIMAGE), (data, DVD)]
    works = works_of(
        [(Method("blurry", 1), False), (Method(weights, 1), False)], plan, asked=Asked(**HOW, **options), run=tmp_path / "parts"
    )
    assert len(works) == (4 if temporal else 8)
    told = []
    rows = on_cluster(works, workers=Backwards(losses=2), progress=lambda what, done, total: told.append((done, total)))
    assert facts(rows) == facts(alone)
    assert told[-1] == (44, 44)
    kept = [
        [(crop.model, crop.name, crop.sequence, crop.psnr, crop.file.read_bytes()) for crop in read_crops(tmp_path / run)]
        for run in ("alone", "parts")
    ]
    assert sorted(kept[0]) == sorted(kept[1])
    pictures = [
        {path.relative_to(tmp_path / run): path.read_bytes() for path in (tmp_path / run).rglob("*.png")} for run in ("alone", "parts")
    ]
    assert pictures[0] == pictures[1]
    assert not list((tmp_path / "parts").glob(".part-*"))


def test_what_was_measured_is_not_measured_again(on_cluster, data, tmp_path):
    works = works_of([(Method("blurry", 1), False)], [(data, SKIMAGE)], asked=Asked(**HOW), run=tmp_path / "run")
    first = on_cluster(works)
    assert on_cluster(works) == first == read_rows(tmp_path / "run")


def test_a_stopped_run_keeps_its_parts(on_cluster, data, tmp_path):
    works = works_of([(Method("blurry", 1), False)], [(data, SKIMAGE)], asked=Asked(**HOW), run=tmp_path / "run")
    with pytest.raises(UnblurError, match="lost in every attempt: killed; killed; killed"):
        on_cluster(works, workers=Backwards(losses=3))
    assert len(list((tmp_path / "run").glob(".part-*"))) == 1
    assert len([row for row in on_cluster(works) if isinstance(row, PictureRow)]) == 22


def test_a_fault_of_the_data_is_raised(on_cluster, data, tmp_path):
    works = works_of([(Method("blurry", 1), False)], [(data, SKIMAGE)], asked=Asked(**HOW), run=tmp_path / "run")
    (tmp_path / "pairs" / "blurry" / "a" / "003.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="003"):
        on_cluster(works)


def test_relative_paths_are_sent_whole_and_shown_as_given(on_cluster, data, tmp_path, monkeypatch):
    save_weights(tmp_path / "tiny.safetensors", tiny_swift())
    monkeypatch.chdir(tmp_path)
    works = works_of(
        [(Method("tiny.safetensors", 1), False)], [(open_data("pairs"), SKIMAGE)], asked=Asked(**HOW), run=data and tmp_path / "run"
    )
    monkeypatch.chdir(tmp_path.parent)
    rows = on_cluster(works)
    assert {row.model for row in rows} == {"tiny.safetensors"}


@pytest.mark.usefixtures("data")
def test_the_command_measures_on_a_cluster(use_workers, tmp_path, monkeypatch, capsys):
    from unblur.app import cli

    use_workers(Backwards())
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments):
        monkeypatch.setattr(
            "sys.argv", ["unblur", "bench", "--model", "blurry", "-o", str(tmp_path / "run"), "--cluster", "auto", *arguments]
        )
        with pytest.raises(SystemExit) as end:
            cli.main()
            raise SystemExit(0)
        return end.value.code or 0, *capsys.readouterr()

    words = ("--data", str(tmp_path / "pairs"), "--protocol", "gopro-skimage")
    code, out, _ = command(*words, "--json")
    (summary,) = json.loads(out)
    assert (code, summary["pictures"], summary["model"]) == (0, 22, "blurry")
    for refused in (("--task", "text"), (*words, "--results", f"a={tmp_path}")):
        code, _, err = command(*refused)
        assert (code, "measured on one machine" in err) == (2, True)
