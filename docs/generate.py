"""The pages of the reference that are made from the code: modules, command line, recipe keys.

They are written to `reference/generated`, which is not committed, when Sphinx starts. What is written depends on the code alone.
"""

import ast
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


def recipe_keys() -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each key of a recipe, from the annotations and docstrings of the model."""
    from unblur.training.recipe import Recipe

    tree = ast.parse((SOURCE / "training" / "recipe.py").read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == Recipe.__name__)
    keys = []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in Recipe.model_fields):
            continue
        said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        field = Recipe.model_fields[node.target.id]
        default = "" if field.is_required() else f"`{field.default}`"
        keys.append((node.target.id, ast.unparse(node.annotation), default, " ".join(str(said).split())))
    return keys


def write_recipe_keys(page: Path) -> None:
    """A table of the keys. A pipe would end a cell."""
    rows = [
        f"| `{name}` | `{kind}` | {default} | {said} |".replace(" | None`", " or None`")
        for name, kind, default, said in ((name, kind.replace("|", "\\|"), default, said) for name, kind, default, said in recipe_keys())
    ]
    head = "# Keys of a recipe\n\nA recipe is a flat YAML file. Made from `unblur.training.recipe.Recipe`.\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    write(page, head + "\n".join(rows) + "\n")


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
