from pathlib import Path

import pytest
import yaml

from unblur.errors import InputError
from unblur.training.recipe import Recipe, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SWIFT, MSCNN, ADVERSARIAL = (RECIPES / name for name in ("swift/stills.yaml", "mscnn/gopro.yaml", "deepdeblur/gopro.yaml"))
FLOW = RECIPES / "pwcnet" / "sequences-cpu-hour.yaml"
PATH = RECIPES / "swift_best" / "path-gpu-2min.yaml"


def test_recipes_are_complete_and_flat():
    """What holds is in the file: only what belongs to another source or objective, or to a twin, or holds parts back, may be left out."""
    optional = {"reference_only", "pair_size", "pool", "pool_start", "new_pairs", "blur", "layout", "choice", "frames", "truths"}
    optional |= {
        "adversary",
        "adversary_arguments",
        "adversarial_weight",
        "adversary_lr",
        "adversary_steps",
        "blur_field_weight",
        "teacher_forcing_until",
    }
    optional |= {"end_probability", "level_weights", "only"}
    for path in RECIPES.rglob("*.yaml"):
        assert Recipe.model_fields.keys() - yaml.safe_load(path.read_text()).keys() <= optional, path


def test_changes_change_single_keys():
    before, after = read_recipe(SWIFT), read_recipe(SWIFT, changes={"steps": 7, "arguments.max_blur_length": 9.0})
    assert after.steps == 7
    assert after.arguments == before.arguments | {"max_blur_length": 9.0}
    assert after.model_copy(update={"steps": before.steps, "arguments": before.arguments}) == before
    with pytest.raises(InputError, match=r"`steps\.a` cannot be set"):
        read_recipe(SWIFT, changes={"steps.a": 1})


@pytest.mark.parametrize("path", [SWIFT, MSCNN, ADVERSARIAL, FLOW, PATH], ids=lambda path: path.parent.name)
def test_a_recipe_survives_its_own_record(path):
    recipe = read_recipe(path)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("path", "changes", "words"),
    [
        (SWIFT, {"stepps": 3}, "no key `stepps`; did you mean `steps`"),
        (SWIFT, {"steps": 0}, "`steps`"),
        (SWIFT, {"lr": "fast", "batch": -1}, "`batch`.*`lr`"),
        (SWIFT, {"optimiser": "sgd"}, "`optimiser`"),
        (SWIFT, {"blur": {"lenght": [1, 2]}}, "no range `lenght`; did you mean `length`"),
        (SWIFT, {"crop": 30}, "multiples of 4"),
        (SWIFT, {"crop": 256}, "smaller"),
        (SWIFT, {"blur_field_weight": None}, "`blur_field_weight` is missing; `objective: blur_field` needs it"),
        (SWIFT, {"layout": "gopro"}, "`layout` has no meaning with `data: stills`"),
        (SWIFT, {"loss": {"msee": 1}}, "no loss `msee`; did you mean `mse`"),
        (SWIFT, {"loss": {}}, "`loss` is empty"),
        (SWIFT, {"batch": 16, "accumulate": 3}, "multiple of `accumulate`"),
        (SWIFT, {"protocol": "gopro-scikit"}, "no protocol `gopro-scikit`"),
        (SWIFT, {"protocol": None}, "`validate_every` needs"),
        (MSCNN, {"truths": "all"}, "`truths: all` needs"),
        (MSCNN, {"reference_only": True}, "`reference_only` needs"),
        (MSCNN, {"objective": "blur_field", "truths": None, "blur_field_weight": 1.0, "teacher_forcing_until": 1}, "needs `data: stills`"),
        (ADVERSARIAL, {"accumulate": 2}, "must be 1"),
        (FLOW, {"level_weights": None}, "`level_weights` is missing; `objective: flow` needs it"),
        (FLOW, {"loss": {"mse": 1.0}}, "`loss` must be {}"),
        (PATH, {"loss": {"mse": 1.0}}, "`loss` must be {}"),
        (PATH, {"crop": 128}, "crops of the whole `pair_size`"),
        (PATH, {"teacher_forcing_until": 1}, "`teacher_forcing_until` has no meaning with `objective: camera_kernel`"),
        (FLOW, {"data": "stills", "frames": None}, "`objective: flow` needs `data: sequences`"),
        (FLOW, {"validate_every": 5}, "`validate_every` must be 0"),
    ],
)
def test_what_does_not_fit_is_named(path, changes, words):
    with pytest.raises(InputError, match=rf"{path.name}` does not fit.*{words}"):
        read_recipe(path, changes=changes)


def test_a_missing_key_is_named(tmp_path):
    values = yaml.safe_load(SWIFT.read_text())
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
