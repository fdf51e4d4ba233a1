"""docs/reference/sources.md: every place and test that it names is there, and every point has both."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from unblur.models import names
from unblur.training.recipe import read_recipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reference/sources.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]
REFERENCES = sorted(set(re.findall(r"`([\w/.-]+\.(?:py|yaml)):([\w.]+)`", PAGE)))


@cache
def names_in(path):
    """What a module defines at its top level, and the methods and fields of its classes as `Class.name`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for name in _named(node):
            found.add(name)
            found |= {f"{name}.{inner}" for child in getattr(node, "body", []) if isinstance(node, ast.ClassDef) for inner in _named(child)}
    return found


def _named(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_what_is_named_is_there(file, name):
    if file.endswith(".yaml"):
        value = read_recipe(file.removeprefix("recipes/").removesuffix(".yaml")).model_dump()
        for key in name.split("."):
            assert key in value
            value = value[key]
        return
    path = ROOT / ("tests" if Path(file).name.startswith("test_") else "src/unblur") / file
    assert name in names_in(path)


def test_every_point_has_its_code_and_its_test():
    assert len(ROWS) > 80
    for row in ROWS:
        *_, code, test = row
        assert re.search(r"`[\w/-]+\.(py|yaml):", code), row
        assert re.search(r"`([\w]+/)*test_\w+\.py:\w+`", test), row


def test_every_network_of_another_method_has_its_row():
    """Of those that the sources name; MAXIM is in none."""
    section = PAGE.split("\n## What they are compared with\n")[1].split("\n## ")[0]
    others = {name for name in names() if not name.startswith("swift")} - {"deepdeblur", "mscnn", "mdcn", "astcn", "ppnet", "maxim"}
    assert set(re.findall(r"`models/(?!test_)(\w+)\.py:", section)) == others


def test_what_recipes_say_themselves_is_cited_where_it_is_said():
    """A key that the page cites is written in the recipe or in one that it extends, and is no mere default."""
    for file, name in REFERENCES:
        if file.endswith(".yaml") and not file.startswith("recipes/base/") and name not in ("betas",):
            texts, path = [], ROOT / "src/unblur" / file
            while path is not None:
                values = yaml.safe_load(path.read_text(encoding="utf-8"))
                texts.append(values)
                parent = values.get("extends")
                path = ROOT / f"src/unblur/recipes/{parent}.yaml" if parent else None
            assert any(name.split(".")[0] in values for values in texts), (file, name)
