import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.config import load
from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.edge.app import application, drain
from pepperpy_monitor_svc.edge.tokens import Tokens
from pepperpy_monitor_svc.http.serving import serving
from tests.agents.conftest import working  # noqa: F401 - a fixture
from tests.bus.conftest import bus, eventually, worker  # noqa: F401 - fixtures

CRM, SHOP = "the-token-of-the-crm", "the-token-of-the-shop"


class Caller:
    """Somebody without NATS."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self.http, self.base = http, base
        self.port = int(base.rpartition(":")[2])

    async def ask(
        self, method: str, path: str, token: str = CRM, **options: Any
    ) -> tuple[int, Any, Any]:
        """Status, headers and body, as JSON where it is some."""
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | options.pop(
            "headers", {}
        )
        async with self.http.request(
            method, self.base + path, headers=headers, **options
        ) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, answer.headers, (await answer.json() if is_json and raw else raw)


@pytest.fixture
async def opened(
    bus: Client,  # noqa: F811
    broker: Broker,
    prefix: str,
    tmp_path: Path,
) -> AsyncIterator[Callable[..., Any]]:
    """Serves edges with any settings; they end with the test, or with their own stack."""
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def open_one(own: contextlib.AsyncExitStack = stack, **flags: object) -> Caller:
            if "tokens" not in flags:
                flags["tokens"] = tmp_path / "tokens.toml"
                flags["tokens"].write_text(f'crm = "{CRM}"\nshop = "{SHOP}"\n')
                flags["tokens"].chmod(0o600)
            given = {f"edge.{name}": None if v is None else str(v) for name, v in flags.items()}
            settings = load(
                flags=given | {"nats.url": broker.url, "bus.prefix": prefix}, environ={}
            ).settings
            client = await own.enter_async_context(connect(settings=settings))
            app = application(client, settings, Tokens(settings.edge))
            port = await own.enter_async_context(
                serving(
                    app, settings.edge.host, 0, grace=2, setting="edge", drain=partial(drain, app)
                )
            )
            return Caller(http, f"http://127.0.0.1:{port}")

        yield open_one


@pytest.fixture
async def edge(opened: Callable[..., Any]) -> Caller:
    """An edge with two tokens."""
    return await opened()
