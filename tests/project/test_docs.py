# SPDX-License-Identifier: Apache-2.0
"""The documentation builds without a warning, and its links inside the tree lead somewhere."""

import re
import subprocess
import sys

import pytest
from expected import printed
from paths import ROOT

PAGES = [p for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))]


def test_the_site_builds(tmp_path):
    """Guides, the specification, the CLI's and the API's reference; a warning is a failure: a page
    that no contents list names, a link to nowhere, a docstring that does not render."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed (pip install '.[docs]')")
    pytest.importorskip("keras", reason="TensorFlow is not installed: the layers' reference")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cli = (tmp_path / "docs" / "reference" / "cli.html").read_text()
    assert 'id="edge-lp-listen"' in cli and 'id="edge-lp-train"' in cli
    api = (tmp_path / "docs" / "reference" / "python.html").read_text()
    assert "edge_lp.runtime.Spotter" in api and "edge_lp.loihi.network.Network" in api


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Links and pictures inside the tree, as a reader of the files follows them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|mailto:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_are_cited_are_in_the_tree(page):
    """`name/of/file` in backticks is one of the tree, where it begins with one of its folders."""
    if page.name == "CHANGELOG.md":
        return
    folders = "runtime|firmware|host|train|tests|tools|examples|docs|zephyr|src"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), f"{page.name} cites {path}"


def test_the_pages_name_boards_that_are_there():
    """As `devices` shows them, and with another line for each command."""
    boards = {p.parent.name for p in (ROOT / "firmware" / "boards").glob("*/board.mk")}
    sources = (ROOT / "firmware" / "boards").rglob("*.[ch]")
    for text in (p.read_text() for p in sources):
        boards |= set(re.findall(r'(?:hal_name\[\] =|define NAME) "([\w-]+)"', text))
    for page in ("board-nrf.md", "board-pico.md", "board-stm32.md"):
        _, port, word, _, verdict = printed(page)
        assert port.split()[1] in boards, page
        assert word.startswith('{"t": ') and " equal: " in verdict
