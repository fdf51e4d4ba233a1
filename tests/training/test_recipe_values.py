import datetime
import math

import pytest
import yaml

from unblur.errors import InputError
from unblur.training.recipe import parse_changes, read_recipe
from unblur.training.recipe_files import recipe_names

SWIFT, MSCNN, FLOW = "swift/stills", "mscnn/gopro", "pwcnet/sequences-cpu-hour"


def test_all_recipes_pass():
    assert recipe_names()
    for name in recipe_names():
        read_recipe(name)


@pytest.mark.parametrize(
    ("path", "changes", "words"),
    [
        (SWIFT, {"betas": [5, 5]}, r"`betas` must both be in \[0, 1\)"),
        (SWIFT, {"betas": [0.9, 1.0]}, r"`betas` must both be in \[0, 1\)"),
        (SWIFT, {"lr": 1e300}, "`lr` is far too large: 1e\\+300"),
        (SWIFT, {"noise": math.nan}, "`noise`"),
        (SWIFT, {"weight_decay": math.inf}, "`weight_decay` must be a finite number, got inf"),
        (SWIFT, {"clip": math.inf}, "`clip` must be a finite number"),
        (SWIFT, {"steps": 10**12}, "`steps` is far too large"),
        (SWIFT, {"seed": 2**64}, "`seed` is far too large"),
        (SWIFT, {"arguments.widths": [32, -8]}, r"`arguments.widths\[1\]` must be 1 or more, got -8"),
        (SWIFT, {"arguments.widths": [32, 0]}, r"`arguments.widths\[1\]` must be 1 or more, got 0"),
        (SWIFT, {"arguments.blocks": [-1]}, r"`arguments.blocks\[0\]` must be 0 or more"),
        (SWIFT, {"arguments.max_blur_length": math.nan}, "`arguments.max_blur_length` must be a finite number"),
        (SWIFT, {"arguments.max_blur_length": datetime.date(2026, 1, 1)}, "got a date"),
        (SWIFT, {"arguments": {1: 2}}, "key"),
        (SWIFT, {"brightness": [1.5, 0.5]}, "`brightness` must be a range"),
        (SWIFT, {"contrast": [-1, 1]}, "`contrast` must be a range"),
        (SWIFT, {"objective.loss": {"mse": -1.0}}, "`objective.loss.mse` must not be negative"),
        (SWIFT, {"objective.loss": {"mse": math.nan}}, "`objective.loss.mse` must be a finite number"),
        (SWIFT, {"data.blur": {"length": [0, math.inf]}}, r"`data.blur.length\[1\]` must be a finite number"),
        (SWIFT, {"milestones": [-5]}, r"`milestones\[0\]` must not be negative"),
        (MSCNN, {"lr_of": {"a": -1e-4}}, "`lr_of.a` must not be negative"),
        (FLOW, {"objective.level_weights": [0.1, -0.1]}, r"`objective.level_weights\[1\]` must not be negative"),
    ],
)
def test_values_that_cannot_be_meant_are_named(path, changes, words):
    with pytest.raises(InputError, match=f"does not fit.*{words}"):
        read_recipe(path, changes=changes)


def test_an_endless_list_is_refused(tmp_path):
    values = {"extends": SWIFT}
    endless: list[object] = []
    endless.append(endless)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(values | {"arguments": {"widths": endless}}))
    with pytest.raises(InputError, match=r"a\.yaml` does not fit.*`arguments` is nested too deeply"):
        read_recipe(tmp_path / "a.yaml")


def test_values_without_limits_stay_free():
    changes = {"seed": 2**63 - 1, "clip": None, "arguments.blocks": [0, 0], "brightness": [1, 1], "betas": [0, 0.999]}
    assert read_recipe(SWIFT, changes=changes).seed == 2**63 - 1


def test_changes_are_plain_yaml():
    assert parse_changes(["steps=7", "arguments={a: [1, 2]}", "start=null", "lr=1.0e-4", "a=b=c"]) == {
        "steps": 7,
        "arguments": {"a": [1, 2]},
        "start": None,
        "lr": 1e-4,
        "a": "b=c",
    }


@pytest.mark.parametrize("change", ["steps=!!python/object/apply:os.getcwd []", "steps=!mine 3", "steps=[1", "steps=2026-13-45"])
def test_tags_and_broken_yaml_are_refused(change):
    with pytest.raises(InputError, match="cannot be read as YAML"):
        parse_changes([change])


def test_a_change_without_a_value_is_refused():
    with pytest.raises(InputError, match="does not say a value"):
        parse_changes(["steps"])
