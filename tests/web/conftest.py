# SPDX-License-Identifier: Apache-2.0
"""A browser for all tests of the page."""

import shutil

import pytest


@pytest.fixture(scope="module")
def chromium():
    """arguments -> a running Chromium. Of one module: while it is there, asyncio.run is not."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as p:
        yield lambda *arguments: p.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-background-networking", *arguments],
        )
