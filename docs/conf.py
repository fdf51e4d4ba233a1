"""Settings of Sphinx for this site; `make docs` builds it. What is generated is in `generate.py` beside this file."""

import sys
from pathlib import Path

import unblur

sys.path.insert(0, str(Path(__file__).parent))

project = "unblur"
author = "The unblur authors"
copyright = author  # noqa: A001 - Sphinx's name
version = release = unblur.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "generate"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"unblur {release}"
html_copy_source = False
exclude_patterns = ["_build"]
toc_object_entries = False  # classes and functions are in the index, not in the navigation of each page

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

default_role = "code"  # `name` in a docstring is code, as in Markdown
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True, "ignore-module-all": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are described once
suppress_warnings = ["ref.python"]  # fields of several data classes have one name
napoleon_custom_sections = [("Shape", "notes_style"), ("Source", "notes_style")]
