"""The folders are those of the platform, unless the user names others."""

from pathlib import Path

import pytest

from unblur.io.folders import user_folder

VARIABLE = "UNBLUR_TEST_FOLDER"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in (VARIABLE, "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "platform", "variables", "folder"),
    [
        ("cache", "linux", {}, "home/.cache/unblur/inside"),
        ("cache", "linux", {"XDG_CACHE_HOME": "scratch"}, "scratch/unblur/inside"),
        ("cache", "darwin", {}, "home/Library/Caches/unblur/inside"),
        ("cache", "win32", {"LOCALAPPDATA": "local"}, "local/unblur/Cache/inside"),
        ("data", "linux", {}, "home/.local/share/unblur/inside"),
        ("data", "linux", {"XDG_DATA_HOME": "data"}, "data/unblur/inside"),
        ("data", "darwin", {"XDG_DATA_HOME": "data"}, "home/Library/Application Support/unblur/inside"),
        ("data", "win32", {"LOCALAPPDATA": "local"}, "local/unblur/inside"),
        ("data", "win32", {}, "home/AppData/Local/unblur/inside"),
        ("data", "win32", {"LOCALAPPDATA": "local", VARIABLE: "mine"}, "mine"),
        ("cache", "linux", {"XDG_CACHE_HOME": "scratch", VARIABLE: "mine"}, "mine"),
    ],
)
def test_the_folder_is_that_of_the_platform(home, monkeypatch, kind, platform, variables, folder):
    monkeypatch.setattr("sys.platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(home / value))
    assert user_folder(kind, variable=VARIABLE, inside="inside") == home / folder


@pytest.mark.parametrize("given", ["", "relative"])
def test_relative_and_empty_settings_count_as_none(home, monkeypatch, given):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_DATA_HOME", given)
    assert user_folder("data", variable=VARIABLE) == home / "home/.local/share/unblur"
