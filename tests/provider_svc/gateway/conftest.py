"""A provider service of a test's own, in this process, and a client that asks it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.llm.client import LLM
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Service
from pepperpy_provider_svc.gateway.gateway import NAME, Gateway
from pepperpy_provider_svc.offer import Offer
from tests.agents.conftest import eventually  # noqa: F401 - a fixture
from tests.provider_svc.asking import Planned, Step

SCRIPT = """
[providers.script]
kind = "scripted"
script = "answers.yaml"

[models.default]
targets = ["script/any"]
"""

Serving = Callable[..., AbstractAsyncContextManager[Offer]]


def planned(offer: Offer, *steps: Step, provider: str = "script") -> Planned:
    """Has a plan in the place of a provider."""
    upstream = Planned(*steps)
    offer.parts.router._upstreams[provider] = upstream  # type: ignore[index] # it is a dict
    return upstream


@pytest.fixture
def serving(broker: Broker, prefix: str, tmp_path: Path) -> Serving:
    """`async with serving(answers, declaration) as offer:` serves what the two files say."""

    @contextlib.asynccontextmanager
    async def serve(
        answers: str = "- text: Hello.\n",
        declaration: str = SCRIPT,
        *,
        files: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        keepalive: float = 5.0,
        url: str = "",
        **options: Any,
    ) -> AsyncIterator[Offer]:
        for name, text in {"answers.yaml": answers, **(files or {})}.items():
            (tmp_path / name).write_text(text)
        path = tmp_path / "models.toml"
        path.write_text(declaration)
        async with (
            connect(url or broker.url, bus__prefix=prefix) as client,
            Offer(client, path, environ or {}) as offer,
        ):
            gateway = Gateway(lambda: offer.parts, replica="r1", keepalive=keepalive)
            service = Service(
                client.connection,
                prefix,
                NAME,
                version="1.0.0",
                endpoints=gateway.endpoints(),
                hide=offer.hide,
                max_request=lambda: offer.parts.declaration.guards.max_request,
                **options,
            )
            async with service:
                yield offer

    return serve


@pytest.fixture
async def client(broker: Broker, prefix: str) -> AsyncIterator[Client]:
    """A client of the bus."""
    async with connect(broker.url, bus__prefix=prefix) as one:
        yield one


@pytest.fixture
def llm(client: Client) -> LLM:
    """What asks models, as anybody does."""
    return client.llm
