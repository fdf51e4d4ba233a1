"""The documents: the site builds without a warning, and links between files lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *(path for path in sorted(ROOT.glob("*.md"))),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "generated" not in path.parts),
]
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors_of(text):
    """Names that headings get on GitHub, and by MyST."""
    headings = HEADING.findall(FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken_links(page):
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(FENCED.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists() or (anchor and anchor not in anchors_of(place.read_text(encoding="utf-8"))):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_resolve(page):
    assert list(broken_links(page)) == []


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# One\n\n```\n# no heading\n```\n\n## Two, and `three`\n")
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#two-and-three) [c](#here) [d](https://example.org/x)\n"
        "[e](missing.md) [f](other.md#no-heading) [g](#there)\n"
    )
    assert list(broken_links(page)) == ["missing.md", "other.md#no-heading", "#there"]


def test_the_site_builds_without_a_warning(tmp_path):
    """All that Sphinx says is an error here; the builder reads and resolves everything and writes no HTML, which takes half the time."""
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason="the dependency group `docs` is not installed; `make test` installs it")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-b", "dummy", ROOT / "docs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
