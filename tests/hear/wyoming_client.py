# SPDX-License-Identifier: Apache-2.0
"""A wake-word service that runs in this process, and clients of it."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from edge_lp.audio.signals import babble
from edge_lp.hear import serve
from edge_lp.model.format import pack
from edge_lp.runtime import FRAME_SECONDS, HOP, Model, Spotter
from random_model import random_spec

pytest.importorskip("wyoming", reason="wyoming is not installed: pip install 'edge-lp[serve]'")
from edge_lp.hear.wyoming import Service
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.ping import Ping, Pong
from wyoming.wake import Detection

PCM = babble(6)
DATA = pack(random_spec(3))  # hears something in everything
MODEL = Model(DATA)
SERVICE = Service(MODEL, MODEL.detector, "m.lpb")


def tail(config):
    return np.zeros(config.tail * HOP, np.int16)


def expected(pcm, service=SERVICE):
    """(word, ms) as `listen` has them."""
    spotter = Spotter(service.model, config=service.config)
    events = spotter.push(np.concatenate([pcm, tail(service.config)]))
    return [(service.model.labels[e.label], round(1000 * e.middle * FRAME_SECONDS)) for e in events]


EXPECTED = expected(PCM)


def chunks(pcm, size=1024, rate=16000, width=2, channels=1, timestamps=False):
    """As a satellite cuts: start, chunks, stop."""
    data = pcm if isinstance(pcm, bytes) else pcm.astype("<i2").tobytes()
    step = size * width * channels
    yield AudioStart(rate, width, channels).event()
    for at in range(0, len(data), step):
        when = at // (width * channels) * 1000 // rate if timestamps else None
        yield AudioChunk(rate, width, channels, data[at : at + step], timestamp=when).event()
    yield AudioStop().event()


def found(events):
    return [
        (d.name, d.timestamp)
        for d in map(Detection.from_event, filter(lambda e: Detection.is_type(e.type), events))
    ]


@contextlib.contextmanager
def running(service=SERVICE):
    """A server in a thread -> (port, its lines); the clients have hung up when it is left."""
    lines, ready, out = [], threading.Event(), {}

    async def run():
        server = serve.Server(service, lines.append)
        await server.start("127.0.0.1", 0)
        out.update(loop=asyncio.get_running_loop(), stop=asyncio.Event(), port=server.port)
        ready.set()
        await out["stop"].wait()
        while server._clients:  # until it has noticed
            await asyncio.sleep(0.01)
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(180)
    try:
        yield out["port"], lines
    finally:
        out["loop"].call_soon_threadsafe(out["stop"].set)
        thread.join(180)
        assert not thread.is_alive()


def ask(port, events, until):
    """Sends events with the library's client -> what came, up to the first of type `until`."""

    async def run():
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for event in events:
                await client.write_event(event)
            came = []
            while not came or came[-1].type != until:
                event = await asyncio.wait_for(client.read_event(), 180)
                if event is None:
                    break
                came.append(event)
            return came

    return asyncio.run(run())


def on(port, *events, pong=True):
    """What comes for events, and a pong behind them that ends it."""
    came = ask(port, [*events, Ping(text="end").event()], "pong")
    assert Pong.from_event(came[-1]).text == "end"
    return came[:-1]
