import json

import pytest
from nets import TINY, save_weights, tiny_swift

from unblur.weights.verify import verify


def test_sound_weights(tmp_path):
    path = save_weights(tmp_path / "mine.safetensors", tiny_swift(), revision="3")
    found = verify(path)
    assert (found.fault, found.revision, found.sha256) == ("", "3", json.loads(path.with_suffix(".json").read_text())["sha256"])


@pytest.mark.parametrize("name", ["pwcnet", "swift", "l0"])
def test_built_in_ones_are_sound(name):
    assert not verify(name).fault


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sha256": "0" * 64}, "sha256 differs"),
        ({"arguments": TINY | {"widths": [8, 16]}}, "do not fit the network"),
        ({"architecture": "swifter"}, "there is no network 'swifter'"),
        ({"architecture": "os:getcwd"}, "would run its code"),
        ({"kind": "painting"}, "is damaged or of another version"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, changes, fault):
    assert fault in verify(save_weights(tmp_path / "mine.safetensors", tiny_swift(), **changes)).fault


def test_weights_that_are_not_there(tmp_path):
    assert "there are no weights" in verify(tmp_path / "nothing.safetensors").fault
