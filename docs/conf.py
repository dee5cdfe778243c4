# SPDX-License-Identifier: Apache-2.0
"""The documentation as a site:  make docs  (Sphinx reads the same Markdown that the tree shows)."""

import os
import re
from importlib.metadata import version as installed

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the reference of the layers imports Keras

project = "edge-lp"
author = "The edge-lp authors"
copyright = author
release = version = installed("edge-lp")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
include_patterns = ["index.md", "*.md", "docs/*.md", "docs/reference/*"]
exclude_patterns = ["build", ".venv", "runs", "demo-out"]
root_doc = "docs/index"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "edge-lp"
html_static_path: list[str] = []

autodoc_typehints = "none"  # they are in the signatures' source; the docstrings give shapes
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": False}
autodoc_mock_imports: list[str] = []
suppress_warnings = ["misc.highlighting_failure"]  # SPEC marks its examples for the tests


def plain(app, what, name, obj, options, lines):
    """Docstrings here are plain text, not reStructuredText: what that would read as markup is
    escaped, indented blocks become literal, and `code` becomes ``code``."""
    out, literal = [], False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not literal and (not out or not out[-1].strip()):
            out += ["::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        if literal or line.startswith(">>>"):
            out.append(line)
            continue
        line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)
        parts = re.split(r"(``[^`]+``)", line)
        parts[::2] = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
        out.append("".join(parts))
    lines[:] = out


def setup(app):
    app.connect("autodoc-process-docstring", plain)
