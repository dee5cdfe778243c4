# SPDX-License-Identifier: Apache-2.0
"""examples/serve: the systemd unit is one, the container file's steps and commands work."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import zipfile

import pytest
from paths import ROOT

EXAMPLES = ROOT / "examples" / "serve"
UNIT = (EXAMPLES / "edge-lp.service").read_text(encoding="utf-8")
CONTAINER = (EXAMPLES / "Containerfile").read_text(encoding="utf-8")


def need(*modules):
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed")


@contextlib.contextmanager
def serving(arguments, **environment):
    """The command with the Python of this test, at a port of its own -> (process, port)."""
    assert arguments[:2] == ["edge-lp", "serve"]
    arguments = [re.sub(r"^tcp://[\d.]+:10400$", "tcp://127.0.0.1:0", a) for a in arguments[1:]]
    with subprocess.Popen(
        [sys.executable, "-m", "edge_lp", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            said = process.stderr.readline()
            yield process, int(re.search(r"tcp://127.0.0.1:(\d+)", said)[1])
        finally:
            process.kill()


def test_the_unit_is_one(tmp_path):
    """systemd's own check, with a program that is there; what it is allowed is little."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "edge-lp.service"
    unit.write_text(UNIT.replace("/opt/edge-lp/bin/edge-lp", shutil.which("true")))
    command = ["systemd-analyze", "--offline=true", "--threshold=20", "security", unit]
    for checked in (["systemd-analyze", "verify", "--man=no", unit], command):
        done = subprocess.run(checked, capture_output=True, text=True)
        assert done.returncode == 0 and "edge-lp.service:" not in done.stderr, done.stderr


def test_the_units_command_runs_and_ends_as_it_says():
    need("wyoming")
    (command,) = re.findall(r"^ExecStart=/opt/edge-lp/bin/(.*)$", UNIT, re.M)
    with serving(command.split()) as (process, port):
        socket.create_connection(("127.0.0.1", port), 30).close()
        process.send_signal(signal.SIGTERM)
        assert f"SuccessExitStatus={process.wait(60)}\n" in UNIT


def test_the_container_file_is_one(container):
    known = {"FROM", "RUN", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT"}
    found = container
    assert {name for name, _ in found} <= known and found[0][0] == "FROM"
    assert ("USER", "nobody") in found
    stages = [re.findall(r"AS (\w+)", rest) for name, rest in found if name == "FROM"]
    for name, rest in found:
        if name in ("ENTRYPOINT",):
            assert all(isinstance(word, str) for word in json.loads(rest))
        if name == "RUN":
            assert subprocess.run(["sh", "-n", "-c", rest]).returncode == 0
            assert shlex.split(rest)[0] in ("apt-get", "pip")
        if name == "COPY" and "--from" in rest:
            assert [re.search(r"--from=(\w+)", rest)[1]] in stages


def test_the_containers_steps(container, wheel, tmp_path):
    """The wheel of what is copied into it answers the health check."""
    need("wyoming")
    steps = [rest for name, rest in container if name == "RUN"]
    assert "pip wheel --wheel-dir /wheels '/source[serve]'" in steps
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    (entry,) = [json.loads(rest) for name, rest in container if name == "ENTRYPOINT"]
    (check,) = [rest for name, rest in container if name == "HEALTHCHECK"]
    python, *check = json.loads(check.removeprefix("CMD "))
    assert python == "python"
    with serving(entry, PYTHONPATH=str(tmp_path / "installed")) as (process, port):
        healthy = [sys.executable, *(word.replace("10400", str(port)) for word in check)]
        assert subprocess.run(healthy).returncode == 0
        process.kill()
        process.wait()
        assert subprocess.run(healthy, capture_output=True).returncode == 1


def test_the_extras_are_those_of_the_project():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for text in (UNIT, CONTAINER):
        for extra in re.findall(r"\[(\w+)\]'", text):
            assert re.search(rf"^{extra} = \[", project, re.M)
