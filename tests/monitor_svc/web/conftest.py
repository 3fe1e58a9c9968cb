import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.http.serving import serving
from pepperpy_monitor_svc.web.app import application
from tests.agents.conftest import working  # noqa: F401 - a fixture
from tests.bus.conftest import bus, eventually, worker  # noqa: F401 - fixtures
from tests.monitor_svc.web.played import TOKEN, monitor

Opened = Callable[..., Any]


class Browser:
    """A client that keeps cookies, as a browser does, and may send what a browser would not."""

    def __init__(self, http: aiohttp.ClientSession, base: str, watched: Any) -> None:
        self.http, self.base, self.watched = http, base, watched
        self.port = int(base.rpartition(":")[2])
        self.csrf = ""

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, said: Any = None, **options: Any) -> tuple[int, Any, Any]:
        headers = {"X-CSRF-Token": self.csrf} | options.pop("headers", {})
        body = {} if said is None else said
        return await self.ask("POST", path, json=body, headers=headers, **options)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, headers and body, as JSON where it is some."""
        async with self.http.request(method, self.base + path, **options) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, answer.headers, (await answer.json() if is_json and raw else raw)

    async def log_in(self, **more: Any) -> None:
        status, _, said = await self.post("/api/login", {"token": TOKEN, **more})
        assert status == 200, said
        self.csrf = said["csrf"]


@pytest.fixture
async def opened(bus: Client) -> AsyncIterator[Opened]:  # noqa: F811
    """Serves dashboards with any settings; they end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(own: contextlib.AsyncExitStack = stack, **options: Any) -> Browser:
            watched = monitor(bus, **options)
            app = application(watched)
            host = watched.settings.monitor.host
            port = await own.enter_async_context(
                serving(app, host, 0, grace=1.0, setting="monitor")
            )
            jar = aiohttp.CookieJar(unsafe=True)
            http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
            return Browser(http, f"http://127.0.0.1:{port}", watched)

        yield open_one


@pytest.fixture
async def browser(opened: Opened) -> Any:
    """A page of a dashboard on loopback that may act."""
    return await opened()
