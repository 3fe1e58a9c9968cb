"""Opening a client: settings, connection and streams, in this order."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings, load
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.options import connection_options, limits_of
from pepperpy_bus.streams.provision import provision, provisioned
from pepperpy_bus.streams.topology import streams


@contextlib.asynccontextmanager
async def connect(
    url: str | None = None,
    *,
    settings: Settings | None = None,
    context: str | None = None,
    config: str | Path | None = None,
    source: str = "",
    patient: bool = False,
    **flags: object,
) -> AsyncIterator[Client]:
    """Connects to the bus while its context is open.

    Args:
        url: Address of the broker; by default what file and environment say (`PEPPERPY_NATS_URL`).
        settings: Ready settings; nothing is read then.
        context: The context to apply.
        config: The settings file to read.
        source: Who this client is, sent as a claim with every task.
        patient: Wait for the broker for ever, as workers do.
        **flags: More settings by name, with ``__`` for the dot: ``bus__prefix="test"``.

    Raises:
        Unreachable: No broker answered.
        PermissionDenied: The broker refuses the user.
        BadConfig: A setting is wrong, or the server lacks something that PepperPy needs.
    """
    if settings is None:
        given: dict[str, object] = {name.replace("__", "."): flags[name] for name in flags}
        if url is not None:
            given["nats.url"] = url
        settings = load(flags=given, context=context, config=config).settings
    options = connection_options(settings, patient=patient)
    async with open_connection(options) as connection, contextlib.AsyncExitStack() as stack:
        declared = streams(settings.bus.prefix, limits_of(settings))
        if settings.bus.provision == "auto":
            await stack.enter_async_context(provisioned(connection, declared, patient=patient))
        else:
            await provision(connection, declared, create=False)
        yield Client(connection, settings, source=source)
