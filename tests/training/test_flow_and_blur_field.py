from dataclasses import replace

import numpy as np
import pytest
import torch

from unblur import losses
from unblur.errors import InputError
from unblur.models import create
from unblur.models.supervised import estimate_exposure_ratio
from unblur.models.swift_video import SwiftVideo, from_photo_network
from unblur.models.swift_video_best import SwiftVideoBest
from unblur.training.batch import Batch
from unblur.training.flow_and_blur_field import FlowAndBlurFieldObjective, shot_ends
from unblur.training.initial import initial_network
from unblur.weights import load_tensors

RECIPE = "swift_video/sequences-cpu-hour"
RECIPE_BEST = "swift_video_best/deconvolved-cpu"


@pytest.fixture(params=[RECIPE, RECIPE_BEST], ids=["swift_video", "swift_video_best"])
def video_recipe(request, shrink):
    return shrink(request.param, teacher_forcing_until=4, end_probability=0.0)


@pytest.fixture
def net(video_recipe) -> SwiftVideo:
    torch.manual_seed(0)
    net = create(video_recipe.model, **video_recipe.arguments)
    if isinstance(net, SwiftVideoBest):
        torch.nn.init.normal_(net.exposure_ratio.exit.weight, std=0.05)
        torch.nn.init.normal_(net.gate.unet.exit.weight, std=0.05)
    for part in (net.blur_field, net.restoration, *net.flow.decoders):
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


def restored_with(net, batch, flows, blur_field):
    feats = [net.features(frame) for frame in batch.blurry.unbind(dim=1)]
    motions = [net.motion(batch.reference, batch.blurry[:, place]) for place in (0, 2)]
    before, after = (
        net.aligned(feats[1], feats[place], motion, flow=flow) for place, motion, flow in zip((0, 2), motions, flows, strict=True)
    )
    window, seen, *known = net.fuse([before, net.align(feats[1], feats[1], None), after])
    return net.reconstruct((window, seen if blur_field is None else blur_field, *known), batch.reference), seen


def at_quarter(flow):
    return torch.nn.functional.avg_pool2d(flow, 4) / 4


def test_the_truth_is_told_at_first(net, batch, video_recipe):
    output = FlowAndBlurFieldObjective(net, recipe=video_recipe)(batch, 0)
    expected, seen = restored_with(net, batch, [at_quarter(batch.flow), at_quarter(batch.flow_next)], batch.blur_field)
    torch.testing.assert_close(output.restored, expected)
    assert output.shown["motion"] == pytest.approx(float((seen - batch.blur_field).abs().mean().detach()), rel=1e-5)


def test_at_last_the_network_is_on_its_own(net, batch, video_recipe):
    output = FlowAndBlurFieldObjective(net, recipe=video_recipe)(batch, 4)
    torch.testing.assert_close(output.restored, net(batch.blurry))


def test_the_loss_is_the_sum_of_its_parts(net, batch, video_recipe):
    output = FlowAndBlurFieldObjective(net, recipe=video_recipe)(batch, 4)
    feats = [net.features(frame)[2:] for frame in batch.blurry.unbind(dim=1)]
    flows = [(net.flow(feats[1], feats[0]), batch.flow), (net.flow(feats[1], feats[2]), batch.flow_next)]
    flow = sum(losses.multiscale_epe(found, truth, weights=video_recipe.objective.level_weights) for found, truth in flows) / 2
    content = video_recipe.objective.loss["log_mse"] * losses.log_mse(output.restored, batch.truth)
    motion = video_recipe.objective.blur_field_weight * (output.shown["motion"] / 8 + output.shown.get("exposure_ratio", 0.0))
    torch.testing.assert_close(output.loss, content + motion + flow)
    epe = sum(4 * (found[0] - at_quarter(truth)).norm(dim=1).mean() for found, truth in flows) / 2
    assert output.shown["epe"] == pytest.approx(float(epe.detach()), rel=1e-5)
    assert output.shown["still"] == pytest.approx(float(batch.flow.norm(dim=1).mean()))


def test_every_part_learns(net, batch, video_recipe):
    FlowAndBlurFieldObjective(net, recipe=video_recipe)(batch, 4).loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any() or name.endswith("bias"), name


@pytest.mark.parametrize("video_recipe", [RECIPE_BEST], indirect=True)
@pytest.mark.parametrize("known", [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_the_share_of_the_exposure_is_taught_where_things_move(net, batch, video_recipe, known):
    """By the exact smear and motion; where one side is not known, as if it went on evenly, and where neither is, not at all."""
    back, on = known
    cut = replace(
        batch,
        flow=batch.flow * torch.tensor([1.0, back]).view(2, 1, 1, 1),
        flow_next=batch.flow_next * torch.tensor([1.0, on]).view(2, 1, 1, 1),
    )
    with torch.no_grad():
        feats = [net.features(frame) for frame in batch.blurry.unbind(dim=1)]
        *_, exposure_ratio = net.fuse(
            [net.align(feats[1], feats[i], None if i == 1 else net.motion(batch.reference, batch.blurry[:, i])) for i in range(3)]
        )
        ways = [(batch.flow_next[0] - batch.flow[0]) / 2, (on * batch.flow_next[1] - back * batch.flow[1]) / max(back + on, 1)]
        velocity = torch.nn.functional.avg_pool2d(torch.stack(ways), 4)
        wrong = (exposure_ratio - estimate_exposure_ratio(batch.blur_field, velocity)).abs().flatten()
        speed = velocity.norm(dim=1).mean((1, 2))
        weight = speed / (speed + 4)
        shown = FlowAndBlurFieldObjective(net, recipe=video_recipe)(cut, 4).shown["exposure_ratio"]
        assert shown == pytest.approx(float((weight * wrong).sum() / weight.sum()), rel=1e-3)


def test_so_many_crops_are_shown_as_at_an_end(video_recipe, change):
    recipe = change(video_recipe, end_probability=0.3, batch=4000)
    first, last = shot_ends(7, recipe=recipe)
    assert float((first | last).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert float((first & last).float().mean()) == pytest.approx(0.03, abs=0.01)
    assert float(first.float().mean()) == pytest.approx(float(last.float().mean()), abs=0.02)
    assert torch.equal(first, shot_ends(7, recipe=recipe)[0])
    assert not torch.equal(first, shot_ends(8, recipe=recipe)[0])
    assert not any(which.any() for which in shot_ends(7, recipe=video_recipe))


def test_at_an_end_the_network_sees_a_copy(net, batch, video_recipe, change):
    recipe = change(video_recipe, end_probability=1.0)
    first, last = shot_ends(4, recipe=recipe)
    output = FlowAndBlurFieldObjective(net, recipe=recipe)(batch, 4)
    with torch.no_grad():
        torch.testing.assert_close(output.restored, net(batch.at_ends(first[:2], last[:2]).blurry))


def test_it_is_for_this_network_alone(shrink):
    video_recipe = shrink(RECIPE)
    with pytest.raises(InputError, match="estimate flow and a blur field"):
        FlowAndBlurFieldObjective(create("swift", widths=(8,), blocks=(1,), motion_widths=(8,), motion_blocks=(1,)), recipe=video_recipe)


def test_it_may_begin_from_a_photo_network(run, shrink):
    video_recipe = shrink(RECIPE)
    net = initial_network(video_recipe.model_copy(update={"start": str(run)}))
    torch.manual_seed(0)
    expected = from_photo_network(load_tensors(run), net=create("swift_video", **video_recipe.arguments))
    given = net.state_dict()
    assert all(torch.equal(given[name], tensor) for name, tensor in expected.items() if not name.startswith("flow."))
    assert np.isfinite(sum(float(tensor.sum()) for tensor in given.values()))
