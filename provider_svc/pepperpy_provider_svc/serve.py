"""The process of the provider service: what it serves, and what it is made of."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from functools import partial
from importlib.metadata import version

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.process import serving
from pepperpy_bus.process.serving import Serving
from pepperpy_bus.services.service import Service
from pepperpy_provider_svc.declared.reading import read_declaration
from pepperpy_provider_svc.gateway.gateway import NAME, Gateway
from pepperpy_provider_svc.offer import Make, Offer
from pepperpy_provider_svc.upstreams.declared import make_upstreams
from pepperpy_schemas.tokens import new_id

_CHATTY = ("httpx2", "httpcore2", "openai", "anthropic")
"""Libraries that log every request at the level of what matters."""


def run(reloader: Reloader, environ: Mapping[str, str] = os.environ) -> None:
    """Serves in this process until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP reads settings, declaration and keys again; another file of a declaration needs a
    restart.

    Raises:
        Unreachable: The broker closed the connection for good.
        BadConfig: The declaration is wrong, or a key is not where it says.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = reloader.settings
    # What is wrong in it is said before the wait for the broker.
    read_declaration(settings.provider.declaration, environ)
    serving.run(reloader, partial(opened, settings, environ))


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    environ: Mapping[str, str],
    client: Client,
    *,
    make: Make = make_upstreams,
) -> AsyncIterator[Serving]:
    """What this process serves, while its context is open."""
    provider = settings.provider
    async with Offer(client, provider.declaration, environ, make=make) as offer:
        replica = new_id()
        gateway = Gateway(lambda: offer.parts, replica=replica)
        service = Service(
            client.connection,
            client.prefix,
            NAME,
            version=version("pepperpy"),
            description="Language models behind one gateway.",
            endpoints=gateway.endpoints(),
            concurrency=provider.concurrency,
            waiting=provider.waiting,
            grace=provider.grace,
            threshold=settings.bus.blob_threshold,
            hide=offer.hide,
            max_request=lambda: offer.parts.declaration.guards.max_request,
        )
        yield Serving(
            replica=replica,
            services=[service],
            slots=provider.concurrency,
            running=lambda: gateway.running,
            reload=offer.reload,
            facts={
                "models": sorted(offer.parts.declaration.models),
                "providers": sorted(offer.parts.declaration.providers),
            },
        )
