"""The package as others meet it: its version, and its types in a program that imports it."""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

import unblur

ROOT = Path(__file__).parents[1]
PROGRAM = """\
from pathlib import Path

import unblur

deblurrer: unblur.Deblurrer = unblur.load("swift_best", device="cpu")
report: unblur.VideoReport = deblurrer.video("clip.mp4", Path("sharper.mp4"))
version: str = unblur.__version__
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Python of a new environment in which nothing but `unblur` is installed, as an editable install does it: by a `.pth` file."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    packages = next(folder.rglob("site-packages"))
    (packages / "unblur.pth").write_text(f"{ROOT / 'src'}\n")
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture
def check(installed, tmp_path):
    """Gives what mypy finds in a program; types of libraries that `unblur` uses are unknown to it, which keeps it fast."""
    pytest.importorskip("mypy", reason="the dependency group `dev` is not installed; `make test` installs it")

    def call(program):
        (tmp_path / "program.py").write_text(program)
        options = ["--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", f"--python-executable={installed}"]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *options, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert not done.stderr
        return re.findall(r"^program\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, flags=re.MULTILINE), done.stdout

    return call


def test_a_program_that_imports_it_is_type_checked(check):
    """Without `py.typed`, mypy would refuse the import (`import-untyped`)."""
    found, text = check(PROGRAM)
    assert not found, text
    assert "no issues found in 1 source file" in text


def test_wrong_types_in_such_a_program_are_found(check):
    found, _ = check(PROGRAM + 'unblur.load(3)\nunblur.load(device="abacus")\ndeblurrer.video()\ncount: int = unblur.__version__\n')
    assert found == [("8", "call-overload"), ("9", "call-overload"), ("10", "call-arg"), ("11", "assignment")]


def test_the_version_stands_in_one_place():
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    assert "version" not in settings["project"]
    assert settings["project"]["dynamic"] == ["version"]
    place = ROOT / settings["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.+)"$', place.read_text(), flags=re.MULTILINE) == [unblur.__version__]


def test_the_changelog_has_a_part_for_the_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert unblur.__version__ in headings
