# SPDX-License-Identifier: Apache-2.0
"""The release script: the version is set everywhere, and nothing is released by accident."""

import re
import shutil
import subprocess
import sys

from paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import set_version

FILES = sorted({name for name, _, _ in set_version.PLACES})


def copy(folder):
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def test_the_version_is_set_everywhere_and_only_there(tmp_path):
    copy(tmp_path)
    set_version.main("12.34.56", tmp_path)
    old = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    for name in FILES:
        before = (ROOT / name).read_text().splitlines()
        after = (tmp_path / name).read_text().splitlines()
        changed = [line for line in after if line not in before]
        assert changed and all(re.search(r"12\.34\.56|\b12$|\b34$|\b56$", x) for x in changed)
        assert name == "CHANGELOG.md" or len(before) == len(after)
    assert f'"{old}"' not in (tmp_path / "library.json").read_text()
    assert "## Unreleased\n\n## 12.34.56\n" in (tmp_path / "CHANGELOG.md").read_text()


def test_release_refuses(tmp_path):
    """A version that is none, a tree with changes, a branch that is not main, no notes."""
    placeholders = ("pyproject.toml", "library.properties", "idf_component.yml")
    for part in ("tools", "CHANGELOG.md", *placeholders):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / part)

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    def refused(version):
        done = subprocess.run(
            ["sh", "tools/release.sh", *version], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 2 and done.stdout == "", done.stdout
        return done.stderr

    git("init", "-q", "-b", "main")
    assert "expected a version" in refused([]) and "found '1.2'" in refused(["1.2"])
    assert "uncommitted" in refused(["1.2.3"])
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    git("checkout", "-q", "-b", "side")
    assert "not on main" in refused(["1.2.3"])
    git("checkout", "-q", "main")
    git("tag", "v1.2.3")
    assert "v1.2.3 is there" in refused(["1.2.3"])
    for name in placeholders:
        assert "placeholders" in refused(["1.2.4"])
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("example.invalid", "example.org"))
        git("commit", "-qam", "x")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n\n## 0.1.0\n\n- x\n")
    git("commit", "-qam", "y")
    assert "no notes" in refused(["1.2.4"])
