"""House rules that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "unblur").rglob("*.py"))
HEAVY = ("torch", "cv2", "av", "PIL", "numpy", "pydantic", "torchvision")


def module_of(path):
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_source_keeps_the_rules(path):
    tree = ast.parse(path.read_text())
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name != "cuda" or not isinstance(node.func, ast.Attribute), f"line {node.lineno}: `.cuda()`; use `.to(device)`"
            assert not (name == "eval" and isinstance(node.func, ast.Name)), f"line {node.lineno}: `eval`"
            assert all(key.arg != "shell" for key in node.keywords), f"line {node.lineno}: `shell=`"
            if name in {"interpolate", "grid_sample", "affine_grid", "Upsample"}:
                given = {key.arg: key.value for key in node.keywords}
                without_corners = {"nearest", "nearest-exact", "area"}
                mode = given.get("mode")
                if not (isinstance(mode, ast.Constant) and mode.value in without_corners):
                    assert "align_corners" in given, f"line {node.lineno}: `{name}` without `align_corners`"


FACTORIES = {"create", "create_flow", "cost_of"}


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "benchmarks").glob("*.py"))], ids=lambda path: path.stem)
def test_no_card_names_a_network_unchecked(path):
    """What a card names may be an import path, which `unblur.weights.allowed_architecture` refuses unless the user has named it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in FACTORIES and node.args:
            assert "architecture" not in {getattr(part, "attr", "") for part in ast.walk(node.args[0])}, f"line {node.lineno}"


DIALECT = {
    "told",
    "trust",
    "trusted",
    "steady",
    "leap",
    "leaps",
    "afresh",
    "unsmeared",
    "undone",
    "certainty",
    "sought",
    "sight",
    "smear",
    "smeared",
    "smears",
    "smearing",
    "spread",
    "spreads",
    "looks",
}
"""Words that this project once used for what has a name in the field, see docs/reference/glossary.md."""


def identifiers(tree):
    """Names that a module gives to functions, classes, arguments, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_identifiers_are_words_of_the_field(path):
    found = {
        name
        for name in identifiers(ast.parse(path.read_text()))
        if DIALECT & {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}
    }
    assert not found


def without_docstring(body):
    """The statements of a function, whose docstring does not count."""
    return body[1:] if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else body


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_functions_are_short(path):
    """At most 60 lines of statements; the signatures of commands are their options, and do not count."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and (body := without_docstring(node.body)):
            assert node.end_lineno - body[0].lineno < 60, f"line {node.lineno}: `{node.name}`"


MOST_PARAMETERS = 12
_OPTIONS = "a command, whose parameters are its options"
MANY_PARAMETERS = {
    "unblur.app.ablate:ablate": _OPTIONS,
    "unblur.app.bench:bench": _OPTIONS,
    "unblur.app.restore:restore": _OPTIONS,
    "unblur.app.synth:dynamic": _OPTIONS,
    "unblur.app.synth:stills": _OPTIONS,
    "unblur.app.synth:video": _OPTIONS,
    "unblur.layers.fused_kernels:_read_taps": "a Triton kernel, which takes pointers, sizes and compile-time constants one by one",
    "unblur.layers.fused_kernels:_scatter_taps": "a Triton kernel, which takes pointers, sizes and compile-time constants one by one",
    "unblur.restore.api:restore": "has every option of the command, by the same names",
}
"""Functions that may have more parameters, and why."""


def signatures(node, *, within=""):
    """Qualified names of functions, methods and constructors, with the numbers of their parameters, `self` and `cls` not counted."""
    for inner in ast.iter_child_nodes(node):
        name = f"{within}{getattr(inner, 'name', '')}"
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*inner.args.posonlyargs, *inner.args.args, *inner.args.kwonlyargs, inner.args.vararg, inner.args.kwarg]
            yield name, sum(each is not None and each.arg not in {"self", "cls"} for each in given)
        is_scope = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from signatures(inner, within=f"{name}." if is_scope else within)


def test_functions_take_few_parameters():
    """A constructor that needs more is built of parts, which are handed in; fields of records are data, and do not count."""
    found = {
        f"{module_of(path)}:{name}"
        for path in SOURCES
        for name, count in signatures(ast.parse(path.read_text()))
        if count > MOST_PARAMETERS
    }
    assert found == set(MANY_PARAMETERS)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.stem not in {"__init__", "__main__"}], ids=module_of)
def test_module_lists_its_public_names(path):
    tree = ast.parse(path.read_text())
    listed = [node for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"]
    assert listed, "no __all__"
    names = ast.literal_eval(listed[0].value)
    assert len(set(names)) == len(names)
    defined = {
        name
        for node in ast.walk(tree)
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [target.id for target in getattr(node, "targets", [getattr(node, "target", None)]) if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign | ast.AnnAssign)
            else [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert set(names) <= defined


@pytest.mark.parametrize("module", ["unblur", "unblur.app.cli", "unblur.models", "unblur.errors"])
def test_import_is_light(module):
    code = f"import sys, {module}; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["restore", "--help"], ["--version"], ["models", "--help"], ["bench", "--help"], ["ablate", "--help"]]
)
def test_help_answers_without_torch(arguments):
    code = f"import sys; sys.argv = ['unblur', *{arguments!r}]\nfrom unblur.app.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n    assert not end.code\nassert not set(sys.modules) & {{'torch', 'cv2', 'av'}}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tests_mirror_the_source():
    """A test file of a package lies in the folder of the same name."""
    packages = {path.parent.name for path in SOURCES}
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.name
        assert folder == "tests" or folder in packages, path
