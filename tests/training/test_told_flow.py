from pathlib import Path

import numpy as np
import pytest
import torch

from unblur import losses
from unblur.errors import InputError
from unblur.models import create
from unblur.models.swift_video import SwiftVideo, from_photo
from unblur.training.batch import Batch
from unblur.training.loop import _make_net
from unblur.training.told_flow import ToldFlowObjective
from unblur.weights import load_tensors

RECIPE = Path(__file__).parents[2] / "recipes" / "swift_video" / "sequences-cpu-hour.yaml"


@pytest.fixture
def video_recipe(shrink):
    return shrink(RECIPE, told_until=4)


@pytest.fixture
def net(video_recipe) -> SwiftVideo:
    torch.manual_seed(0)
    net = create("swift_video", **video_recipe.arguments)
    for part in (net.spread, net.restoration, *net.flow.decoders):
        torch.nn.init.normal_(part.exit.weight, std=0.05)
    return net


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(shape, generator=generator)

    return Batch(
        rand(2, 3, 3, 16, 16), rand(2, 1, 3, 16, 16), 9 * rand(2, 3, 4, 4), 9 * rand(2, 2, 16, 16), -9 * rand(2, 2, 16, 16), torch.arange(2)
    )


def restored_with(net, batch, flows, spread):
    feats = [net.features(frame) for frame in batch.blurry.unbind(dim=1)]
    aligned = [net.warped(feats[0][0], flows[0]), net.align(feats[1], feats[1], None), net.warped(feats[2][0], flows[1])]
    window, seen = net.fuse(aligned)
    return net.reconstruct((window, seen if spread is None else spread), batch.reference), seen


def at_quarter(flow):
    return torch.nn.functional.avg_pool2d(flow, 4) / 4


def test_the_truth_is_told_at_first(net, batch, video_recipe):
    judged = ToldFlowObjective(net, recipe=video_recipe)(batch, 0)
    expected, seen = restored_with(net, batch, [at_quarter(batch.flow), at_quarter(batch.flow_next)], batch.spread)
    torch.testing.assert_close(judged.restored, expected)
    assert judged.shown["motion"] == pytest.approx(float((seen - batch.spread).abs().mean().detach()), rel=1e-5)


def test_at_last_the_network_is_on_its_own(net, batch, video_recipe):
    judged = ToldFlowObjective(net, recipe=video_recipe)(batch, 4)
    torch.testing.assert_close(judged.restored, net(batch.blurry))


def test_the_loss_is_the_sum_of_its_parts(net, batch, video_recipe):
    judged = ToldFlowObjective(net, recipe=video_recipe)(batch, 4)
    feats = [net.features(frame)[2:] for frame in batch.blurry.unbind(dim=1)]
    flows = [(net.flow(feats[1], feats[0]), batch.flow), (net.flow(feats[1], feats[2]), batch.flow_next)]
    flow = sum(losses.multiscale_epe(found, truth, weights=video_recipe.level_weights) for found, truth in flows) / 2
    content = video_recipe.loss["log_mse"] * losses.log_mse(judged.restored, batch.truth)
    motion = video_recipe.motion_weight * judged.shown["motion"] / 8
    torch.testing.assert_close(judged.loss, content + motion + flow)
    epe = sum(4 * (found[0] - at_quarter(truth)).norm(dim=1).mean() for found, truth in flows) / 2
    assert judged.shown["epe"] == pytest.approx(float(epe.detach()), rel=1e-5)
    assert judged.shown["still"] == pytest.approx(float(batch.flow.norm(dim=1).mean()))


def test_every_part_learns(net, batch, video_recipe):
    ToldFlowObjective(net, recipe=video_recipe)(batch, 4).loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any() or name.endswith("bias"), name


def test_it_is_for_this_network_alone(shrink):
    video_recipe = shrink(RECIPE)
    with pytest.raises(InputError, match="is for `swift_video`"):
        ToldFlowObjective(create("swift", widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,)), recipe=video_recipe)


def test_it_may_begin_from_a_photo_network(run, video_recipe):
    net = _make_net(video_recipe.model_copy(update={"start": str(run)}))
    torch.manual_seed(0)
    expected = from_photo(load_tensors(run), net=create("swift_video", **video_recipe.arguments))
    given = net.state_dict()
    assert all(torch.equal(given[name], tensor) for name, tensor in expected.items() if not name.startswith("flow."))
    assert np.isfinite(sum(float(tensor.sum()) for tensor in given.values()))
