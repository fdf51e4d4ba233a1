from pathlib import Path

import pytest
from nets import save_weights, tiny_swift

from unblur.weights.store import command_for, pulled, store_folder


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.local/share/unblur/weights"),
        ("linux", {"XDG_DATA_HOME": "data"}, "data/unblur/weights"),
        ("darwin", {"XDG_DATA_HOME": "data"}, "home/Library/Application Support/unblur/weights"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/unblur/weights"),
        ("win32", {}, "home/AppData/Local/unblur/weights"),
        ("win32", {"LOCALAPPDATA": "local", "UNBLUR_WEIGHTS": "mine"}, "mine"),
        ("linux", {"XDG_DATA_HOME": "data", "UNBLUR_WEIGHTS": "mine"}, "mine"),
    ],
)
def test_the_folder_is_that_of_the_platform(platform, variables, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("UNBLUR_WEIGHTS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert store_folder() == tmp_path / folder


def test_relative_and_empty_settings_count_as_none(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("UNBLUR_WEIGHTS", "")
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    assert store_folder() == tmp_path / ".local/share/unblur/weights"


def test_only_whole_weights_with_a_card_count(tmp_path, monkeypatch):
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "store"))
    assert pulled() == []
    (tmp_path / "store").mkdir()
    for name in ("theirs", "a", ".theirs.safetensors.partial", "alone"):
        save_weights(tmp_path / "store" / f"{name}.safetensors", tiny_swift())
    (tmp_path / "store" / "alone.json").unlink()
    (tmp_path / "store" / "card.json").write_text("{}")
    assert pulled() == ["a", "theirs"]


def test_commands_name_the_stages():
    assert command_for("maxim") == "unblur models pull maxim"
    assert command_for("maxim_1") == "unblur models pull maxim --num-stages 1"
    assert command_for("swift") is None
