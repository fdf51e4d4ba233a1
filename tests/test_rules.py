"""House rules that no linter knows."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "unblur").rglob("*.py"))
SCRIPTS = [path for folder in ("benchmarks", "demo") for path in sorted((ROOT / folder).rglob("*.py"))]
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
    "surer",
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


def words_of(text):
    """The words of names and sentences, in small letters; `camelCase` and `snake_case` are taken apart."""
    return {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", text)}


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=lambda path: ".".join(path.relative_to(ROOT).with_suffix("").parts))
def test_identifiers_are_words_of_the_field(path):
    assert not {name for name in identifiers(ast.parse(path.read_text())) if DIALECT & words_of(name)}


DIALECT_IN_TEXT = {"afresh", "leap", "leaps", "smear", "smeared", "smearing", "smears", "unsmeared"}
"""Those of them that plain English does not need either, so that no comment, docstring or recipe has them."""
TEXTS = [
    *SOURCES,
    *SCRIPTS,
    *sorted((ROOT / "src" / "unblur" / "recipes").rglob("*.yaml")),
    *sorted((ROOT / "src" / "unblur" / "weights").glob("*.json")),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_texts_are_in_words_of_the_field(path):
    assert not DIALECT_IN_TEXT & words_of(path.read_text(encoding="utf-8"))


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


TESTED_BY = {
    "app/ablate.py": "app/test_studies.py",
    "app/choices.py": "app/test_cli.py through app/restore.py",
    "app/doctor.py": "app/test_cli.py",
    "app/export.py": "app/test_own_network.py through app/cli.py",
    "app/models.py": "app/test_cli.py",
    "app/pull.py": "app/test_cli.py",
    "app/restore.py": "app/test_cli.py",
    "app/web/chart.py": "app/web/test_views.py",
    "app/web/film.py": "app/web/test_engine.py",
    "app/web/layout.py": "app/web/test_server.py through app/web/server.py",
    "app/web/messages.py": "app/web/test_views.py",
    "app/web/sessions.py": "app/web/test_events.py",
    "bench/contender.py": "bench/test_run.py",
    "bench/crops.py": "bench/test_report.py",
    "bench/rows.py": "bench/test_run.py",
    "bench/table.py": "bench/test_export.py",
    "bench/tasks/page.py": "bench/tasks/test_table.py",
    "cluster/connect.py": "cluster/test_workers.py",
    "errors.py": "test_losses.py",
    "export/convert.py": "export/test_files.py",
    "export/runtimes.py": "export/test_files.py",
    "io/animation_write.py": "io/test_animation.py",
    "io/clip_info.py": "io/test_said.py",
    "io/containers.py": "io/test_video_writer.py",
    "io/ebml.py": "io/test_matroska.py",
    "io/encoders.py": "io/test_said.py",
    "io/frame_folder.py": "restore/test_frame_folder.py",
    "io/jpeg.py": "io/test_image.py through io/image.py",
    "io/pillow.py": "io/test_picture.py through io/image.py",
    "io/segment_writer.py": "cluster/test_work.py",
    "io/segments.py": "io/test_journal.py",
    "io/streams.py": "io/test_video_writer.py through io/video_writer.py",
    "io/tiff_decode.py": "io/test_tiff.py through io/tiff.py through io/image.py",
    "io/tiff_tags.py": "io/test_tiff.py through io/tiff.py through io/image.py",
    "io/tiff_write.py": "io/test_exiftool.py",
    "io/verify.py": "io/test_video_writer.py",
    "io/video.py": "io/test_video_writer.py",
    "io/webp.py": "io/test_image.py through io/image.py",
    "layers/check.py": "layers/test_warp.py through layers/warp.py",
    "layers/fourier.py": "layers/test_portable.py",
    "layers/kernel_evidence.py": "layers/test_kernel_estimation.py",
    "layers/kernel_input.py": "layers/test_kernel_estimation.py",
    "layers/kernels.py": "layers/test_kernel_estimation.py",
    "layers/resize.py": "layers/test_portable.py",
    "models/adversary.py": "models/test_deepdeblur.py through models/deepdeblur.py",
    "models/flow.py": "models/test_pwcnet.py",
    "restore/auto.py": "restore/test_api.py through restore/api.py",
    "restore/networks.py": "restore/test_batch.py",
    "restore/observer.py": "restore/test_batch.py",
    "restore/report.py": "restore/test_deblurrer.py",
    "restore/runner.py": "restore/test_batch.py",
    "synth/folder.py": "synth/test_make.py",
    "training/checkpoint.py": "app/test_train.py",
    "training/content.py": "training/test_loop.py through training/loop.py",
    "training/record.py": "training/test_loop.py through training/loop.py",
    "training/sources.py": "training/test_batch.py",
    "training/validation.py": "training/test_loop.py through training/loop.py",
    "weights/card.py": "weights/test_weights.py through weights/__init__.py",
    "weights/pickled.py": "weights/test_convert.py through weights/convert.py",
    "weights/run.py": "app/test_studies.py",
}
"""Modules without a test file of the same name, with the one that tests them, and where it does so through other modules, those."""


def modules_named(tree):
    """Modules that a file imports or calls by their full name: `a.b` and, of `from a import b`, both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # such as what `monkeypatch.setattr` replaces
            for named in re.findall(r"\bunblur(?:\.\w+)+", node.value):
                yield from (named[: end.start()] for end in re.finditer(r"\.|$", named))


def names_module(tree, path):
    """Whether a file names a module of the source or, as a word of its own, something public of it."""
    listed = [
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    public = {name for names in listed for name in ast.literal_eval(names)}
    words = {
        word
        for node in ast.walk(tree)
        for word in (getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "value", ""))
        if isinstance(word, str)
    }
    module = module_of(path).removesuffix(".__init__")
    return module in set(modules_named(tree)) or bool(public & words)


def test_every_module_has_its_test_file():
    """One of the same name, or that of `TESTED_BY`, which names the module, or the module through which it tests it."""
    source, tests = ROOT / "src" / "unblur", ROOT / "tests"
    parts = [path.relative_to(source) for path in SOURCES if path.stem not in {"__init__", "__main__"}]
    without = {part.as_posix() for part in parts if not (tests / part.parent / f"test_{part.name}").is_file()}
    assert without == set(TESTED_BY), "a module has no test file, or a line of `TESTED_BY` is not needed"
    for module, covered in TESTED_BY.items():
        file, *through = covered.split(" through ")
        assert (tests / file).is_file(), f"{module}: no {file}"
        for inner, outer in pairwise([module, *through]):
            assert module_of(source / inner) in set(modules_named(ast.parse((source / outer).read_text()))), f"{outer} imports no {inner}"
        last = [module, *through][-1]
        assert names_module(ast.parse((tests / file).read_text()), source / last), f"{file} does not name {last}"


CONTRACTS = {"adversary", "arguments", "base", "cascade", "diagnostic", "flow", "foreign", "recurrent", "supervised", "video"}
"""Modules of `models` that hold what networks promise, and no network of the package."""


def test_no_module_outside_the_models_names_a_network():
    """What a network knows of itself comes through its contract; published checkpoints alone have layouts by network."""
    models = ROOT / "src" / "unblur" / "models"
    networks = {f"unblur.models.{path.stem}" for path in models.glob("*.py") if path.stem not in CONTRACTS | {"__init__"}}
    found = {
        module_of(path) for path in SOURCES if models not in path.parents and networks & set(modules_named(ast.parse(path.read_text())))
    }
    assert found == {module_of(ROOT / "src" / "unblur" / "weights" / "convert.py")}


def test_tests_mirror_the_source():
    """A test file of a package lies in the folder of the same name."""
    packages = {path.parent.name for path in SOURCES}
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.name
        assert folder == "tests" or folder in packages, path
