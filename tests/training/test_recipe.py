from pathlib import Path

import pytest
import yaml

from unblur.errors import InputError
from unblur.models import create
from unblur.training.recipe import StillsRecipe, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recipe_builds_its_network(path):
    recipe = read_recipe(path)
    net = create(recipe.model, **recipe.arguments)
    assert recipe.model == path.parent.name
    assert recipe.crop % net.size_multiple == 0
    assert recipe.told_until + recipe.decay <= recipe.steps


def test_a_recipe_is_complete_and_flat():
    """What holds is in the file: no key has a default."""
    assert all(field.is_required() for field in StillsRecipe.model_fields.values())
    for path in RECIPES:
        assert yaml.safe_load(path.read_text()).keys() == StillsRecipe.model_fields.keys()


def test_changes_change_single_keys():
    before, after = read_recipe(RECIPES[0]), read_recipe(RECIPES[0], changes={"steps": 7, "lr": 0.5})
    assert (after.steps, after.lr) == (7, 0.5)
    assert after.model_copy(update={"steps": before.steps, "lr": before.lr}) == before


def test_a_recipe_survives_its_own_record(recipe):
    assert StillsRecipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stepps": 3}, "`stepps`"),
        ({"steps": 0}, "`steps`"),
        ({"lr": "fast", "batch": -1}, "`batch`.*`lr`"),
        ({"optimiser": "sgd"}, "`optimiser`"),
        ({"precision": "fp16"}, "`precision`"),
        ({"blur": {"lenght": [1, 2]}}, "`blur`.*lenght"),
        ({"crop": 30}, "multiples of 4"),
        ({"crop": 256, "pair_size": 192}, "smaller"),
    ],
)
def test_what_does_not_fit_is_named(changes, words):
    with pytest.raises(InputError, match=rf"stills\.yaml` does not fit.*{words}"):
        read_recipe(RECIPES[0], changes=changes)


def test_a_missing_key_is_named(tmp_path):
    values = yaml.safe_load(RECIPES[0].read_text())
    del values["seed"]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=r"a\.yaml.*`seed`: Field required"):
        read_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"a: [", "cannot be read"), (b"", "key: value"), (b"- 1", "key: value"), (b"\xff", "cannot be")],
)
def test_what_is_no_recipe(tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.yaml` .*{words}"):
        read_recipe(tmp_path / "a.yaml")
