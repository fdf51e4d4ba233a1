import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.errors import InputError
from unblur.training.recipe import read_recipe
from unblur.training.recipe_files import find_recipe, first_comment, merge, read_file, recipe_names

LEAVES = st.none() | st.integers() | st.lists(st.integers(), max_size=2) | st.just("word")
SECTIONS = st.dictionaries(st.sampled_from(["kind", "x", "y"]), LEAVES, max_size=3)
MAPPINGS = st.fixed_dictionaries({}, optional={"a": LEAVES, "b": LEAVES, "data": SECTIONS, "loss": SECTIONS})
"""A key is a mapping in all of them or in none."""


@given(MAPPINGS)
def test_nothing_changes_nothing(values):
    assert merge(values, {}) == merge({}, values) == values


@given(MAPPINGS)
def test_a_merge_with_itself_changes_nothing(values):
    assert merge(values, values) == values


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_merges_may_be_grouped(one, two, three):
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(MAPPINGS, MAPPINGS)
def test_what_a_change_says_holds_and_all_else_stays(base, change):
    merged = merge(base, change)
    assert merged.keys() == base.keys() | change.keys()
    for key, value in merged.items():
        if isinstance(value, dict) and key in change:
            assert value.items() >= change[key].items()
        else:
            assert value == (change if key in change else base)[key]


@given(MAPPINGS, MAPPINGS)
def test_a_merge_leaves_its_arguments_alone(base, change):
    before = repr((base, change))
    merge(base, change)
    assert repr((base, change)) == before


def test_mappings_are_merged_at_all_depths_and_lists_replaced():
    base = {"a": {"b": {"c": 1, "d": [1, 2]}}, "e": 1}
    assert merge(base, {"a": {"b": {"d": [3]}}}) == {"a": {"b": {"c": 1, "d": [3]}}, "e": 1}
    assert merge(base, {"a": None}) == {"a": None, "e": 1}
    assert merge({"a": None}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_another_kind_replaces_the_section():
    base = {"data": {"kind": "stills", "pair_size": 192}}
    assert merge(base, {"data": {"kind": "pairs", "layout": "gopro"}}) == {"data": {"kind": "pairs", "layout": "gopro"}}
    assert merge(base, {"data": {"pair_size": 96}}) == {"data": {"kind": "stills", "pair_size": 96}}


# Files


def written(folder: Path, **texts: str) -> Path:
    """Files `a.yaml`, ... with these texts; gives the first."""
    paths = [folder / f"{name}.yaml" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return paths[0]


def test_a_file_extends_a_file_beside_it(tmp_path):
    path = written(tmp_path, a="extends: b.yaml\nlr: 2", b="extends: ../c.yml\nlr: 1\nsteps: 5", c="")
    (tmp_path.parent / "c.yml").write_text("steps: 3\nloss: {mse: 1}")
    file = read_file(path)
    assert file.values == {"lr": 2, "steps": 5, "loss": {"mse": 1}}
    assert [each.name for each in file.extended] == ["b.yaml", "c.yml"]


def test_a_file_extends_a_built_in_recipe_wherever_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe(written(tmp_path, a="extends: swift/stills\nsteps: 7\narguments: {blocks: [1, 1, 1]}"))
    original = read_recipe("swift/stills")
    assert (recipe.steps, recipe.arguments) == (7, original.arguments | {"blocks": [1, 1, 1]})
    assert recipe.model_copy(update={"steps": original.steps, "arguments": original.arguments}) == original


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"a": "extends: a.yaml"}, r"extends itself, `.*a\.yaml` → `.*a\.yaml`; remove `extends`"),
        (
            {"a": "extends: b.yaml", "b": "extends: c.yaml", "c": "extends: b.yaml"},
            r"c\.yaml` does not fit: it extends itself, .*a\.yaml` → ",
        ),
        ({"a": "extends: b.yaml"}, r"a\.yaml` does not fit: `extends: b\.yaml`: there is no file `.*b\.yaml`; `extends` is relative to"),
        ({"a": "extends: swift/stils"}, "`extends: swift/stils`.*did you mean the built-in `swift/stills`"),
        ({"a": "extends: zzz"}, "no built-in recipe of that name; `unblur recipes` lists"),
        ({"a": "extends: [b.yaml]"}, "`extends` must be a file"),
        ({"a": "extends: b.yaml", "b": "- 1"}, r"b\.yaml` does not fit: it must be a list of `key: value` lines"),
        ({"a": "extends: b.yaml", "b": "c: ["}, r"b\.yaml` cannot be read"),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path, texts, words):
    with pytest.raises(InputError, match=words):
        read_file(written(tmp_path, **texts))


def test_the_same_file_may_be_extended_by_two(tmp_path):
    """Only a circle is refused; `b` is read on two ways."""
    path = written(tmp_path, a="extends: b.yaml", b="lr: 1", c="extends: b.yaml")
    assert read_file(path).values == read_file(tmp_path / "c.yaml").values == {"lr": 1}


# Names


def test_a_file_goes_before_a_name_and_a_name_is_found_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe("swift/stills").parts[-3:] == ("recipes", "swift", "stills.yaml")
    (tmp_path / "swift").mkdir()
    (tmp_path / "swift" / "stills").write_text("steps: 1")
    assert find_recipe("swift/stills") == Path("swift/stills")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("swift/still", "did you mean the built-in `swift/stills`"),
        ("recipes/swift/stills.yaml", "did you mean the built-in `swift/stills`"),
        ("mine.yaml", "there is no such file, and no built-in recipe of that name; `unblur recipes` lists"),
        ("base/dvd", "no built-in recipe of that name"),
        ("../recipes/swift/stills", "no built-in recipe of that name"),
    ],
)
def test_a_recipe_that_is_not_there(name, words):
    with pytest.raises(InputError, match=rf"recipe `{re.escape(name)}` cannot be read: .*{words}"):
        find_recipe(name)


def test_names_are_those_of_the_files():
    names = recipe_names()
    assert names == sorted(names)
    assert len(names) > 70
    assert all((find_recipe(name).parent.name, find_recipe(name).stem) == tuple(name.split("/")) for name in names)


def test_the_first_sentence_says_what_a_recipe_is(tmp_path):
    assert first_comment(written(tmp_path, a="# swift on\n# photos. Source: none.\nlr: 1\n# no\n")) == "swift on photos"
    assert first_comment(written(tmp_path, b="lr: 1 # no\n")) == ""
    assert all(first_comment(find_recipe(name)) for name in recipe_names())
