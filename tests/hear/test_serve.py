# SPDX-License-Identifier: Apache-2.0
"""serve --wyoming: nothing that a client sends or does not send disturbs the others, and it ends
cleanly."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from edge_lp.errors import EdgeLpError
from edge_lp.hear import serve

pytest.importorskip("wyoming", reason="wyoming is not installed: pip install 'edge-lp[serve]'")
from wyoming.ping import Ping
from wyoming_client import DATA, EXPECTED, MODEL, PCM, SERVICE, ask, chunks, found, on, running


def line(type_, data=None, payload=b"", **more):
    head = {"type": type_, "data": data or {}, **more}
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + payload


CHUNK = {"rate": 16000, "width": 2, "channels": 1}
GARBAGE = {
    "no JSON": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "sent what is no event"),
    "not UTF-8": (b"\xff\xfe\x00\n", "sent what is no event"),
    "a list": (b"[1, 2]\n", "sent what is no event"),
    "a number": (b"17\n", "sent what is no event"),
    "no type": (b'{"data": {}}\n', "sent what is no event"),
    "deep": (b"[" * 30000 + b"\n", "sent what is no event"),
    "a long line": (b'{"type": "' + b"x" * (serve.LINE + 10) + b'"}\n', "sent what is no event"),
    "an endless line": (b"x" * (1 << 18), "sent what is no event"),
    "huge payload": (line("x", payload_length=10**15), "sent what is no event"),
    "huge data": (line("x", data_length=10**15), "sent what is no event"),
    "length of words": (line("x", payload_length="many"), "sent what is no event"),
    "half a length": (line("x", payload_length=2.5) + b"abc", "sent what is no event"),
    "data no object": (b'{"type": "detect", "data": [1]}\n', "data of detect is no object"),
    "data twice": (line("x", [1], data_length=2) + b"{}", "sent what is no event"),
    "names no list": (line("detect", {"names": "yes"}), "names of detect is no list of words"),
    "names of numbers": (line("detect", {"names": [1]}), "names of detect is no list of words"),
    "no rate": (line("audio-start", {}), "rate of the audio is no integer"),
    "rate 0": (line("audio-chunk", {**CHUNK, "rate": 0}), "rate is 0; expected 4000 to 768000"),
    "rate true": (line("audio-chunk", {**CHUNK, "rate": True}), "rate of the audio is no integer"),
    "width 9": (line("audio-start", {**CHUNK, "width": 9}), "width is 9; expected 1 to 4"),
    "half a sample": (line("audio-chunk", CHUNK, b"abc"), "no whole number of frames"),
    "when": (line("audio-chunk", {**CHUNK, "timestamp": "now"}), "timestamp of the audio is no"),
    "when never": (line("audio-chunk", {**CHUNK, "timestamp": float("nan")}), "timestamp of the"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_its_own_connection_only(name):
    sent, why = GARBAGE[name]
    with running() as (port, lines):
        with socket.create_connection(("127.0.0.1", port), 180) as s:
            with contextlib.suppress(OSError):  # it may hang up before the last byte
                s.sendall(sent)
                answer = s.makefile("rb").read()
                assert not answer or b'"error"' in answer.splitlines()[0]
        assert found(on(port, *chunks(PCM))) == EXPECTED
    assert len(lines) == 3 and why in lines[1], lines


def test_fuzz():
    """Drawn mutations of what is sent: flipped, left out and repeated bytes, cuts, joins. The
    service goes on, keeps nothing, and says one line each."""
    rng = np.random.default_rng(5)
    good = line("describe") + line("detect", {"names": [MODEL.keywords[0]]})
    good += line("audio-start", CHUNK) + line("audio-chunk", CHUNK, PCM[:4000].tobytes())
    good += line("audio-stop") + line("ping", {"text": "x"})
    many = 100
    with running() as (port, lines):
        for _ in range(many):
            data = bytearray(good * int(rng.integers(1, 3)))
            for _ in range(int(rng.integers(1, 30))):
                at = int(rng.integers(len(data)))
                end = at + int(rng.integers(40))
                kind = rng.integers(4)
                if kind == 0:
                    data[at] = int(rng.integers(256))
                elif kind == 1:
                    del data[at:end]
                elif kind == 2:
                    data[at:at] = data[at:end]
                else:
                    data[at:at] = rng.integers(256, size=5, dtype=np.uint8).tobytes()
                data = data or bytearray(good)
            with socket.create_connection(("127.0.0.1", port), 180) as s:
                with contextlib.suppress(OSError):
                    s.sendall(data)
                    if rng.integers(2):
                        s.shutdown(socket.SHUT_WR)
                        s.makefile("rb").read()
        assert found(on(port, *chunks(PCM))) == EXPECTED
    assert len(lines) == many + 2 and all("\n" not in text for text in lines)


def test_no_more_than_so_many_clients(monkeypatch):
    monkeypatch.setattr(serve, "CLIENTS", 2)
    with running() as (port, lines):
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                s = stack.enter_context(socket.create_connection(("127.0.0.1", port), 180))
                s.sendall(line("ping"))
                assert b"pong" in s.makefile("rb").readline()
            came = ask(port, [], "error")
            assert came[-1].data["text"] == "refused: 2 clients are connected"
        for _ in range(100):  # the others have gone; the server has to notice it
            if (came := ask(port, [Ping().event()], "pong"))[-1].type == "pong":
                break
        assert came[-1].type == "pong"
    assert any("refused: 2 clients" in text for text in lines)


@pytest.mark.parametrize("sent", [b"", b'{"type": "desc'])
def test_who_says_nothing_is_not_waited_for(monkeypatch, sent):
    monkeypatch.setattr(serve, "FIRST", 0.1)
    with running() as (port, lines):
        with socket.create_connection(("127.0.0.1", port), 180) as s:
            s.sendall(sent)
            assert s.recv(1) == b""
    assert "said nothing for 0 s" in lines[1]


def test_who_does_not_listen_is_not_waited_for(monkeypatch):
    """It asks and never reads: its own connection stands still, then ends; others are served."""
    monkeypatch.setattr(serve, "PATIENCE", 0.5)
    with running() as (port, lines):
        with socket.create_connection(("127.0.0.1", port), 180) as slow:

            def talk():
                with contextlib.suppress(OSError):  # until it is hung up on
                    while True:
                        slow.sendall(line("ping", {"text": "x" * 10000}))

            thread = threading.Thread(target=talk)
            thread.start()
            assert found(on(port, *chunks(PCM))) == EXPECTED
            thread.join(180)
            assert not thread.is_alive()
    assert any("does not take what it is told" in text for text in lines), lines


def test_one_that_hangs_up():
    with running() as (port, lines):
        s = socket.create_connection(("127.0.0.1", port), 180)
        s.sendall(line("audio-start", CHUNK) + line("audio-chunk", CHUNK, bytes(3200)) + b'{"ty')
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        s.close()
        assert found(on(port, *chunks(PCM))) == EXPECTED
    assert len(lines) == 3 and any("broke off" in text or "no event" in text for text in lines)


# ------------------------------------------------------------------------------------ a process --

CLI = [sys.executable, "-m", "edge_lp", "serve"]


def start(*options):
    process = subprocess.Popen(
        [*CLI, "--wyoming", "tcp://127.0.0.1:0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, process.stderr.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_end(tmp_path, number):
    """With a client that is being served, which is told by the connection's end."""
    (tmp_path / "m.lpb").write_bytes(DATA)
    process, said = start("--model", str(tmp_path / "m.lpb"), "--threshold", "0.3")
    with process:
        port = int(said.split()[2].rpartition(":")[2].strip(","))
        with socket.create_connection(("127.0.0.1", port), 180) as s, s.makefile("rb") as f:
            s.sendall(line("describe"))
            head = json.loads(f.readline())
            assert head["type"] == "info" and f.read(head["data_length"])
            process.send_signal(number)
            assert f.read() == b""
        assert process.wait(180) == 130 and process.stdout.read() == ""
        assert process.stderr.read().count("\n") == 1  # the connection


def test_bad_addresses():
    with running() as (port, _):
        for address, says in (
            (f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port} is in use by another program"),
            ("tcp://192.0.2.1:10400", "tcp://192.0.2.1:10400 cannot be used"),
        ):
            with pytest.raises(EdgeLpError, match=says):
                asyncio.run(serve.Server(SERVICE).start(*serve.parse_uri(address)))
        done = subprocess.run(
            [*CLI, "--wyoming", f"tcp://127.0.0.1:{port}"], capture_output=True, text=True
        )
        assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
        assert "is in use by another program; choose another address" in done.stderr
    for address in ("10400", "tcp://x", "http://x:1", "tcp://x:99999", "tcp://[x:1", "tcp://h:1/a"):
        with pytest.raises(EdgeLpError, match="expected tcp://HOST:PORT"):
            serve.parse_uri(address)


def test_without_the_extra(tmp_path):
    (tmp_path / "wyoming.py").write_text("raise ModuleNotFoundError(name='wyoming')")
    done = subprocess.run(
        CLI, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "PATH": "/bin"}
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "edge-lp: serving needs the Python package wyoming: pip install 'edge-lp[serve]'\n"
    )
