"""The flow that a training begins with: trained, learnt at a rate that suffices, or left out."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from changes import changed
from small import SMALL

from unblur.errors import InputError, WeightsError
from unblur.layers.warp import flow_resize
from unblur.models import create, flow_names
from unblur.models.cascade import CascadeNet
from unblur.models.flow import FlowNet
from unblur.training.initial import check_flow_can_learn, initial_network
from unblur.training.loop import train
from unblur.training.optimisers import hold_others
from unblur.training.recipe import read_recipe
from unblur.training.recipe_files import recipe_names
from unblur.weights import load_tensors

PAGE = Path(__file__).parents[2] / "docs/reference/recipes.md"
SHIFT = (7, -4)
"""(dx, dy), pixels."""
SIDE = 192


def flow_of(net):
    """The flow network of a network and its name; None where there is none with weights."""
    return next(((name, module) for name, module in net.named_modules() if isinstance(module, FlowNet) and module.state_dict()), None)


def has_flow(name):
    recipe = read_recipe(name)
    if recipe.model in flow_names():
        return False
    with torch.device("meta"):
        return flow_of(create(recipe.model, **recipe.arguments)) is not None


WITH_FLOW = [name for name in recipe_names() if has_flow(name)]


def moved(shift, *, side=SIDE):
    """A picture of blobs of all sizes and the same picture moved by (dx, dy), cut out of a larger one."""
    random, margin = torch.Generator().manual_seed(4), 16
    canvas = torch.zeros(1, 3, side + 2 * margin, side + 2 * margin)
    for cells in (6, 12, 24, 56):
        canvas += torch.nn.functional.interpolate(
            torch.rand(1, 3, cells, cells, generator=random), size=canvas.shape[-2:], mode="bicubic", align_corners=False
        )
    canvas = (canvas - canvas.min()) / (canvas.max() - canvas.min())

    def cut(dx, dy):
        return canvas[..., margin - dy : margin - dy + side, margin - dx : margin - dx + side]

    return cut(0, 0), cut(*shift)


def motion_of(net, reference, neighbour):
    """The flow that a network aligns by, at full resolution; what the network itself makes of its flow network's output."""
    video = net.net if isinstance(net, CascadeNet) else net
    with torch.no_grad():
        motion = video.eval().motion(reference, neighbour)
    return flow_resize(motion, size=reference.shape[-2:])


def test_all_recipes_of_networks_with_flow_are_checked():
    assert {name.split("/")[0] for name in WITH_FLOW} == {"astcn", "ppnet", "dbn", "cdvdtsp", "mdcn", "pvdnet", "xiang"}
    (line,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if "`flow` of" in line)
    assert set(re.findall(r"`(\w+)`", line)) - {"arguments", "flow", "pictures"} == {name.split("/")[0] for name in WITH_FLOW}
    assert {"astcn/dvd", "astcn/gopro", "ppnet/dvd", "dbn/dvd", "dbn/gopro", "cdvdtsp/dvd", "cdvdtsp/gopro"} < set(WITH_FLOW)
    assert not {"astcn/dvd-no-flow", "astcn/dvd-no-alignment", "dbn/dvd-no-flow"} & set(WITH_FLOW)


@pytest.mark.parametrize("name", WITH_FLOW)
def test_at_step_0_a_shift_is_found_and_stillness_is_seen(name):
    """As the recipe builds the network. Random flow would be wrong by the shift, and of tens of pixels between identical frames."""
    torch.manual_seed(0)
    recipe = read_recipe(name, changes={"start": None})  # the weights that a recipe goes on from are not there
    net = initial_network(recipe)
    check_flow_can_learn(net, recipe=recipe)
    reference, neighbour = moved(SHIFT)
    flow = motion_of(net, reference, neighbour)
    error = (flow - torch.tensor(SHIFT).view(1, 2, 1, 1)).norm(dim=1)[..., 24:-24, 24:-24]
    assert error.mean() < 0.6
    assert motion_of(net, reference, reference).norm(dim=1).mean() < 0.3


def test_what_is_aligned_by_random_flow_at_a_low_rate_is_refused(shrink, sets, tmp_path):
    recipe = shrink("ppnet/dvd", lr_of={"flow": 1e-6})
    with pytest.raises(InputError, match=r"`flow` starts from random weights, and a learning rate of 1e-06 is too low") as refused:
        list(train(recipe, data=[sets["dvd"]], out=tmp_path))
    assert "`flow_weights: pwcnet`" in str(refused.value)
    assert "`lr_of: {flow: 0.0001}`" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "changes", "place"),
    [
        ("astcn/dvd", {"lr_of": {"flow": 9e-6}}, "flow"),
        ("astcn/dvd", {"lr_of": {"flow": 1e-5}}, ""),
        ("astcn/dvd", {"lr_of": {}}, ""),
        ("astcn/dvd", {"lr_of": {}, "lr": 9e-6}, "flow"),
        ("astcn/dvd", {"lr_of": {"alignment": 1e-6}}, ""),
        ("astcn/dvd", {"lr_of": {"flow": 1e-6}, "start": "some.safetensors"}, ""),
        ("astcn/dvd", {"lr_of": {"flow": 1e-6}, "start": {"flow": "some.safetensors"}}, ""),
        ("astcn/dvd", {"lr_of": {"flow": 1e-6}, "start": {"encoder": "some.safetensors"}}, "flow"),
        ("astcn/dvd", {"lr_of": {"flow": 1e-6}, "start": {"flow.context": "some.safetensors"}}, "flow"),
        ("cdvdtsp/dvd", {"lr_of": {"net.flow": 1e-6}, "start": {"net": "some.safetensors"}}, ""),
        ("pvdnet/dvd", {"flow_weights": None}, "flow"),
        ("pvdnet/dvd", {"flow_weights": None, "start": {"flow": "some.safetensors"}}, ""),
        ("pvdnet/dvd", {"flow_weights": "pwcnet"}, ""),
        ("astcn/dvd", {"lr_of": {"flow": 1e-6}, "flow_weights": "pwcnet"}, ""),
        ("astcn/dvd", {"lr_of": {}, "only": ["encoder"]}, "flow"),
        ("astcn/dvd-no-flow", {"lr_of": {"alignment": 1e-6}}, ""),
        ("cdvdtsp/dvd", {"lr_of": {"net.flow": 1e-6}}, r"net\.flow"),
        ("mdcn/dvd", {}, ""),
        ("pwcnet/sequences-cpu-hour", {"lr_of": {}, "lr": 1e-6}, ""),
    ],
)
def test_which_flow_can_learn(shrink, name, changes, place):
    recipe = shrink(name)
    net = initial_network(recipe)
    recipe = changed(recipe, **changes)
    hold_others(net, recipe=recipe)
    if place:
        with pytest.raises(InputError, match=f"`{place}` starts from random weights"):
            check_flow_can_learn(net, recipe=recipe)
    else:
        check_flow_can_learn(net, recipe=recipe)


@pytest.mark.parametrize("name", ["astcn/dvd-no-flow", "astcn/dvd-no-alignment", "dbn/dvd-no-flow"])
def test_rows_without_flow_pass_over_its_weights(name):
    recipe = read_recipe(name, changes={"flow_weights": "pwcnet"})
    torch.manual_seed(1)
    net = initial_network(recipe)
    torch.manual_seed(1)
    plain = initial_network(recipe.model_copy(update={"flow_weights": None})).state_dict()
    assert all(torch.equal(tensor, plain[place]) for place, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "more"),
    [("mscnn/gopro", {}), ("deepdeblur/gopro", {}), ("mdcn/dvd", {}), ("astcn/dvd", {}), ("ppnet/dvd", {"adds_input": True})],
)
def test_a_network_may_begin_as_the_identity_and_learn_from_there(name, more):
    recipe = read_recipe(name)
    arguments = SMALL[recipe.model] | more
    recipe = recipe.model_copy(update={"arguments": arguments, "initialisation": "identity", "flow_weights": None})
    torch.manual_seed(3)
    net = initial_network(recipe).eval()
    blurry = torch.rand(1, net.num_frames, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    restored = net(blurry if net.num_frames > 1 else blurry[:, 0])
    torch.testing.assert_close(restored, blurry[:, net.num_frames // 2], rtol=0, atol=1e-6)
    (restored - 0.3).square().mean().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("srn/gopro", {}),
        ("mscnn/gopro", {"last_codec_adds_input": False}),
        ("deepdeblur/gopro", {"relu_after_sum": True}),
        ("ppnet/dvd", {}),
        ("pwcnet/sequences-cpu-hour", {}),
    ],
)
def test_networks_that_cannot_begin_as_the_identity_are_refused(name, more):
    recipe = read_recipe(name)
    arguments = SMALL.get(recipe.model, {}) | more
    with pytest.raises(InputError, match=r"cannot begin as the identity|where flow is trained"):
        initial_network(recipe.model_copy(update={"arguments": arguments, "initialisation": "identity", "flow_weights": None}))


def test_flow_weights_win_over_the_initialisation():
    recipe = read_recipe("astcn/dvd")
    assert recipe.initialisation == "xavier"
    _, flow = flow_of(initial_network(recipe))
    assert all(torch.equal(tensor, flow.state_dict()[name]) for name, tensor in load_tensors("pwcnet").items())


def test_weights_of_another_size_are_refused_with_reason():
    recipe = read_recipe("ppnet/dvd", changes={"arguments": {}})  # the published sizes
    with pytest.raises(WeightsError, match="does not fit the recipe's flow network"):
        initial_network(recipe)


def test_the_pictures_of_the_check_have_moved():
    reference, neighbour = (picture.numpy() for picture in moved(SHIFT))
    dx, dy = SHIFT
    assert np.array_equal(reference[..., 20:40, 20:40], neighbour[..., 20 + dy : 40 + dy, 20 + dx : 40 + dx])
