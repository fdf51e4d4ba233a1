from typing import get_args

import pytest

from unblur.errors import InputError
from unblur.training.recipe import SECTIONS, Recipe, read_recipe

SWIFT, MSCNN, ADVERSARIAL = "swift/stills", "mscnn/gopro", "deepdeblur/gopro"
FLOW = "pwcnet/sequences-cpu-hour"
PATH = "swift_best/kernel-gpu-2min"
TOLD = {"kind": "blur_field", "loss": {"mse": 1.0}, "blur_field_weight": 1.0, "teacher_forcing_until": 1}
STILLS = {"kind": "stills", "pair_size": 160, "pool": 4, "pool_start": 2, "new_pairs": 1.0}


def test_changes_change_single_keys():
    before, after = read_recipe(SWIFT), read_recipe(SWIFT, changes={"steps": 7, "arguments.max_blur_length": 9.0})
    assert after.steps == 7
    assert after.arguments == before.arguments | {"max_blur_length": 9.0}
    assert after.model_copy(update={"steps": before.steps, "arguments": before.arguments}) == before
    with pytest.raises(InputError, match=r"`steps\.a` cannot be set"):
        read_recipe(SWIFT, changes={"steps.a": 1})


@pytest.mark.parametrize("name", [SWIFT, MSCNN, ADVERSARIAL, FLOW, PATH, "stfan/dvd"])
def test_a_recipe_survives_its_own_record(name):
    recipe = read_recipe(name)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (SWIFT, {"stepps": 3}, "no key `stepps`; did you mean `steps`"),
        (SWIFT, {"steps": 0}, "`steps`"),
        (SWIFT, {"steps": None}, "`steps` is missing"),
        (SWIFT, {"lr": "fast", "batch": -1}, "`batch`.*`lr`"),
        (SWIFT, {"optimiser": "sgd"}, "`optimiser`"),
        (SWIFT, {"crop": 30}, "multiples of 4"),
        (SWIFT, {"crop": 256}, "smaller"),
        (SWIFT, {"batch": 16, "accumulate": 3}, "multiple of `accumulate`"),
        (SWIFT, {"protocol": "gopro-scikit"}, "no protocol `gopro-scikit`"),
        (SWIFT, {"protocol": None}, "`validate_every` needs"),
        # keys of sections
        (SWIFT, {"data.blur": {"lenght": [1, 2]}}, r"`data\.blur`: there is no range `lenght`; did you mean `length`"),
        (SWIFT, {"data.pair_size": -4}, r"`data\.pair_size`: Input should be greater than 0"),
        (SWIFT, {"data.pair_siz": 4}, r"no key `data\.pair_siz`; did you mean `pair_size`"),
        (SWIFT, {"data.zzz": 4}, r"no key `data\.zzz`; choose from blur, new_pairs, pair_size, pool, pool_start"),
        (SWIFT, {"pair_size": 4}, r"no key `pair_size`; did you mean `data\.pair_size`"),
        (
            SWIFT,
            {"objective.blur_field_weight": None},
            r"`objective\.blur_field_weight` is missing; `objective\.kind: blur_field` needs it",
        ),
        (
            SWIFT,
            {"data.layout": "gopro"},
            r"`data\.layout` has no meaning with `data\.kind: stills`; its keys are blur, new_pairs, pair_size, pool, pool_start",
        ),
        (
            SWIFT,
            {"objective.kind": "content"},
            r"`objective\.blur_field_weight` has no meaning with `objective\.kind: content`; its keys are loss, truths",
        ),
        (
            PATH,
            {"objective.teacher_forcing_until": 1},
            r"`objective\.teacher_forcing_until` has no meaning with `objective\.kind: camera_kernel`; it has no further keys",
        ),
        (PATH, {"objective.loss": {"mse": 1.0}}, r"`objective\.loss` has no meaning with `objective\.kind: camera_kernel`"),
        (
            FLOW,
            {"objective.loss": {"mse": 1.0}},
            r"`objective\.loss` has no meaning with `objective\.kind: flow`; its keys are level_weights",
        ),
        (FLOW, {"objective.level_weights": None}, r"`objective\.level_weights` is missing; `objective\.kind: flow` needs it"),
        (
            MSCNN,
            {"data.reference_only": True},
            r"`data\.reference_only` has no meaning with `data\.kind: pairs`; its keys are choice, layout",
        ),
        (SWIFT, {"objective.loss": {"msee": 1}}, r"`objective\.loss`: there is no loss `msee`; did you mean `mse`"),
        (SWIFT, {"objective.loss": {}}, r"`objective\.loss`: is empty; name at least one of mse"),
        (SWIFT, {"data.kind": "still"}, "`data` has no kind `still`; did you mean `stills`"),
        (SWIFT, {"data.kind": None}, r"`data` must say its `kind`, such as `data: \{kind: stills, \.\.\.\}`; choose from stills, dynamic"),
        (SWIFT, {"data": "stills"}, "`data` must say its `kind`"),
        (SWIFT, {"objective": None}, "`objective` is missing"),
        # what does not fit together
        (MSCNN, {"objective.truths": "all"}, r"`objective\.truths: all` needs"),
        ("mdcn/dvd", {"data.middle_only": True, "data.reference_only": True}, "`data.middle_only` is for networks that see one frame"),
        ("mdcn/dvd", {"data.middle_only": True, "data.frames": 4}, "`data.frames` must be odd with `data.middle_only`"),
        ("ifirnn/gopro", {"data.middle_only": True}, "`data.middle_only` is for networks that see one frame"),
        (MSCNN, {"objective": TOLD}, r"needs `data\.kind: stills`"),
        (ADVERSARIAL, {"accumulate": 2}, "must be 1"),
        (PATH, {"crop": 128}, "crops of the whole `pair_size`"),
        (FLOW, {"data": STILLS}, r"`objective\.kind: flow` needs `data\.kind: sequences`"),
        (FLOW, {"validate_every": 5, "protocol": "gopro-skimage", "validate_layout": "gopro"}, "`validate_every` must be 0"),
    ],
)
def test_what_does_not_fit_is_named(name, changes, words):
    with pytest.raises(InputError, match=rf"{name}\.yaml` does not fit.*{words}"):
        read_recipe(name, changes=changes)


def test_changes_reach_all_depths_and_leave_all_else():
    before = read_recipe(SWIFT)
    after = read_recipe(SWIFT, changes={"data.blur.turn": [0.0, 0.5], "objective.loss": {"mse": 1.0}, "arguments.blocks": None})
    assert after.data.blur == before.data.blur | {"turn": [0.0, 0.5]}
    assert after.objective.loss == {"mse": 1.0}
    assert after.arguments == before.arguments | {"blocks": None}  # null is a value of an argument
    back = {"data": before.data, "objective": before.objective, "arguments": before.arguments}
    assert after.model_copy(update=back) == before


def test_null_takes_back_what_is_extended(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "extends: swift/stills\nclip: null\ndata: {blur: {shot: null}}\nobjective: {loss: {log_mse: null, mse: 1}}"
    )
    before, after = read_recipe(SWIFT), read_recipe(tmp_path / "a.yaml")
    assert (before.clip, after.clip) == (1.0, None)
    assert after.data.blur == {name: value for name, value in before.data.blur.items() if name != "shot"}
    assert after.objective.loss == {"mse": 1.0}


def test_null_is_the_default_wherever_it_is_a_value():
    """So that taking a key back is the same as setting it to null."""
    for model in (Recipe, *(kind for kinds in SECTIONS.values() for kind in kinds)):
        for name, field in model.model_fields.items():
            if field.annotation is not None and type(None) in get_args(field.annotation):
                assert field.default is None, name


def test_what_is_extended_is_named_where_a_key_does_not_fit(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\nsteps: 3")
    (tmp_path / "b.yaml").write_text("extends: swift/stills\nstepps: 3")
    with pytest.raises(InputError, match=r"a\.yaml` does not fit: there is no key `stepps`.*; it extends `.*b\.yaml`, `.*stills\.yaml`"):
        read_recipe(tmp_path / "a.yaml")


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: base/stills\nmodel: swift")
    with pytest.raises(InputError, match=r"a\.yaml.*`steps` is missing; `batch` is missing; .*`objective` is missing"):
        read_recipe(tmp_path / "a.yaml")


def test_a_recipe_of_few_keys_is_whole():
    recipe = Recipe.model_validate({"model": "swift", "steps": 1, "batch": 1, "crop": 16, "lr": 1.0, "data": STILLS, "objective": TOLD})
    assert (recipe.frames, recipe.several_frames, recipe.all_truths, recipe.reference_only) == (1, False, False, False)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"a: [", "cannot be read"), (b"", "key: value"), (b"- 1", "key: value"), (b"\xff", "cannot be")],
)
def test_what_is_no_recipe(tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.yaml` .*{words}"):
        read_recipe(tmp_path / "a.yaml")
