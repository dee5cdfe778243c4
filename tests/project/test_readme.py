# SPDX-License-Identifier: Apache-2.0
"""The README is executed: its shell and Python blocks run in order in an empty folder, its commands
and options exist, its links lead somewhere.

A block that cannot run in a test has the line  <!-- not run: reason -->  before it; its commands
are checked all the same.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from edge_lp import cli
from paths import ROOT

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.M | re.S,
)
BLOCKS = [
    m.groupdict() | {"line": README[: m.start("code")].count("\n") + 1}
    for m in BLOCK.finditer(README)
]


def commands(group=cli.main, path=("edge-lp",)):
    """Every command of the tool with its words: ("edge-lp", "bench", "core") -> click.Command."""
    found = {}
    for name, command in group.commands.items():
        found[path + (name,)] = command
        if isinstance(command, click.Group):
            found |= commands(command, path + (name,))
    return found


def invocations():
    """(line, words) of each edge-lp command in the shell blocks, run or not, without what pipes and
    redirections add."""
    for block in BLOCKS:
        if block["language"] == "sh":
            whole = block["code"].replace("\\\n", " ")  # a line may go on behind a backslash
            for i, line in enumerate(whole.splitlines()):
                for part in re.split(r"[|;&>]+", line.split("  #")[0]):
                    if part.strip().startswith("edge-lp "):
                        yield pytest.param(
                            shlex.split(part), id=f"line {block['line'] + i}: {part.strip()}"
                        )


def test_there_are_blocks_to_run():
    assert sum(b["reason"] is None for b in BLOCKS) >= 2
    # each such line stands right before a block
    assert README.count("<!-- not run:") == sum(b["reason"] is not None for b in BLOCKS)


def test_blocks_run(tmp_path):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    for block in BLOCKS:
        shell = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}.get(
            block["language"]
        )
        if shell and block["reason"] is None:
            done = subprocess.run(
                [*shell, block["code"]],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, (
                "README.md line "
                f"{block['line']}:\n{block['code']}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            )


@pytest.mark.parametrize("words", list(invocations()))
def test_commands_and_options_exist(words):
    known = commands()
    path = max((p for p in known if tuple(words[: len(p)]) == p), key=len, default=None)
    assert path is not None, f"the tool has no command {words[1]!r}"
    options = {o for p in known[path].params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    for word in words[len(path) :]:
        assert not word.startswith("--") or word.split("=")[0] in options, (
            f"{' '.join(path)} has no option {word}"
        )


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_is_in_the_readme(path):
    assert re.search(rf"{' '.join(path)}\b", README), f"{' '.join(path)} is missing in README.md"
    assert commands()[path].help, f"{' '.join(path)} has no help text"


def test_links_lead_somewhere():
    broken = [
        target
        for target in re.findall(r"\]\(([^)#]+)", README)
        if "://" not in target and not (ROOT / target).exists()
    ]
    assert not broken, f"README.md links to files that are not there: {broken}"


def test_no_gap_is_left():
    assert not re.findall(
        r"\b[A-Z]+_[A-Z_]+\b|TODO|FIXME|XXX", re.sub(r"```.*?```|`[^`]*`", "", README, flags=re.S)
    )
