"""The pages of the reference that are made from the code: modules, command line, recipe keys.

They are written to `reference/generated`, which is not committed, when Sphinx starts. What is written depends on the code alone.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "unblur"
NOT_IMPORTED = {"unblur.layers.fused_kernels"}
"""Needs Triton."""
CODE = re.compile(r"(``.+?``|`[^`]+`)")
SIGN_OF_MARKUP = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")


def write(path: Path, text: str) -> None:
    """Write a page if it is another than before, so that Sphinx reads again only what has changed."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def module_name(path: Path) -> str:
    """Name of the module in a file of the package."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_page(package: Path) -> str:
    """Markdown that has autodoc document the modules of one package; those of `unblur` itself do not include its packages."""
    modules = [module_name(path) for path in sorted(package.glob("*.py")) if module_name(path) not in NOT_IMPORTED]
    blocks = [f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n" for name in modules]
    return f"# {module_name(package / '__init__.py')}\n\n" + "\n".join(blocks)


def write_modules(folder: Path) -> None:
    """One page a package, and their list; `unblur.app` is the command line, which has a page of its own."""
    packages = [SOURCE, *sorted(path.parent for path in SOURCE.glob("*/__init__.py") if path.parent.name != "app")]
    names = [module_name(package / "__init__.py") for package in packages]
    for package, name in zip(packages, names, strict=True):
        write(folder / f"{name}.md", package_page(package))
    listed = "\n".join(names)
    write(folder / "modules.md", f"# Python modules\n\nMade from the docstrings.\n\n```{{toctree}}\n:maxdepth: 2\n\n{listed}\n```\n")


def write_command_line(page: Path) -> None:
    """The help of all commands, by Typer's own generator of documents."""
    command = [sys.executable, "-m", "typer", "unblur.app.cli", "utils", "docs", "--name", "unblur", "--title", "Command line"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)  # noqa: S603 - fixed command
    write(page, done.stdout.strip() + "\n")


def said_of_fields() -> dict[str, dict[str, tuple[str, str]]]:
    """Type and docstring of each field that a class of the module of recipes has by itself, as they are written."""
    tree = ast.parse((SOURCE / "training" / "recipe.py").read_text(encoding="utf-8"))
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for each in tree.body:
        if isinstance(each, ast.ClassDef):
            found[each.name] = {}
            for node, after in zip(each.body, [*each.body[1:], None], strict=True):
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
                    found[each.name][node.target.id] = ast.unparse(node.annotation), " ".join(str(said).split())
    return found


def recipe_keys(model: Any) -> list[tuple[str, str, str, str]]:  # noqa: ANN401 - a class of pydantic
    """Name, type, default and meaning of each key of a part of a recipe, but `kind`."""
    said = said_of_fields()
    keys = []
    for name, field in model.model_fields.items():
        if name != "kind":
            kind, meaning = next(said[each.__name__][name] for each in model.__mro__ if name in said.get(each.__name__, {}))
            default = "" if field.is_required() else f"`{json.dumps(field.get_default(call_default_factory=True))}`"
            keys.append((name, kind, default, meaning))
    return keys


def kind_in_words(annotation: str) -> str:
    """A type as it is written, without Python."""
    if annotation in ("Data", "Objective"):
        return "a section with a `kind`"
    plain, null = re.sub(r" \| None$", "", annotation), annotation.endswith(" | None")
    choices = re.fullmatch(r"Literal\[(.*)\]", plain)
    if choices:
        words = choices[1].replace("'", "`")
    else:
        words = {"Range": "two numbers", "str": "text", "bool": "true or false", "int": "whole number", "float": "number"}.get(
            plain, f"`{plain}`"
        )
    return f"{words}, or null" if null else words


def table_of_keys(model: Any) -> str:  # noqa: ANN401 - a class of pydantic
    """A table of the keys. A pipe would end a cell."""
    rows = [f"| `{name}` | {kind_in_words(kind)} | {default} | {said} |" for name, kind, default, said in recipe_keys(model)]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n" if rows else "No further keys.\n"


def write_recipe_keys(page: Path) -> None:
    """Tables of the keys of a recipe, and of each kind of its sections."""
    from unblur.training.recipe import SECTIONS, Recipe, kind_of

    parts = ["# Keys of a recipe\n", "Made from `unblur.training.recipe`. A key without a default must be given.\n", table_of_keys(Recipe)]
    for section, kinds in SECTIONS.items():
        for each in kinds:
            parts += [f"## `{section}`, `kind: {kind_of(each)}`\n", f"{each.__doc__}\n", table_of_keys(each)]
    write(page, "\n".join(parts))


def write_pages(app: Sphinx) -> None:
    """Write all generated pages."""
    folder = Path(app.srcdir) / "reference" / "generated"
    write_modules(folder)
    write_command_line(folder / "command-line.md")
    write_recipe_keys(folder / "recipe-keys.md")


def escaped(line: str) -> str:
    """A line of text in which all but `code` means itself; code gets the two backticks that it has in reStructuredText."""
    parts = CODE.split(line)
    for number, part in enumerate(parts):
        if number % 2:
            ends = "" if re.match(r"\w", parts[number + 1]) is None else "\\ "
            parts[number] = f"``{part.strip('`')}``{ends}"
        else:
            parts[number] = SIGN_OF_MARKUP.sub(lambda found: "\\" + found[0], part)
    return "".join(parts)


def diagrams_as_code(lines: list[str]) -> list[str]:
    """The docstring of a module, in which what is indented is a diagram, a table or code and stays as it is."""
    result: list[str] = []
    inside = False
    for line in lines:
        indented = line.startswith(" ") or (inside and not line)
        if indented and not inside:
            result += ["", "::", ""]
        elif inside and not indented:
            result.append("")
        inside = indented
        result.append(line if inside else escaped(line))
    return result


def plain_text_to_rest(_app: Sphinx, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:  # noqa: ANN401 - Sphinx's
    """Docstrings are plain text with `code`: escape what reStructuredText would take for markup elsewhere; examples stay as they are."""
    if what == "module":
        lines[:] = diagrams_as_code(lines)
    else:
        lines[:] = [line if line.lstrip().startswith((">>>", "...")) else escaped(line) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", plain_text_to_rest, priority=100)  # before napoleon, which writes markup of its own
    return {"parallel_read_safe": True}
