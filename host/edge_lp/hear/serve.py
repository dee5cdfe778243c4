# SPDX-License-Identifier: Apache-2.0
"""The wake-word service on a socket: any number of bytes from anybody, and it goes on."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.model.find import read_model
from edge_lp.model.tune import tuned
from edge_lp.runtime import Model
from edge_lp.text import Notice, notice

if TYPE_CHECKING:
    from edge_lp.hear.wyoming import Conversation, Service

CLIENTS = 32  # at the same time
LINE = 1 << 16  # bytes of a line of JSON, and of the JSON that may follow it
PAYLOAD = 1 << 20  # bytes of sound in an event: half a minute at 16 kHz
FIRST = 30.0  # seconds in which a client has to say something
PATIENCE = 10.0  # seconds for a client to take what it is told


def serve(uri: str, model: str | None = None, **tuning: Any) -> None:
    """A wake-word service at tcp://HOST:PORT, until it is stopped: KeyboardInterrupt. tuning:
    changes of the detector (model.tune.tuned). EdgeLpError: an address that cannot be used."""
    host, port = parse_uri(uri)
    opened = Model(read_model(model or "commands12"))
    config = tuned(opened.detector, opened.keywords, **tuning)
    try:
        from edge_lp.hear.wyoming import Service
    except ModuleNotFoundError as e:
        raise MissingDependency(
            f"serving needs the Python package {e.name}: pip install 'edge-lp[serve]'"
        ) from None
    asyncio.run(_until_a_signal(Server(Service(opened, config, model or "commands12")), host, port))
    raise KeyboardInterrupt  # what it was stopped by


def parse_uri(uri: str) -> tuple[str, int]:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme != "tcp" or parts.path.strip("/"):
        raise EdgeLpError(f"{uri}: not an address; expected tcp://HOST:PORT, tcp://127.0.0.1:10400")
    return host, port


async def _until_a_signal(server: Server, host: str, port: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, stop.set)
    await server.start(host, port)
    await stop.wait()
    await server.stop()


class Server:
    """note: gets a line when it is ready, and one a connection, at its end. port: which one it got,
    where 0 was asked for."""

    def __init__(self, service: Service, note: Notice = notice) -> None:
        self.service, self.note, self.port = service, note, 0
        self._clients: set[asyncio.Task] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        try:
            self._server = await asyncio.start_server(self._connected, host, port, limit=LINE)
        except (OSError, UnicodeError) as e:
            taken = getattr(e, "errno", None) == errno.EADDRINUSE
            why = "is in use by another program" if taken else f"cannot be used: {_reason(e)}"
            raise EdgeLpError(f"tcp://{host}:{port} {why}; choose another address") from None
        self.port = self._server.sockets[0].getsockname()[1]
        words = ", ".join(self.service.words)
        host = f"[{host}]" if ":" in host else host
        self.note(f"Wyoming at tcp://{host}:{self.port}, listens for {words}; Ctrl-C stops")

    async def stop(self) -> None:
        """No new connection; the open ones are told good-bye by their end."""
        assert self._server
        self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from edge_lp.hear.wyoming import Conversation

        task = asyncio.current_task()
        assert task
        full = len(self._clients) >= CLIENTS
        self._clients.add(task)
        peer, conversation = writer.get_extra_info("peername"), Conversation(self.service)
        # a peer that has lost its power is noticed
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        why = "the service stops"
        try:
            if full:
                why = f"refused: {CLIENTS} clients are connected"
                await _tell_error(writer, why)
            else:
                why = await _talk(conversation, reader, writer)
        except asyncio.CancelledError:
            pass  # stop() did it; this task ends here anyway
        finally:
            self._clients.discard(task)
            writer.close()
            name = f"{peer[0]}:{peer[1]}" if peer else "a client that has gone"
            self.note(f"{name}: {conversation.summary()}; {why}")


async def _talk(
    conversation: Conversation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> str:
    """Until there is nothing more to say -> why."""
    from wyoming.event import async_read_event, async_write_event

    bounded: Any = _Bounded(reader)
    wait: float | None = FIRST
    while True:
        try:
            try:
                event = await asyncio.wait_for(async_read_event(bounded), wait)
            except (AttributeError, KeyError, TypeError, RecursionError):
                raise EdgeLpError("sent what is no event") from None  # it trusts JSON's types
            if event is None:
                if reader.at_eof():
                    return "closed by the client"
                raise EdgeLpError("sent what is no event")  # the library says None to both
            wait = None
            for answer in conversation.answer(event):
                await asyncio.wait_for(async_write_event(answer, writer), PATIENCE)
        except asyncio.TimeoutError:
            writer.transport.abort()  # with what it did not take
            return f"said nothing for {wait:.0f} s" if wait else "does not take what it is told"
        except (OSError, asyncio.IncompleteReadError):
            return "broke off"
        except EdgeLpError as e:
            await _tell_error(writer, why := str(e))
            return why


async def _tell_error(writer: asyncio.StreamWriter, text: str) -> None:
    from wyoming.error import Error
    from wyoming.event import async_write_event

    try:
        await asyncio.wait_for(async_write_event(Error(text=text).event(), writer), PATIENCE)
    except (OSError, asyncio.TimeoutError):
        pass  # it is not heard


class _Bounded:
    """A StreamReader for the library, which reads as many bytes as an event says it has: no more
    than an event may have. ValueError is its sign of what is no event."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self.readline = reader, reader.readline

    async def readexactly(self, n: int) -> bytes:
        if not isinstance(n, int) or n > PAYLOAD:
            raise ValueError(f"{n} bytes in an event")
        return await self._reader.readexactly(n)


def _reason(e: Exception) -> str:
    return getattr(e, "strerror", None) or str(e)
