import json

import numpy as np
import pytest
import torch
from nets import TINY, TINY_VIDEO, deblurrer, save_weights, tiny_swift

import unblur
from unblur.errors import DeviceError, InputError, WeightsError
from unblur.models import create
from unblur.restore import load as module

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)


@pytest.fixture
def weights(tmp_path):
    return save_weights(tmp_path / "tiny.safetensors", tiny_swift())


def test_a_file_becomes_the_network_that_was_saved(weights):
    loaded = unblur.load(weights, device="cpu", precision="fp32")
    np.testing.assert_array_equal(loaded.photo(PICTURE), deblurrer(tiny_swift()).photo(PICTURE))
    assert loaded.card.name == "tiny"
    assert not loaded.net.training


def test_arguments_reach_their_places(weights):
    loaded = unblur.load(str(weights), device="cpu", precision="bf16", tile=64)
    assert loaded.setup.dtype == torch.bfloat16
    assert loaded.setup.device.type == "cpu"
    assert loaded._tile == 64
    assert unblur.load(weights, device="cpu", views=4).setup.views == 4
    with pytest.raises(InputError, match="1, 2, 4, 8"):
        unblur.load(weights, device="cpu", views=5)
    with pytest.raises(DeviceError, match="tpu"):
        unblur.load(weights, device="tpu")
    with pytest.raises(InputError, match="at least 64"):
        unblur.load(weights, device="cpu", tile=8)


def test_memory_is_kept_between_frames(weights, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "keep_freed_memory", lambda: asked.append(1))
    unblur.load(weights, device="cpu", precision="fp32")
    assert asked == [1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arguments": TINY | {"widths": [8, 16]}}, "do not fit the network"),
        ({"arguments": TINY | {"blocks": [2, 1]}}, "do not fit the network"),
        ({"architecture": "swallow"}, "cannot build.*swift"),
        ({"arguments": TINY | {"height": 3}}, "cannot build.*height"),
        ({"arguments": TINY | {"widths": "wide"}}, "cannot build"),
        ({"arguments": TINY | {"widths": [8]}}, "cannot build"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, changes, words):
    path = save_weights(tmp_path / "a.safetensors", tiny_swift(), **changes)
    with pytest.raises(WeightsError, match=words):
        unblur.load(path, device="cpu", precision="fp32")


def test_a_missing_tensor_is_not_made_up(tmp_path):
    net = create("swift", **TINY)
    del net.motion.exit
    path = save_weights(tmp_path / "a.safetensors", net)
    with pytest.raises(WeightsError, match=r"motion\.exit\.weight"):
        unblur.load(path, device="cpu", precision="fp32")


def test_half_precision_files_are_widened(tmp_path):
    net = tiny_swift()
    path = save_weights(tmp_path / "a.safetensors", net.half())
    loaded = unblur.load(path, device="cpu", precision="fp32")
    assert {weight.dtype for weight in loaded.net.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.net.state_dict(), {name: tensor.float() for name, tensor in net.state_dict().items()})


def test_a_wrong_name_lists_the_right_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.weights.BUILT_IN", tmp_path)
    for name in ("one", "two"):
        save_weights(tmp_path / f"{name}.safetensors", tiny_swift())
    with pytest.raises(WeightsError, match=r"`three`; built in: one, two;"):
        unblur.load("three")
    card = tmp_path / "one.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"summary": "first"}))
    assert unblur.load("one", device="cpu", precision="fp32").card.summary == "first"


def test_a_card_that_lies_about_its_kind(tmp_path):
    card = {"architecture": "swift_video", "arguments": TINY_VIDEO}
    honest = save_weights(tmp_path / "honest.safetensors", create("swift_video", **TINY_VIDEO), **card)
    assert unblur.load(honest, device="cpu").net.num_frames == 3
    file = save_weights(tmp_path / "tiny.safetensors", create("swift_video", **TINY_VIDEO), **card, kind="photo")
    with pytest.raises(WeightsError, match="is for photos, but the network looks at 3 frames"):
        unblur.load(file, device="cpu")
