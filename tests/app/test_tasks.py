"""`unblur bench --task` as a user meets it."""

import json

import pytest


def test_codes_from_the_command_to_the_report(run, tmp_path):
    pytest.importorskip("zxingcpp", reason="the extra `tasks` is not installed")
    command = ["bench", "--task", "codes", "--task-pictures", "3", "--model", "blurry", "-o", "run"]
    code, out, err = run(*command)
    assert code == 0, err
    assert "codes in 256x256, seed 0, read by zxing-cpp" in out
    assert "blurry: none, none" in out
    code, out, err = run(*command, "--json")
    assert code == 0, err
    (summary,) = json.loads(out)
    assert (summary["task"], summary["pictures"], summary["gain"]["value"]) == ("codes", 3, 0.0)
    code, _, err = run("report", "run", "-o", "report.html")
    assert code == 0, err
    assert "codes in 256x256" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "faces"], "there is no task `faces`"),
        (["--task", "text", "--data", "d", "--protocol", "gopro-skimage"], "or `--task`"),
        ([], "or `--task`"),
        (["--task", "codes", "--extra", "gmsd"], "for data sets"),
    ],
)
def test_what_does_not_fit_is_refused(run, arguments, message):
    code, _, err = run("bench", "--model", "blurry", *arguments, "-o", "run")
    assert code != 0
    assert message in err


def test_clip_networks_are_refused_before_they_are_loaded(run, tmp_path):
    code, _, err = run("bench", "--model", "swift_video", "--task", "codes", "-o", "run")
    assert code != 0
    assert "pictures of tasks are single ones; give `--alone`" in err
    assert not (tmp_path / "run").exists()
