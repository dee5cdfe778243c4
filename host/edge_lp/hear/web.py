# SPDX-License-Identifier: Apache-2.0
"""The web page of host/web on a socket, and messages to whoever has it open: in a thread of its
own, so that a slow browser holds nobody up. Needs the package aiohttp."""

from __future__ import annotations

import asyncio
import hmac
import json
import queue
import secrets
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from edge_lp.errors import EdgeLpError

NAMES = "index.html style.css app.js picture.js sources.js spotter.js worklet.js".split()
WASM = "edge_lp.wasm"
PAGES = 16  # that are open at the same time
BEHIND = 250  # messages that wait for a page before pictures are left out, 10 s
KEPT = 200  # detections and notices that a page gets which is opened later
ASKED = 1000  # bytes of what a page may ask for
GOODBYE = 5.0  # seconds for the pages to take what is left
# scripts of this server and WebAssembly, no frames, no forms, nothing from elsewhere
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src data:; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def files() -> dict[str, Path]:
    """Name on the server -> file: of the package, or of the project it was installed from, where
    `make web` builds the WebAssembly. That may be absent."""
    package = Path(__file__).resolve().parents[1]
    root = package.parents[1]
    found = {}
    for name in (*NAMES, WASM):
        places = (root / "host" / "web", root / "build" / "web", package / "web")
        path = next((p / name for p in places if (p / name).is_file()), None)
        if path:
            found[name] = path
    return found


class Mail:
    """What waits for one page: detections and notices in any case, pictures while there is room."""

    def __init__(self) -> None:
        self._waiting: deque[str | bytes] = deque()
        self._some, self.skipped, self.closed = asyncio.Event(), 0, False

    def put(self, message: str | bytes) -> None:
        if isinstance(message, bytes) and len(self._waiting) >= BEHIND:
            self.skipped += 1
            return
        if len(self._waiting) >= 4 * BEHIND:
            self.close()
            return
        self._waiting.append(message)
        self._some.set()

    def close(self) -> None:
        self.closed = True
        self._some.set()

    async def get(self) -> str | bytes | None:
        while not self._waiting:
            if self.closed:
                return None
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()


class WebServer:
    """A context manager. hello: what a page is told first, as JSON; model: its .lpb; opened: set
    when somebody has opened the page; asked: what pages ask for, checked by who takes it.

    The files are anybody's; the model and the stream need the token in the address's fragment,
    which no server and no log sees, and the stream the page's own origin, too. EdgeLpError: an
    address that cannot be used."""

    def __init__(self, host: str, port: int, hello: Callable[[], dict], model: bytes) -> None:
        self.host, self.port, self._hello, self._model = host, port, hello, model
        self.token = secrets.token_urlsafe(16)
        self.opened = threading.Event()
        self.asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._files = files()
        self._mails: set[Mail] = set()
        self._kept: deque[str] = deque(maxlen=KEPT)
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._ready: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def address(self) -> str:
        return f"http://{self._name()}/#{self.token}"

    def _name(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    # -- of the thread that listens

    def __enter__(self) -> WebServer:
        self._thread.start()
        if (failed := self._ready.get()) is not None:
            self._thread.join()
            why = getattr(failed, "strerror", None) or str(failed)
            raise EdgeLpError(
                f"{self._name()} cannot be used: {why}; choose another port: --web PORT"
            )
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def publish(self, message: dict | bytes, keep: bool = False) -> None:
        """To every page; keep: also to those that are opened later."""
        if not self._loop.is_closed():  # notices may come behind the end
            self._loop.call_soon_threadsafe(self._publish, message, keep)

    # -- of the server's own thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._file)
        app.router.add_get("/model.lpb", self._lpb)
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/{name}", self._file)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port)
            try:
                await site.start()
            except (OSError, UnicodeError, OverflowError) as e:
                self._ready.put(e)
                return
            self.port = runner.addresses[0][1]
            self._ready.put(None)
            await self._end.wait()
            for mail in self._mails:
                mail.close()
            for _ in range(round(GOODBYE / 0.05)):
                if not self._mails:
                    break
                await asyncio.sleep(0.05)
        finally:
            await runner.cleanup()

    def _publish(self, message: dict | bytes, keep: bool) -> None:
        text = message if isinstance(message, bytes) else json.dumps(message)
        if keep and isinstance(text, str):
            self._kept.append(text)
        for mail in self._mails:
            mail.put(text)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """A name that somebody points at this machine is not this machine."""
        mine = {self._name(), f"localhost:{self.port}"}
        if self.host not in ("0.0.0.0", "::") and request.host not in mine:
            raise web.HTTPForbidden(text="another host's name")
        response = await handler(request)
        return response

    def _headers(self, request: web.Request) -> dict[str, str]:
        return {
            "Content-Security-Policy": POLICY.format(host=request.host),
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        if name not in self._files:
            raise web.HTTPNotFound()
        return web.FileResponse(self._files[name], headers=self._headers(request))

    async def _lpb(self, request: web.Request) -> web.StreamResponse:
        self._check(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return web.Response(body=self._model, headers=self._headers(request))

    def _check(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise web.HTTPForbidden(text="the token is not that of the printed address")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self._check(request.query.get("token", ""))
        if request.headers.get("Origin") != f"http://{request.host}":
            raise web.HTTPForbidden(text="a page of another origin")
        if len(self._mails) >= PAGES:
            raise web.HTTPServiceUnavailable(text=f"{PAGES} pages are open")
        socket, mail = web.WebSocketResponse(max_msg_size=ASKED, heartbeat=10), Mail()
        await socket.prepare(request)
        mail.put(json.dumps({"hello": self._hello()}))
        for text in self._kept:
            mail.put(text)
        self._mails.add(mail)
        self.opened.set()
        writer = asyncio.create_task(_write(socket, mail))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._ask(message.data)
        finally:
            self._mails.discard(mail)
            writer.cancel()
        return socket

    def _ask(self, text: str) -> None:
        try:
            self.asked.put(json.loads(text))
        except (ValueError, RecursionError):
            pass  # nobody but the page has the token: what it does not say is nothing


async def _write(socket: web.WebSocketResponse, mail: Mail) -> None:
    try:
        while (message := await mail.get()) is not None:
            if mail.skipped:
                skipped, mail.skipped = mail.skipped, 0
                await socket.send_str(json.dumps({"skipped": skipped}))
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
        await socket.close()
    except OSError:
        pass  # the page has gone; its reader notices
