"""`unblur bench`, `report`, `ablate` and `published` as a user meets them, and the commands of the how-to page."""

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/compare-methods.md"
QUICK = [
    "--device",
    "cpu",
    "--steps",
    "2",
    "--set",
    "batch=1",
    "--set",
    "crop=32",
    "--set",
    "data.pair_size=32",
    "--set",
    "data.pool=2",
    "--set",
    "data.pool_start=1",
    "--set",
    "precision=fp32",
]


def texture(seed, *, size=(120, 90)):
    coarse = np.random.default_rng(seed).integers(20, 236, (size[1] // 6, size[0] // 6, 3), np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def pairs(tmp_path):
    for number in range(2):
        for kind, width in (("blurry", 7), ("sharp", 1)):
            (tmp_path / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(tmp_path / "pairs" / kind / f"{number}.png"), cv2.blur(texture(number), (width, 1)))
    return tmp_path / "pairs"


def test_published_as_table_and_as_json(run):
    code, out, _ = run("published", "--system", "ppnet")
    assert code == 0
    assert re.search(r"ppnet\s+CBAM only\s+30\.54\s+0\.8999", out)
    assert "zou2023" in out
    rows = json.loads(run("published", "--data", "köhler", "--json")[1])
    assert [row["values"] for row in rows if row["system"] == "deepdeblur"] == [{"psnr": 26.48, "mssim": 0.8079}]
    assert {row["origin"] for row in rows} == {"paper"}
    said = run("published", "--system", "mscnn")[1]
    assert "inferred: DVD" in said
    assert "from the cited paper" not in said
    assert "from the cited paper, not from the documents" in run("published", "--data", "köhler")[1]
    assert run("published", "--system", "nothing")[0] == 1
    assert "GOPR0862_11_00" in run("published", "--system", "l0", "--sequences")[1]


def test_bench_prints_the_protocol_with_the_numbers(run, pairs):
    code, out, err = run("bench", "--model", "blurry", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run")
    assert code == 0
    assert "pairs by gopro-skimage@1" in out
    assert "unblur report run" in err
    (summary,) = json.loads(run("bench", "--model", "blurry", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run", "--json")[1])
    assert f"{summary['means']['psnr']:.2f}" in out
    assert summary["pictures"] == 2


def test_bench_explains_what_it_measures_beside_the_protocol(run, pairs):
    words = ("bench", "--model", "blurry", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run")
    code, out, _ = run(*words, "--extra", "shifted", "--extra", "detail")
    assert code == 0
    assert re.search(r"shifted psnr\s+shift\s+detail\s+coherent detail", out)
    assert "coherent detail: The part of the sharp picture's" in out
    assert "gmsd" not in out


def test_report_is_written_in_the_form_of_its_name(run, pairs, tmp_path):
    assert run("bench", "--model", "blurry", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run")[0] == 0
    for name, beginning in (
        ("a.html", "<!doctype html>"),
        ("a.tex", r"\begin{table}"),
        ("a.md", "pairs by `gopro-skimage@1`"),
        ("a.csv", "model,data"),
    ):
        assert run("report", "run", "-o", name)[0] == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(beginning)
    code, _, err = run("report", "run", "-o", "a.pdf")
    assert (code, ".html, .tex, .md, .csv or .png" in err) == (2, True)
    assert run("report", "run", "-o", "b.csv", "--mean", "a=b*")[0] == 2
    assert "fits no model" in run("report", "run", "-o", "b.md", "--mean", "a=b-*")[2]
    assert "names no line" in run("report", "run", "-o", "b.md", "--mean", "a")[2]


def test_a_figure_needs_places_and_data_and_nothing_else_takes_them(run, pairs, tmp_path):
    (pairs / "copy").mkdir()
    for number in range(2):
        (pairs / "copy" / f"{number}.png").write_bytes((pairs / "blurry" / f"{number}.png").read_bytes())
    words = ("--data", pairs, "--protocol", "gopro-skimage", "-o", "run", "--save-pictures")
    assert run("bench", "--results", "copied=pairs/copy", *words)[0] == 0
    figure = ("report", "run", "-o", "a.png", "--data", pairs)
    assert run(*figure, "--crop", "1:10,20,40,30", "--model", "copied=As it was")[0] == 0
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] == 1600
    assert "exists" in run(*figure, "--crop", "1:10,20,40,30")[2]
    assert "is no place" in run(*figure, "--crop", "1")[2]
    for wrong in (figure, figure[:4], (*figure[:3], "a.html", *figure[4:]), (*figure[:3], "a.md", "--crop", "1:10,20,40,30")):
        code, _, err = run(*wrong)
        assert (code, "a figure needs" in err) == (2, True)


def test_a_figure_of_pictures_without_a_reference_takes_folders_in_place_of_runs(run, pairs, tmp_path):
    figure = ("report", "-o", "a.png", "--data", pairs / "blurry", "--crop", "1:10,20,40,30")
    assert run(*figure, "--results", f"Sharp={pairs / 'sharp'}")[0] == 0
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] == 1600
    assert "names no folder" in run(*figure, "--results", "Sharp")[2]
    wrong = (figure, (*figure, "--results", "a=b", "--model", "swift"), ("report", "run", *figure[1:], "--results", "a=b"))
    for words in (*wrong, ("report", "-o", "a.html", "--results", "a=b")):
        code, _, err = run(*words)
        assert (code, "a figure of pictures without a reference" in err) == (2, True)


def test_bench_measures_results_of_another_program_beside_models(run, pairs):
    words = ("bench", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run")
    code, out, _ = run(*words, "--model", "blurry", "--results", "copied=pairs/blurry/../copy")
    assert code == 1
    (pairs / "copy").mkdir()
    for number in range(2):
        (pairs / "copy" / f"{number}.png").write_bytes((pairs / "blurry" / f"{number}.png").read_bytes())
    code, out, _ = run(*words, "--model", "blurry", "--results", "copied=pairs/copy")
    assert code == 0
    assert "copied: restored by another program" in out
    assert re.search(r"^ *copied +2 +\S+ +\S+ +\+0.00 *$", out, re.MULTILINE)
    assert "two methods are called `blurry`" in run(*words, "--model", "blurry", "--results", "blurry=pairs/copy")[2]
    assert "write `--results NAME=FOLDER`" in run(*words, "--results", "pairs/copy")[2]
    assert "give at least one" in run(*words)[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--protocol", "gopro"), "there is no protocol"),
        (("--model", "nothing"), "there are no weights"),
        (("--data", "nowhere"), "not a folder"),
        (("--extra", "beauty"), "no extra measure"),
    ],
)
def test_what_is_wrong_is_one_line(run, pairs, change, words):
    options = {"--model": "blurry", "--data": str(pairs), "--protocol": "gopro-skimage", "-o": "run"} | dict([change])
    code, _, err = run("bench", *[word for pair in options.items() for word in pair])
    assert code == 1
    assert words in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((), "either photos to train on"),
        (("--photos", "pairs/sharp", "--train", "pairs"), "either photos to train on"),
        (("--photos", "pairs/sharp", "--steps", "1"), "is both trained on and measured on"),
        (("--photos", "pairs/blurry", "--steps", "1", "--minutes", "1"), "not both"),
        (("--photos", "pairs/blurry", "--set", "lr"), "does not say a value"),
        (("--photos", "pairs/blurry", "--row", "K = 9"), "no row `K = 9`"),
        (
            ("--photos", "pairs/blurry", "--recipes", "elsewhere"),
            "recipe `elsewhere/deepdeblur/gopro-k1.yaml` cannot be read: there is no such file",
        ),
    ],
)
@pytest.mark.usefixtures("pairs")
def test_what_is_wrong_with_a_study_is_one_line(run, change, words):
    code, _, err = run("ablate", "deepdeblur-scales", "--data", "pairs", "-o", "run", *change)
    assert code == 1
    assert words in err.replace("\n", " ")


def test_a_study_says_its_budget_and_goes_on(run, pairs, tmp_path):
    (tmp_path / "photos").mkdir()
    assert cv2.imwrite(str(tmp_path / "photos" / "a.png"), texture(5))
    words = [
        "ablate",
        "deepdeblur-scales",
        "--row",
        "K = 1",
        "--small",
        "--photos",
        "photos",
        "--data",
        pairs,
        "-o",
        "run",
        *QUICK,
        "--json",
    ]
    (one, reference) = json.loads(run(*words)[1])
    assert (one["row"]["name"], reference["row"]["name"], reference["verdict"]) == ("K = 1", "K = 3", "reference")
    assert (one["steps"], one["published_difference"]) == (2, pytest.approx(-0.15))
    assert one["seconds"] > 0
    recipe = json.loads((tmp_path / "run/trainings/k-1-seed-1/recipe.json").read_text())
    assert (recipe["model"], recipe["arguments"]["num_scales"], recipe["arguments"]["width"], recipe["data"]["kind"]) == (
        "deepdeblur",
        1,
        32,
        "stills",
    )
    assert (recipe["steps"], recipe["warmup"], recipe["decay"], recipe["batch"]) == (2, 0, 2, 1)
    assert json.loads(run(*words)[1]) == [one, reference]
    code, _, err = run(*words, "--steps", "3")
    assert code == 1
    assert "begun with a budget of 2 steps" in err


def test_all_four_rows_of_table_4_3_train_on_dvd_by_one_command(run, tmp_path):
    """Rows without flow pass over the trained flow that the others begin with."""
    for part in ("train/IMG_0001", "test/IMG_0003"):
        for number in range(5):
            for kind in ("input", "GT"):
                target = tmp_path / "dvd" / part / kind / f"{number:05d}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(target), texture(number, size=(96, 64)))
    quick = ["--steps", "1", "--set", "batch=1", "--set", "crop=32", "--set", "validate_every=0", "--set", "workers=0", "--device", "cpu"]
    code, out, err = run("ablate", "astcn-alignment", "--small", "--train", "dvd", "--data", "dvd:dvd", "-o", "run", "--json", *quick)
    assert code == 0, err
    assert [each["row"]["name"] for each in json.loads(out)] == ["w/o Align", "w/o Residual", "w/o Flow", "full"]
    for folder, trained in {"w-o-align": False, "w-o-residual": True, "w-o-flow": False, "full": True}.items():
        recipe = json.loads((tmp_path / f"run/trainings/{folder}-seed-1/recipe.json").read_text())
        assert recipe["flow_weights"] == "pwcnet"
        assert (recipe["lr_of"].get("flow") == 1e-6) == trained
        assert (recipe["objective"]["loss"], recipe["data"]["kind"]) == ({"mse": 1.0}, "clips")


def test_commands_of_the_page(run, tmp_path):
    (tmp_path / "photos").mkdir()
    assert cv2.imwrite(str(tmp_path / "photos" / "a.png"), texture(0))
    commands = re.findall(r"^    unblur (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(commands) == 18
    said = {}
    for command in commands:
        words = shlex.split(command)
        code, out, err = run(*words, *(QUICK if words[0] == "ablate" else []))
        assert code == 0, (command, err)
        said[" ".join(words[:2])] = out
    assert "warping" in said["bench --model"]
    assert re.search(r"K = 2( +[\d.]+){4} +0\.\d+( +[+-]\d+\.\d\d){2} +29\.23 +\+0\.15", said["ablate deepdeblur-scales"])
    assert "A small budget confirms no published number." in said["ablate deepdeblur-scales"]
    assert re.search(r"swift( +[\d.]+){4} +0\.\d+ +[+-]\d+\.\d\d +(not )?learnt", said["ablate photo-systems"])
    assert re.search(r"ifirnn, alone( +[\d.]+){4} +0\.\d+ +[+-]\d+\.\d\d +(not )?learnt", said["ablate video-systems"])
    for name in ("figure.png", "real.png"):
        assert cv2.imread(str(tmp_path / name)).shape[1] == 1600
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert '<tr class="measured">' in (tmp_path / "report.html").read_text()


def test_published_checkpoints_are_measured_beside_our_own(run, pairs, published):
    bench = ["bench", "--data", pairs, "--protocol", "gopro-skimage", "--device", "cpu", "--precision", "fp32", "-o", "run", "--json"]
    code, out, err = run(*bench, "--model", "blurry", "--weights", published)
    assert code == 0, err
    assert [summary["model"] for summary in json.loads(out)] == ["blurry", str(published)]


def test_a_bench_of_nothing_is_refused(run):
    code, _, err = run("bench", "--data", ".", "--protocol", "gopro-skimage", "-o", "run")
    assert code == 2
    assert "--weights" in err


def test_pairs_of_data_and_protocol(run, pairs):
    words = ("bench", "--model", "blurry", "-o", "run", "--json")
    code, out, _ = run(*words, "--pair", f"{pairs}=gopro-matlab", "--save-pictures")
    assert code == 0
    assert [(each["data"], each["protocol"]) for each in json.loads(out)] == [("pairs", "gopro-matlab@1")]
    assert len(list(Path("run/pictures").rglob("*.png"))) == 2
    for change, wanted in (((), "give `--data`"), (("--data", pairs), "give `--data`"), (("--pair", "pairs"), "DATA=PROTOCOL")):
        code, _, err = run(*words, *change)
        assert code != 0
        assert wanted in " ".join(err.replace("│", " ").split())


def test_what_does_not_fit_is_said_before_the_first_row(run, pairs):
    code, _, err = run("bench", "--model", "blurry", "--model", "swift_video", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run")
    assert code == 1
    assert "nothing was measured: `swift_video` looks at" in err
    assert not Path("run").exists()
