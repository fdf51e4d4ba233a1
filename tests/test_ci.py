"""The workflow of the hosted checks and the hooks before a commit: both call what `make` calls, and it exists."""

import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"


@pytest.fixture(scope="module")
def job():
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["test"]


def commands_of(job):
    return [line.strip() for step in job["steps"] for line in step.get("run", "").splitlines()]


def commands_of_make(*targets):
    """Commands of the targets in the Makefile, as they are called in an environment that is active."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(SITE)", "docs/_build")
    for target in targets:
        found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)+)", text, flags=re.MULTILINE)
        assert found, target
        for line in found[1].splitlines():
            yield line.strip().removeprefix("$(ONE_THREAD) ").removeprefix("$(BIN)/")


def exists(command):
    words = shlex.split(command)
    if words[0] == "python":
        return find_spec(words[2]) is not None
    return any(Path(sys.executable).with_name(words[0] + suffix).exists() for suffix in ("", ".exe"))


def test_the_workflow_runs_on_all_systems_and_versions(job):
    matrix = job["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert matrix["python"] == classifiers


def test_the_workflow_does_what_make_does(job):
    made = [*commands_of_make("$(VENV)/.ready", "lint", "test", "docs")]
    made = [command for command in made if not command.startswith(("$(PYTHON) -m venv", "touch"))]
    assert commands_of(job) == made


def test_a_line_that_make_does_not_have_is_found():
    assert [*commands_of_make("lint")] == ["ruff check", "ruff format --check", "mypy", "lint-imports"]
    with pytest.raises(AssertionError, match="no-such-target"):
        [*commands_of_make("no-such-target")]


@pytest.mark.parametrize("source", ["workflow", "hooks"])
def test_all_that_is_called_exists(job, source):
    if find_spec("importlinter") is None or find_spec("sphinx") is None:
        pytest.skip("the dependency group `dev` is not installed; `make test` installs it")
    repositories = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    local = [hook["entry"] for each in repositories if each["repo"] == "local" for hook in each["hooks"]]
    called = commands_of(job) if source == "workflow" else local
    assert len(called) >= 4
    assert [command for command in called if not exists(command)] == []


def test_what_does_not_exist_is_told():
    assert exists("python -m pytest -q")
    assert not exists("python -m no_such_module_at_all")
    assert not exists("no-such-program --fix")


def test_the_hooks_check_what_make_checks():
    repositories = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    local = {hook["entry"].removesuffix(" --force-exclude") for each in repositories if each["repo"] == "local" for hook in each["hooks"]}
    assert local == {command.removesuffix(" --check") for command in commands_of_make("lint")}
