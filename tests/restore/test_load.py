import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from nets import TINY, TINY_VIDEO, deblurrer, save_weights, tiny_swift
from spandrels import SizeRequirements, tiny_net

import unblur
from unblur.errors import DeviceError, InputError, WeightsError
from unblur.models import create
from unblur.models.foreign import ForeignNet
from unblur.restore import load as module
from unblur.restore import precision as precision_module
from unblur.restore.reach import Reach

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
    assert unblur.load(weights, device="cpu", self_ensemble=4).setup.self_ensemble == 4
    with pytest.raises(InputError, match="1, 2, 4, 8"):
        unblur.load(weights, device="cpu", self_ensemble=5)
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


def test_a_published_checkpoint_becomes_a_network_that_restores(published):
    loaded = unblur.load(weights=published, device="cpu", precision="fp32")
    assert isinstance(loaded.net, ForeignNet)
    assert loaded.card is None
    assert not loaded.net.training
    assert not loaded.net.global_context
    assert "TinyNet 3w" in loaded.setup.note
    picture = torch.from_numpy(PICTURE).permute(2, 0, 1)[None] / 255
    expected = tiny_net()(picture).clamp(0, 1)[0].permute(1, 2, 0).detach().numpy()
    report = loaded.photo_report(PICTURE)
    restored = report.picture
    assert report.kept_input == 0
    assert np.abs(restored / 255.0 - PICTURE / 255.0).max() > 0.02  # it did something
    assert np.abs(restored / 255.0 - expected).max() < 0.51 / 255


@pytest.mark.parametrize("needs", [{}, {"multiple_of": 24}, {"minimum": 200, "multiple_of": 8}, {"square": True, "multiple_of": 32}])
@pytest.mark.parametrize("shape", [(150, 333, 3), (400, 210, 3)])
def test_tiles_of_a_published_network_give_what_the_whole_gives(monkeypatch, published, spandrel, needs, shape):
    """Its stride of 16 pixels, which its descriptor does not state, lies in tiles as in the whole."""
    build = spandrel.MAIN_REGISTRY.builders["TinyNet"]

    def demanding(state):
        descriptor = build(state)
        descriptor.size_requirements = SizeRequirements(**needs)
        return descriptor

    monkeypatch.setitem(spandrel.MAIN_REGISTRY.builders, "TinyNet", demanding)
    picture = np.random.default_rng(1).random(shape).astype(np.float32)
    whole, tiled = (unblur.load(weights=published, device="cpu", precision="fp32", tile=tile) for tile in (1024, 64))
    expected = whole.photo(picture)
    assert np.abs(expected - picture).max() > 0.02
    assert len(whole.net._descriptor.seen) == 3  # two to measure its reach
    np.testing.assert_allclose(tiled.photo(picture), expected, rtol=0, atol=2e-6)
    assert len(tiled.net._descriptor.seen) > 4


def test_square_tiles_are_chosen_by_memory(monkeypatch, published, spandrel):
    build = spandrel.MAIN_REGISTRY.builders["TinyNet"]
    monkeypatch.setitem(
        spandrel.MAIN_REGISTRY.builders, "TinyNet", lambda state: replace(build(state), size_requirements=SizeRequirements(square=True))
    )
    loaded = unblur.load(weights=published, device="cpu", precision="fp32")
    picture = np.random.default_rng(1).random((200, 700, 3)).astype(np.float32)
    loaded.photo(picture)
    assert loaded.net._descriptor.seen[-1] == (1, 3, 700, 700)
    loaded._pixels = 600.0**2
    before = len(loaded.net._descriptor.seen)
    loaded.photo(picture)
    tiles = loaded.net._descriptor.seen[before:]
    assert len(tiles) > 1
    assert all(tile[2] * tile[3] <= loaded._pixels for tile in tiles)


def test_clips_go_through_a_published_network_frame_by_frame(published):
    loaded = unblur.load(weights=published, device="cpu", precision="fp32")
    clip = [np.random.default_rng(number).integers(0, 256, (41, 35, 3), np.uint8) for number in range(3)]
    restored = list(loaded.frames(clip, temporal_fusion=False))
    for frame, result in zip(clip, restored, strict=True):
        np.testing.assert_array_equal(result, loaded.photo(frame))


def test_a_published_network_is_computed_in_what_it_supports(published, spandrel, monkeypatch):
    monkeypatch.setattr(precision_module, "fast_precision", lambda _: torch.bfloat16)
    assert unblur.load(weights=published, device="cpu").setup.precision == "bf16"
    build = spandrel.MAIN_REGISTRY.builders["TinyNet"]
    monkeypatch.setitem(spandrel.MAIN_REGISTRY.builders, "TinyNet", lambda state: replace(build(state), supports_bfloat16=False))
    assert unblur.load(weights=published, device="cpu").setup.precision == "fp32"
    for wish in ("bf16", "int8"):
        with pytest.raises(DeviceError, match=f"cannot be computed in {wish}; use `--precision fp32`"):
            unblur.load(weights=published, device="cpu", precision=wish)


@pytest.mark.usefixtures("spandrel")
def test_a_network_that_cannot_be_run_is_an_error(tmp_path):
    torch.save({"broken.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"FailingNet cannot be run with these weights: RuntimeError: .*channels"):
        unblur.load(weights=tmp_path / "a.pth", device="cpu", precision="fp32")


def test_a_network_for_which_memory_is_too_small_is_an_error(published, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(module, "measure_reach", exhausted)
    with pytest.raises(DeviceError, match="memory is too small to run TinyNet"):
        unblur.load(weights=published, device="cpu", precision="fp32")


def test_what_reaches_the_whole_picture_is_said(published, monkeypatch):
    monkeypatch.setattr(module, "measure_reach", lambda *_, **__: Reach(80, 0.012))
    loaded = unblur.load(weights=published, device="cpu", precision="fp32")
    assert (loaded.net.receptive_radius, loaded.net.global_context) == (80, True)
    assert "receptive radius 80 pixels" in loaded.setup.note
    assert "by up to 0.01" in loaded.setup.note


def test_only_blurred_looks_with_our_own_network(published):
    loaded = unblur.load(weights=published, device="cpu", precision="fp32", skip_sharp=True)
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert loaded.photo(flat).shape == flat.shape
    assert loaded.meter is not None


def test_two_names_are_one_too_many(published):
    with pytest.raises(InputError, match="leave out `model`"):
        unblur.load("swift", weights=published)


def test_a_card_that_lies_about_its_kind(tmp_path):
    card = {"architecture": "swift_video", "arguments": TINY_VIDEO}
    honest = save_weights(tmp_path / "honest.safetensors", create("swift_video", **TINY_VIDEO), **card)
    assert unblur.load(honest, device="cpu").net.num_frames == 3
    file = save_weights(tmp_path / "tiny.safetensors", create("swift_video", **TINY_VIDEO), **card, kind="photo")
    with pytest.raises(WeightsError, match="is for photos, but the network looks at 3 frames"):
        unblur.load(file, device="cpu")
