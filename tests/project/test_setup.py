# SPDX-License-Identifier: Apache-2.0
"""Set-up on machines that lack something: one clear line each. And the rule that nothing skips in
CI."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from paths import ROOT

BASICS = ("sh", "dirname", "mktemp", "rm", "mkdir", "cat", "id", "grep", "env")


# A Python of the right age: what setup.sh asks it is answered by the real one.
PYTHON = """
[ "$1" = -V ] && echo Python 3.99 && exit
case "$2" in
*{lacks}*) exit 1;;
*'<= sys.version_info'*)
    exec '{real}' -c "import sys
exec(sys.argv[1].replace('sys.version_info[:2]', '{version}'))" "$2";;
*version_info*) echo 3.11;;
esac"""


class Machine:
    """A PATH with nothing but the basics, a copy of tools/, and a way to add programs to it."""

    def __init__(self, folder):
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir()
        for name in BASICS:
            (self.bin / name).symlink_to(shutil.which(name))
        shutil.copytree(ROOT / "tools", folder / "tools")

    def add(self, name, script):
        # a link to the real program: never write through it
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def python(self, lacks="nothing", version="(3, 11)"):
        """lacks: a module that it does not have; version: what it says it is."""
        self.add("python3", PYTHON.format(lacks=lacks, version=version, real=sys.executable))

    def run(self, script, *arguments, **environment):
        """Exit code, and all that it said."""
        done = subprocess.run(
            [self.folder / "tools" / script, *arguments],
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_no_python(machine):
    status, said = machine.run("setup.sh", "demo")
    assert (
        status == 1
        and said.count("\n") == 1
        and "no Python 3.10 to 3.14 (python3 does not run); sudo apt-get install python3 " in said
    )


@pytest.mark.parametrize(
    "version, extras, range",
    [
        ("(3, 9)", "demo", "3.10 to 3.14"),
        ("(3, 15)", "demo", "3.10 to 3.14"),
        ("(3, 14)", "demo,train,dev", "3.10 to 3.13"),
    ],
)
def test_python_out_of_range(machine, version, extras, range):
    machine.python(version=version)
    status, said = machine.run("setup.sh", extras)
    assert (
        status == 1 and f"no Python {range} (python3 is Python 3.99); install one beside it" in said
    )


@pytest.mark.parametrize("version, extras", [("(3, 14)", "demo"), ("(3, 13)", "demo,train,dev")])
def test_newest_python(machine, version, extras):
    """The runtime is ahead of TensorFlow by one: both get past the question of age."""
    machine.python(version=version)
    assert "no C compiler" in machine.run("setup.sh", extras)[1]


@pytest.mark.parametrize(
    "lacks, says",
    [
        ("ensurepip", "no venv module; sudo apt-get install python3.11-venv"),
        ("Python.h", "no C headers; sudo apt-get install python3.11-dev"),
        ("nothing", "no C compiler (cc); sudo apt-get install build-essential"),
    ],
)
def test_python_without(machine, lacks, says):
    machine.python(lacks)
    assert machine.run("setup.sh", "demo") == (
        1,
        f"edge-lp setup: {'' if 'compiler' in says else 'Python 3.11 has '}{says}\n",
    )


def test_a_compiler_without_headers(machine):
    machine.python()
    machine.add("cc", "exit 1")
    status, said = machine.run("setup.sh", "demo")
    assert (
        status == 1
        and said
        == "edge-lp setup: the C compiler (cc) cannot build a program; sudo apt-get install "
        "build-essential\n"
    )


def test_an_interpreter_may_be_named(machine):
    machine.add("my-python", "exit 1")
    status, said = machine.run("setup.sh", "demo", PYTHON="my-python")
    assert status == 1 and "no Python 3.10 to 3.14 (my-python does not run)" in said


@pytest.mark.parametrize("ci, expected", [("", 0), ("true", 1)])
def test_system_packages_need_root(machine, ci, expected):
    machine.add("dpkg-query", "exit 1")
    machine.add("id", "echo 1000")
    status, said = machine.run("system-packages.sh", CI=ci)
    assert (
        status == expected
        and "some tests will skip without: gcc-arm-none-eabi" in said
        and "sudo apt-get install" in said
    )


def test_system_packages_that_are_there(machine):
    machine.add("dpkg-query", "printf installed")
    machine.add("npm", f"echo $PWD $* > {machine.folder}/asked; echo progress")
    assert machine.run("system-packages.sh", CI="true") == (0, "")
    asked = (machine.folder / "asked").read_text()  # no --prefix: the machine's npmrc counts
    assert re.search(r"/build/npm install (--[a-z-]+ )+rp2040js@[\d.]+\n", asked)
    assert "--prefix" not in asked
    (machine.folder / "build/npm/node_modules/rp2040js").mkdir(parents=True)
    machine.add("npm", "exit 1")  # which is not asked again
    assert machine.run("system-packages.sh", CI="true") == (0, "")


@pytest.mark.parametrize("ci, expected", [("", 0), ("true", 1)])
def test_npm_that_fails(machine, ci, expected):
    machine.add("dpkg-query", "printf installed")
    machine.add("npm", "exit 1")
    assert machine.run("system-packages.sh", CI=ci) == (
        expected,
        "system packages: npm failed; the tests of the Raspberry Pi Pico will skip\n",
    )


@pytest.mark.parametrize("ci, expected", [("", 0), ("true", 1)])
def test_esphome_needs_a_python_and_an_index(machine, ci, expected):
    """Its environment is its own, in build/; once it is there nothing is asked again."""
    tail = "; the tests of its component will skip\n"
    said = "esphome: it needs Python 3.11 or later" + tail
    assert machine.run("esphome.sh", CI=ci) == (expected, said)
    machine.add("python3", "true")  # it makes no environment, so there is no pip
    machine.add("cmp", "exit 1")
    status, said = machine.run("esphome.sh", CI=ci)
    assert status == expected and said.endswith("esphome: pip failed" + tail)
    machine.add("cmp", "exit 0")
    assert machine.run("esphome.sh", CI=ci) == (0, "")


def test_make_alone_prints_the_targets():
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    said = subprocess.run(
        ["make", "-C", ROOT, "--no-print-directory"], capture_output=True, text=True, check=True
    ).stdout
    assert all(f"make {t} " in said for t in ("demo", "test", "lint", "clean"))


@pytest.mark.parametrize("no_skip, failed", [("", 0), ("1", 2)])
def test_nothing_skips_in_ci(no_skip, failed, tmp_path):
    for name in ("conftest.py", "paths.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path)
    (tmp_path / "test_some.py").write_text(
        "import pytest\ndef test_skips(): pytest.skip('no oscilloscope')\n"
        "@pytest.mark.xfail\ndef test_known(): assert 0\ndef test_passes(): pass\n"
        "def test_shared(): pytest.skip('needs ../shared, which is not here')\n"
    )
    (tmp_path / "test_module.py").write_text(
        "import pytest\npytest.importorskip('no_such_module')\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "EDGE_LP_NO_SKIP": no_skip, "PYTEST_ADDOPTS": ""},
        cwd=tmp_path,
    )
    assert done.returncode == (1 if failed else 0), done.stdout
    assert (
        "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error"
        if failed
        else "1 passed, 3 skipped, 1 xfailed"
    ) in done.stdout
    assert ("no oscilloscope (EDGE_LP_NO_SKIP is set" in done.stdout) == bool(failed)
