"""Every recipe that is shipped, run for two steps with a small network."""

import json

import pytest
import torch

from unblur.models import create, create_flow, flow_names, names
from unblur.models.flow import FlowNet
from unblur.training.loop import train
from unblur.training.recipe import read_recipe
from unblur.training.recipe_files import recipe_names
from unblur.weights import load_tensors

ALL = recipe_names()


def build(recipe):
    return (create_flow if recipe.model in flow_names() else create)(recipe.model, **recipe.arguments)


@pytest.mark.parametrize("name", ALL)
def test_recipe_trains(name, shrink, photos, sets, tmp_path):
    recipe = shrink(name)
    folder = sets.get(getattr(recipe.data, "layout", None))
    records = list(train(recipe, out=tmp_path, photos=photos, data=[folder] if folder else []))
    assert [record["step"] for record in records] == [2]
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 2
    torch.manual_seed(recipe.seed)
    untrained = build(recipe).state_dict()
    assert all(tensor.isfinite().all() for tensor in state["net"].values())
    assert not all(torch.equal(tensor, untrained[place]) for place, tensor in state["net"].items())
    assert json.loads((tmp_path / "recipe.json").read_text())["model"] == recipe.model


@pytest.mark.parametrize("name", ALL)
def test_recipe_belongs_to_its_network_and_its_crops_fit(name):
    recipe = read_recipe(name)
    assert recipe.model == name.split("/")[0]
    with torch.device("meta"):
        net = build(recipe)
    assert recipe.crop % net.size_multiple == 0
    assert recipe.all_truths or net.num_frames == recipe.frames
    assert {part for part in recipe.lr_of if not any(f"{place}.".startswith(f"{part}.") for place, _ in net.named_parameters())} == set()
    if getattr(recipe.objective, "adversary", None) == "deepdeblur":
        assert recipe.crop == 256
    if recipe.flow_weights is not None:
        flow = next(module for module in build(recipe).modules() if isinstance(module, FlowNet))
        if flow.state_dict():  # not in a row of an ablation without flow
            assert flow.load_state_dict(load_tensors(recipe.flow_weights))


def test_every_network_has_a_recipe_and_the_seven_have_short_ones():
    assert {name.split("/")[0] for name in ALL} == {*names(), *flow_names()} - {"l0"}  # for which nothing is learnt
    for name in ("deepdeblur", "mscnn", "mdcn", "astcn", "ppnet", "pwcnet", "swift"):
        for length in ("cpu-hour", "gpu-25min"):
            assert any(each.startswith(f"{name}/") and each.endswith(f"-{length}") for each in ALL)
