import pytest
import torch

import unblur
from unblur.errors import WeightsError
from unblur.layers.warp import flow_inside, flow_warp
from unblur.models.flow import FlowNet
from unblur.synth.sequence import SequenceBlur
from unblur.training.batch import Batch
from unblur.training.export import export_weights
from unblur.training.flow import FlowObjective
from unblur.training.loop import train
from unblur.training.maker import PhotoMaker
from unblur.training.recipe_files import merge
from unblur.training.sources import Made
from unblur.weights import card_of, load_tensors

BRISK = SequenceBlur(
    sharp_probability=0,
    length=(0.5, 0.6),
    exposure=(0.1, 0.11),
    objects=(1, 1),
    noise_probability=0,
    jpeg_probability=0,
    sharpen_probability=0,
    h264_probability=0,
)
"""Frames that are sharp and lie some pixels apart."""


class Told(FlowNet):
    """Estimates what it was told, at two levels."""

    size_multiple = 8
    receptive_radius = 0

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def forward(self, reference, neighbour):
        return self.forward_scales(reference, neighbour)[0]

    def forward_scales(self, reference, neighbour):  # noqa: ARG002
        levels = [torch.nn.functional.avg_pool2d(self.flow, scale) / scale for scale in (4, 8)]
        return [self.flow, *levels]


@pytest.fixture(scope="module")
def recipe(shrink):
    return shrink("pwcnet/sequences-cpu-hour", pair_size=64, crop=48)


@pytest.fixture(scope="module")
def source(recipe, photos, row):
    return Made(row(PhotoMaker(tuple(photos), 1, 64, 2, False, True, BRISK)), recipe=recipe)


@pytest.fixture(scope="module")
def exported(recipe, change, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    small = change(recipe, crop=16, pair_size=32)
    assert [record["step"] for record in train(small, out=folder / "run", photos=photos)] == [2]
    export_weights(folder / "run", folder / "flow.safetensors", summary="tiny", training_data="drawings", licence="none")
    return folder


def batch_of(source, step, *, count):
    return source.batch(step, slots=range(count)).to(torch.device("cpu"), channels_last=False)


def error_of(one, other, where):
    return float(((one - other).square() * where).sum() / where.sum())


def test_the_batch_has_the_flow_of_its_own_frames(source):
    """However a sample was cropped, turned and reversed, its flow brings the frame before onto the middle one."""
    for step in range(12):
        batch = batch_of(source, step, count=1)
        assert batch.flow.shape == (1, 2, 48, 48)
        assert torch.equal(batch.reference, batch.blurry[:, 1])
        assert torch.equal(batch.previous, batch.blurry[:, 0])
        inside = flow_inside(batch.flow)
        right, none, wrong = (
            error_of(flow_warp(batch.previous, flow), batch.reference, inside)
            for flow in (batch.flow, torch.zeros_like(batch.flow), -batch.flow)
        )
        if batch.flow.norm(dim=1).mean() > 2:
            assert right < 0.7 * min(none, wrong), step


def test_parts_of_a_batch_keep_their_flow(source):
    whole = batch_of(source, 0, count=2)
    assert torch.equal(torch.cat([part.flow for part in whole.parts(2)]), whole.flow)
    assert torch.equal(whole.to(torch.device("cpu"), channels_last=True).flow, whole.flow)


def test_the_true_flow_loses_nothing_and_no_flow_shows_what_it_misses(source, recipe):
    batch = batch_of(source, 3, count=2)
    told = FlowObjective(Told(batch.flow), recipe=recipe)(batch, 0)
    assert told.loss.item() == pytest.approx(0, abs=1e-6)
    assert told.shown["epe"] == 0
    assert torch.equal(told.aim, batch.reference)
    assert torch.equal(told.before, batch.previous)
    assert error_of(told.restored, told.aim, torch.ones_like(told.aim)) < error_of(told.before, told.aim, torch.ones_like(told.aim))
    still = FlowObjective(Told(torch.zeros_like(batch.flow)), recipe=recipe)(batch, 0)
    assert still.shown["epe"] == still.shown["still"] == pytest.approx(float(batch.flow.norm(dim=1).mean()))
    assert still.loss > 1e-4
    torch.testing.assert_close(still.restored, batch.previous)


def test_other_samples_carry_no_flow(photos):
    maker = PhotoMaker(tuple(photos), 1, 32, 3, False, False, BRISK)
    assert maker.layout.keys() == maker(0).keys() == {"blurry", "sharp", "blur_field"}
    with_flow = PhotoMaker(tuple(photos), 1, 32, 3, False, True, BRISK)
    for name, array in with_flow(0).items():
        assert array.shape == with_flow.layout[name][0]
    frames = torch.zeros(1, 3, 3, 8, 8)
    part = Batch(frames, frames[:, :1], None, None, None, torch.arange(1)).parts(1)[0]
    assert (part.flow, part.flow_next) == (None, None)


def test_exported_flow_says_what_it_is_and_restores_nothing(exported):
    for weights in (exported / "run", exported / "flow.safetensors"):
        assert card_of(weights).kind == "flow"
        assert card_of(weights).architecture == "pwcnet"
        with pytest.raises(WeightsError, match="restore nothing by themselves"):
            unblur.load(weights)


def test_a_video_network_begins_with_trained_flow(shrink, photos, exported, tmp_path):
    trained = load_tensors(exported / "flow.safetensors")
    changes = {"steps": 1, "lr": 1e-12, "lr_of": {}, "flow_weights": str(exported / "flow.safetensors"), "optimiser": "adam"}
    recipe = shrink("ppnet/sequences-cpu-hour", **changes)
    list(train(recipe, out=tmp_path / "on", photos=photos))
    state = torch.load(tmp_path / "on" / "state.pt", weights_only=True)["net"]
    for name, tensor in trained.items():
        torch.testing.assert_close(state[f"flow.{name}"], tensor, rtol=0, atol=1e-6)
    wider = shrink("ppnet/sequences-cpu-hour", **changes)
    wider = wider.model_copy(update={"arguments": merge(wider.arguments, {"flow": {"widths": [4, 6, 10]}})})
    with pytest.raises(WeightsError, match="does not fit the recipe's flow network"):
        list(train(wider, out=tmp_path / "wider", photos=photos))
    with pytest.raises(WeightsError, match="`swift`, which estimates no flow"):
        list(train(recipe.model_copy(update={"flow_weights": "swift"}), out=tmp_path / "swift", photos=photos))
    with pytest.raises(WeightsError, match="no file `nowhere"):
        list(train(recipe.model_copy(update={"flow_weights": "nowhere.pth"}), out=tmp_path / "none", photos=photos))
