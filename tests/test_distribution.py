"""The built wheel and source archive: valid descriptions, all that the program needs, and a program that runs from nothing else."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from sysconfig import get_path

import pytest

import unblur

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*command, cwd=ROOT):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # which may lead to the source
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source archive."""
    for name in ("build", "hatchling", "twine"):
        pytest.importorskip(name, reason="the dependency group `dev` is not installed; `make test-slow` installs it")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, archive


def test_descriptions_are_valid(built):
    out = run(sys.executable, "-m", "twine", "check", "--strict", *built)
    assert out.count("PASSED") == 2


def test_weights_recipes_and_types_are_in_both(built):
    wheel, archive = built
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(archive) as opened:
        in_archive = {name.partition("/src/")[2] for name in opened.getnames()}
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.suffix in {".py", ".safetensors", ".json", ".yaml", ".typed"}
    }
    assert not wanted - in_wheel
    assert not wanted - in_archive


def test_it_runs_where_nothing_but_its_dependencies_is_installed(built, tmp_path):
    wheel, _ = built
    venv.create(tmp_path / "bare", with_pip=False, symlinks=sys.platform != "win32")
    packages = next((tmp_path / "bare").rglob("site-packages"))
    folder = tmp_path / "bare" / ("Scripts" if sys.platform == "win32" else "bin")
    run(sys.executable, "-m", "pip", "--python", folder / "python", "install", "--no-deps", "--no-index", wheel)
    (packages / "dependencies.pth").write_text(f"{get_path('purelib')}\n")
    place = run(folder / "python", "-c", "import unblur; print(unblur.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(tmp_path / "bare")
    assert run(folder / "unblur", "--version", cwd=tmp_path).strip() == f"unblur {unblur.__version__}"
    findings = json.loads(run(folder / "unblur", "doctor", "--json", cwd=tmp_path))
    assert {finding["verdict"] for finding in findings} <= {"good", "note"}
