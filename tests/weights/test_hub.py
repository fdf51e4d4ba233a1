import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from nets import save_weights, tiny_swift

from unblur.errors import InputError, OutputError, UnsupportedError, WeightsError
from unblur.weights import card_of, pulled_names
from unblur.weights.hub import pull_from_hub
from unblur.weights.verify import verify

COMMIT = "0123abcd"
HERE = {"repository": "someone/weights"}


class Hub(ModuleType):
    """Stands in for huggingface_hub: a repository in a folder, of which `cached` says whether it needs no network."""

    def __init__(self, folder: Path) -> None:
        super().__init__("huggingface_hub")
        self.folder, self.cached, self.calls = folder / "snapshots" / COMMIT, False, []
        self.folder.mkdir(parents=True)

    def hf_hub_download(self, repository, file, *, revision, local_files_only=False):
        self.calls.append((repository, file, revision, local_files_only))
        if (local_files_only and not self.cached) or not (self.folder / file).exists():
            raise FileNotFoundError(f"no {file} here\nmore")
        return str(self.folder / file)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    module = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(tmp_path / "store"))
    save_weights(module.folder / "mine.safetensors", tiny_swift())
    return module


def test_weights_are_pulled_with_the_commit_in_their_card(hub, tmp_path):
    got = pull_from_hub("mine", **HERE, revision="v2")
    assert (got.new, got.path) == (True, tmp_path / "store" / "mine.safetensors")
    assert card_of("mine").revision == f"someone/weights@{COMMIT}"
    assert pulled_names() == ["mine"]
    assert not verify("mine").fault
    assert {call[2] for call in hub.calls} == {"v2"}


def test_what_is_in_the_cache_needs_no_network(hub):
    hub.cached = True
    pull_from_hub("mine", **HERE)
    assert [call[3] for call in hub.calls] == [True, True]


def test_what_is_there_is_left_as_it_is(hub):
    pull_from_hub("mine", **HERE)
    calls = len(hub.calls)
    assert not pull_from_hub("mine", **HERE).new
    assert len(hub.calls) == calls
    assert pull_from_hub("mine", **HERE, overwrite=True).new


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"kind": "painting"}])
def test_what_does_not_fit_its_card_is_not_kept(hub, tmp_path, change):
    card = hub.folder / "mine.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(WeightsError, match=r"sha256 differs|of another version"):
        pull_from_hub("mine", **HERE)
    assert not list((tmp_path / "store").iterdir())


def test_damaged_weights_of_that_name_are_said(hub, tmp_path):
    del hub
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mine.safetensors").write_bytes(b"x")
    with pytest.raises(OutputError, match="damaged weights"):
        pull_from_hub("mine", **HERE)


def test_what_cannot_be_pulled(hub, monkeypatch):
    with pytest.raises(WeightsError, match=r"cannot fetch `other.json` of `someone/weights`, revision `main`: no other.json here$"):
        pull_from_hub("other", **HERE)
    for name, repository, said in (
        ("../up", "a/b", "no name of weights"),
        ("mine", "a/b/c", "no repository"),
        ("swift", "a/b", "built in"),
    ):
        with pytest.raises(InputError, match=said):
            pull_from_hub(name, repository=repository)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UnsupportedError, match=r"`pip install 'unblur\[hub\]'`"):
        pull_from_hub("mine", **HERE)
    assert hub.calls
