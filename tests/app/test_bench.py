"""`unblur bench`, `report`, `ablate` and `published` as a user meets them, and the commands of the how-to page."""

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from unblur.app import cli

PAGE = Path(__file__).parents[2] / "docs/how-to/compare-methods.md"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs `unblur ARGUMENTS` in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["unblur", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


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
    assert [row["values"] for row in rows] == [{"psnr": 26.48, "mssim": 0.8079}]
    assert run("published", "--system", "nothing")[0] == 1
    assert "GOPR0862_11_00" in run("published", "--system", "xu", "--sequences")[1]


def test_bench_prints_the_protocol_with_the_numbers(run, pairs):
    code, out, err = run("bench", "--model", "blurry", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run")
    assert code == 0
    assert "pairs by gopro-skimage@1" in out
    assert "unblur report run" in err
    (summary,) = json.loads(run("bench", "--model", "blurry", "--data", pairs, "--protocol", "gopro-skimage", "-o", "run", "--json")[1])
    assert f"{summary['means']['psnr']:.2f}" in out
    assert summary["pictures"] == 2


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


def test_training_and_measuring_data_must_differ(run, pairs):
    code, _, err = run("ablate", "deepdeblur-scales", "--train", pairs, "--data", pairs, "--steps", 1, "-o", "run")
    assert code == 2
    assert "other data" in err


def test_commands_of_the_page(run, tmp_path):
    (tmp_path / "photos").mkdir()
    assert cv2.imwrite(str(tmp_path / "photos" / "a.png"), texture(0))
    commands = re.findall(r"^    unblur (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(commands) == 8
    said = {}
    for command in commands:
        words = shlex.split(command)
        code, out, err = run(*words)
        assert code == 0, (command, err)
        said[words[0]] = out
    assert "MSCNN" not in said["ablate"]
    assert "warping" in said["bench"]
    assert re.search(r"K = 2\s+\d+\.\d\d\s+[+-]\d\.\d\d\s+29\.23\s+\+0\.15", said["ablate"])
    assert "A small budget confirms no published number." in said["ablate"]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert '<tr class="measured">' in (tmp_path / "report.html").read_text()
