# SPDX-License-Identifier: Apache-2.0
"""Firefox by WebDriver BiDi (w3.org/TR/webdriver-bidi), as Debian ships it: the protocol is JSON
over the WebSocket that `--remote-debugging-port` opens. Playwright drives only a Firefox of its
own, and Selenium a driver that Debian lacks."""

import asyncio
import json
import os
import re
import subprocess

import aiohttp


class Firefox:
    """An async context manager: one page. folder: for its profile; preferences: of about:config."""

    def __init__(self, program, folder, preferences, **environment):
        self._command = [program, "--headless", "--no-remote", "--profile", str(folder)]
        self._environment = {**os.environ, "HOME": str(folder), **environment}
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in preferences.items())
        (folder / "user.js").write_text("".join(lines))

    async def __aenter__(self):
        self._process = subprocess.Popen(
            [*self._command, "--remote-debugging-port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        said = iter(self._process.stderr.readline, "")
        url = next(m[1] for line in said if (m := re.search(r"BiDi listening on (\S+)", line)))
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(f"{url}/session", max_msg_size=0)
        self._calls = 0
        await self.call("session.new", capabilities={})
        (page,) = (await self.call("browsingContext.getTree"))["contexts"]
        self._page = {"context": page["context"]}
        return self

    async def __aexit__(self, *exc):
        await self._session.close()
        self._process.kill()
        self._process.communicate()

    async def call(self, method, **params):
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=180)
            if answer.get("id") == self._calls:  # else an event
                assert answer["type"] == "success", answer
                return answer["result"]

    async def goto(self, url):
        await self.call("browsingContext.navigate", **self._page, url=url, wait="complete")

    async def _evaluate(self, expression):
        answer = await self.call(
            "script.evaluate", expression=expression, target=self._page, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return answer["result"]

    async def js(self, expression):
        return json.loads((await self._evaluate(f"JSON.stringify({expression})"))["value"])

    async def until(self, expression):
        for _ in range(3600):
            if await self.js(f"Boolean({expression})"):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(expression)

    async def _element(self, selector):
        found = await self._evaluate(f"document.querySelector({json.dumps(selector)})")
        return {"sharedId": found["sharedId"]}

    async def choose(self, selector, path):
        """A file, as a person does."""
        element = await self._element(selector)
        await self.call("input.setFiles", **self._page, element=element, files=[str(path)])

    async def click(self, selector):
        """As a person does: sound begins with nothing less."""
        origin = {"type": "element", "element": await self._element(selector)}
        pointer = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        actions = [{"type": "pointer", "id": "mouse", "actions": pointer}]
        await self.call("input.performActions", **self._page, actions=actions)
