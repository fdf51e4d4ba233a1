from nets import save_weights, tiny_swift

from unblur.weights.store import command_for, pulled, store_folder


def test_the_folder_is_in_that_of_the_user_or_another(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("UNBLUR_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store_folder() == tmp_path / "unblur" / "weights"
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "mine"))
    assert store_folder() == tmp_path / "mine"


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
