"""Every recipe that is shipped, run for two steps with a small network."""

import json
from pathlib import Path

import pytest
import torch

from unblur.models import create, create_flow, flow_names, names
from unblur.models.flow import FlowNet
from unblur.training.loop import train
from unblur.training.recipe import read_recipe
from unblur.weights import load_tensors

RECIPES = Path(__file__).parents[2] / "recipes"
ALL = sorted(RECIPES.rglob("*.yaml"))


def build(recipe):
    return (create_flow if recipe.model in flow_names() else create)(recipe.model, **recipe.arguments)


def label(path):
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", ALL, ids=label)
def test_recipe_trains(path, shrink, photos, sets, tmp_path):
    recipe = shrink(path)
    folder = sets.get(recipe.layout)
    records = list(train(recipe, out=tmp_path, photos=photos, data=[folder] if folder else []))
    assert [record["step"] for record in records] == [2]
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 2
    torch.manual_seed(recipe.seed)
    new_pairs = build(recipe).state_dict()
    assert all(tensor.isfinite().all() for tensor in state["net"].values())
    assert not all(torch.equal(tensor, new_pairs[name]) for name, tensor in state["net"].items())
    assert json.loads((tmp_path / "recipe.json").read_text())["model"] == recipe.model


@pytest.mark.parametrize("path", ALL, ids=label)
def test_recipe_belongs_to_its_network_and_its_crops_fit(path):
    recipe = read_recipe(path)
    assert recipe.model == path.parent.name
    with torch.device("meta"):
        net = build(recipe)
    assert recipe.crop % net.size_multiple == 0
    assert recipe.truths == "all" or net.num_frames == (recipe.frames or 1)
    assert {part for part in recipe.lr_of if not any(f"{name}.".startswith(f"{part}.") for name, _ in net.named_parameters())} == set()
    if recipe.adversary == "deepdeblur":
        assert recipe.crop == 256
    if recipe.flow_weights is not None:
        flow = next(module for module in build(recipe).modules() if isinstance(module, FlowNet))
        assert flow.load_state_dict(load_tensors(recipe.flow_weights))


def test_every_network_has_a_recipe_and_the_seven_have_short_ones():
    assert {path.parent.name for path in ALL} == {*names(), *flow_names()}
    for name in ("deepdeblur", "mscnn", "mdcn", "astcn", "ppnet", "pwcnet", "swift"):
        for length in ("cpu-hour", "gpu-25min"):
            assert list((RECIPES / name).glob(f"*-{length}.yaml"))
