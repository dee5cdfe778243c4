# SPDX-License-Identifier: Apache-2.0
"""listen --web: what the page is told is what was heard, bit for bit; who is let in; and nobody
that reads slowly holds the listener up."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from edge_lp.audio.blocks import framed, with_tail
from edge_lp.audio.signals import babble
from edge_lp.board.emulate import Emulator
from edge_lp.board.session import Board
from edge_lp.errors import EdgeLpError
from edge_lp.hear.detect import BoardEar, HostEar
from edge_lp.hear.page import Page, parse_address
from edge_lp.model.format import pack
from edge_lp.model.tune import tune
from edge_lp.runtime import FRAME_SECONDS, Detector, Frontend, Model, Net
from random_model import random_spec

aiohttp = pytest.importorskip(
    "aiohttp", reason="aiohttp is not installed: pip install 'edge-lp[web]'"
)
from edge_lp.hear import web

PCM = babble(6)
DATA = tune(pack(random_spec(3)), wake_word=["word1"], wake_seconds=1.0)
MODEL = Model(DATA)
CLI = [sys.executable, "-m", "edge_lp", "listen"]


class Lines:
    """What a terminal would get."""

    def __init__(self):
        self.notes, self.found = [], []

    def keep(self, pcm):
        pass

    def note(self, line):
        self.notes.append(line)

    def take(self, pcm, heard, work, lost):
        self.found += heard.detections


@pytest.fixture
def page():
    """A page that is served, of an ear that hears something in everything."""
    ear = HostEar(MODEL, MODEL.detector)
    shown = Page(Lines(), ear, "m.lpb", "0", wait=False)
    shown.source = "a.wav"
    return SimpleNamespace(shown=shown, ear=ear, lines=shown._lines)


def hear(page, pcm):
    tail = MODEL.detector.tail * FRAME_SECONDS
    for block in framed(with_tail([pcm], tail)):
        page.shown.take(block, page.ear.push(block), 0.0, 0)


async def connected(server, token=None, origin=None, host=None):
    """(session, web socket)"""
    session = aiohttp.ClientSession()
    base = server.address.split("#")[0]
    headers = {"Origin": origin or base[:-1], **({"Host": host} if host else {})}
    token = server.token if token is None else token
    try:
        socket = await session.ws_connect(f"{base}stream", params={"token": token}, headers=headers)
    except BaseException:
        await session.close()
        raise
    return session, socket


def client(server, asks=()):
    """Connects, asks, and reads to the end, in a thread -> (the thread, what came)."""
    came, there = [], threading.Event()

    async def run():
        session, socket = await connected(server)
        async with session:
            there.set()
            for text in asks:
                await socket.send_str(text)
            async for message in socket:
                came.append(message.data)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert there.wait(180) and server.opened.wait(180)
    return thread, came


def texts(came, name):
    return [json.loads(m)[name] for m in came if isinstance(m, str) and name in json.loads(m)]


def test_the_stream_has_the_bits_of_the_file(page):
    with page.shown:
        thread, came = client(page.shown.server)
        hear(page, PCM)
    thread.join(180)
    (hello,) = texts(came, "hello")
    assert hello["labels"] == MODEL.labels and hello["source"] == "a.wav"
    assert (hello["wake_words"], hello["wake"], hello["neurons"]) == (1, 100, sum(page.ear.neurons))
    n, neurons = len(MODEL.labels), hello["neurons"]
    record = np.dtype(
        [
            ("features", "<i2", 40),
            ("posteriors", "<u2", n),
            ("awake", "<u2"),
            ("who", "u1", neurons),
        ]
    )
    got = np.frombuffer(b"".join(m for m in came if isinstance(m, bytes)), record)
    tail = MODEL.detector.tail * 160
    features = Frontend().push(np.append(PCM, np.zeros(tail, np.int16)))
    detector = Detector(n, MODEL.n_keywords, MODEL.detector)
    net, awake, spikes, expected, events = Net(MODEL), [], [], [], []
    for frame in features:
        found, posterior = detector.push(net.push(frame))
        events += found
        expected.append(posterior[0])
        awake.append(detector.awake())
        spikes.append(np.concatenate([net.state(g)["spikes"] for g in (1, 3)]))
    assert np.array_equal(got["features"], features)
    assert np.array_equal(got["posteriors"], expected) and np.array_equal(got["awake"], awake)
    assert np.array_equal(got["who"] == 255, np.array(spikes) == 1) and np.any(spikes)
    heard = [(e["t"], e["keyword"], e["score"]) for e in texts(came, "event")]
    labels = MODEL.labels
    assert heard == [(round(e.middle / 100, 2), labels[e.label], round(e.score, 4)) for e in events]
    assert len(heard) > 3 and {w for _, w, _ in heard} > {"word1"} and texts(came, "end") == [True]
    assert [(d.t, d.keyword, d.score) for d in page.lines.found] == heard


def test_a_board_in_the_page():
    """Its posteriors, its events and whether it is awake; it tells nothing of its neurons, and its
    model stays with it."""
    if not shutil.which("make") or not shutil.which("cc"):
        pytest.skip("make or cc is not installed")
    pcm = PCM[:32000]
    with Emulator("posix", DATA) as e, Board(e.port) as board:
        ear = BoardEar(board, board.info.detector, picture=True)
        shown = Page(Lines(), ear, "board", "0", wait=False)
        with shown:
            thread, came = client(shown.server)
            hear(SimpleNamespace(shown=shown, ear=ear), pcm)
        thread.join(180)
    here = Page(Lines(), HostEar(MODEL, MODEL.detector), "m.lpb", "0", wait=False)
    with here:
        there, same = client(here.server)
        hear(SimpleNamespace(shown=here, ear=here._ear), pcm)
    there.join(180)
    neurons = sum(here._ear.neurons)
    assert texts(came, "hello")[0]["neurons"] == 0 and texts(came, "event") == texts(same, "event")
    size = 2 * 40 + 2 * len(MODEL.labels)
    of_board, of_host = (b"".join(m for m in c if isinstance(m, bytes)) for c in (came, same))
    rows = np.frombuffer(of_board, np.uint8).reshape(-1, size + 2)
    expected = np.frombuffer(of_host, np.uint8).reshape(-1, size + 2 + neurons)
    assert np.array_equal(rows[:, :size], expected[:, :size]) and len(rows) > 200
    left = [np.ascontiguousarray(x[:, size : size + 2]).view("<u2") > 0 for x in (rows, expected)]
    assert np.array_equal(*left) and np.any(left[0])


def test_who_comes_later_gets_what_was_found(page):
    with page.shown:
        hear(page, PCM)
        thread, came = client(page.shown.server)
    thread.join(180)
    assert len(texts(came, "event")) == len(page.lines.found) > 3
    assert sum(isinstance(m, bytes) for m in came) <= 1  # the last frames of all


def test_a_threshold_is_moved(page):
    asks = [json.dumps({"threshold": [0, 0.5]})]
    wrong = ['{"threshold": [77, 0.5]}', '{"threshold": [0, NaN]}', '{"threshold": [0, "x"]}']
    wrong += ["{", "[]", '{"threshold": [true, 1]}', '{"threshold": [0, 2]}', '{"threshold": 1}']
    with page.shown:
        thread, came = client(page.shown.server, [*wrong, *asks])
        for _ in range(1000):  # until it has come
            hear(page, PCM[:160])
            if page.ear.config.thresholds[0] == 0.5:
                break
    thread.join(180)
    assert page.ear.config.thresholds[0] == 0.5
    (values,) = texts(came, "thresholds")
    assert (
        values[0] == 0.5
        and values[1:] == np.resize(MODEL.detector.thresholds, len(MODEL.keywords))[1:].tolist()
    )


def status(server, **changes):
    async def run():
        try:
            session, socket = await connected(server, **changes)
        except aiohttp.WSServerHandshakeError as e:
            return e.status
        await socket.close()
        await session.close()
        return 101

    return asyncio.run(run())


def test_who_is_let_in(page):
    with page.shown:
        server = page.shown.server
        assert server.host == "127.0.0.1"
        assert status(server) == 101
        assert status(server, token="") == status(server, token=server.token[:-1]) == 403
        assert status(server, token="\u00e9") == 403
        assert status(server, origin="http://evil.example") == 403
        assert status(server, origin="null") == 403
        # a name that was pointed at this machine, with the origin that goes with it
        evil = f"evil.example:{server.port}"
        assert status(server, host=evil, origin=f"http://{evil}") == 403


def test_files(page):
    """Anybody gets the page, with a policy; the model is for who has the token; nothing else is
    there."""

    async def run(server):
        base, token = server.address.split("#")
        async with aiohttp.ClientSession(base) as session:

            async def get(path, **headers):
                async with session.get(path, headers=headers) as r:
                    return r.status, r.headers, await r.read()

            code, headers, body = await get("/")
            assert code == 200 and b"edge-lp" in body
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe-inline" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            for name in web.NAMES:
                assert (await get(f"/{name}"))[0] == 200
            assert (await get("/model.lpb"))[0] == 403
            assert (await get("/model.lpb", Authorization="Bearer x"))[0] == 403
            assert await get("/model.lpb", Authorization=f"Bearer {token}")
            assert (await get("/model.lpb", Authorization=f"Bearer {token}"))[2] == page.ear.data
            for path in ("/../pyproject.toml", "/%2e%2e/pyproject.toml", "/glue.c", "/web.py"):
                assert (await get(path))[0] == 404

    with page.shown:
        asyncio.run(run(page.shown.server))


def test_a_slow_page_holds_nobody_up(page, monkeypatch):
    """It reads nothing for a while: pictures are left out, detections are not."""
    many = 6000
    resume = threading.Event()
    came = []

    async def run(server):
        session, socket = await connected(server)
        await asyncio.get_running_loop().run_in_executor(None, resume.wait)
        async with session:
            async for message in socket:
                came.append(message.data)

    monkeypatch.setattr(web, "GOODBYE", 60.0)
    with page.shown:
        server = page.shown.server
        thread = threading.Thread(target=lambda: asyncio.run(run(server)))
        thread.start()
        assert server.opened.wait(180)
        for i in range(many):
            server.publish(bytes(20_000))
            if i % 100 == 0:
                server.publish({"event": {"t": i}}, keep=True)
        resume.set()
    thread.join(180)
    assert [e["t"] for e in texts(came, "event")] == list(range(0, many, 100))
    pictures = sum(isinstance(m, bytes) for m in came)
    assert 0 < pictures < many and sum(texts(came, "skipped")) <= many - pictures


def test_a_page_that_hangs_up(page):
    with page.shown:
        assert status(page.shown.server) == 101
        hear(page, PCM)
        thread, came = client(page.shown.server)
    thread.join(180)
    assert texts(came, "end") == [True]


def test_addresses():
    assert parse_address("0") == ("127.0.0.1", 0) and parse_address("8765") == ("127.0.0.1", 8765)
    assert parse_address("0.0.0.0:80") == ("0.0.0.0", 80) and parse_address("[::1]:9") == ("::1", 9)
    for wrong in ("x", ":80", "1.2.3.4", "70000", "-1", ""):
        with pytest.raises(EdgeLpError, match="expected"):
            parse_address(wrong)


def test_a_port_that_is_taken(page, tmp_path):
    soundfile.write(tmp_path / "a.wav", PCM, 16000)
    with page.shown:
        taken = str(page.shown.server.port)
        done = subprocess.run(
            [*CLI, "--device", tmp_path / "a.wav", "--web", taken], capture_output=True, text=True
        )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert f"127.0.0.1:{taken} cannot be used" in done.stderr and "--web PORT" in done.stderr


def test_without_the_extra(tmp_path):
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError(name='aiohttp')")
    done = subprocess.run(
        [*CLI, "--device", "x.wav", "--web"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/bin"},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "edge-lp: --web needs the Python package aiohttp: pip install 'edge-lp[web]'\n"
    )
