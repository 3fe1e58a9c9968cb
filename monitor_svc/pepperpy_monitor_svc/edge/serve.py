"""The process of the HTTP edge."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from pepperpy_bus.client import Client
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import get_log
from pepperpy_bus.process import serving
from pepperpy_bus.process.serving import Serving
from pepperpy_monitor_svc.edge.app import WAITING, application, drain
from pepperpy_monitor_svc.edge.parts import PARTS
from pepperpy_monitor_svc.edge.tokens import Tokens
from pepperpy_monitor_svc.http.serving import serving as serving_http
from pepperpy_monitor_svc.http.serving import url_of
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.edge")

NAME: Final = "edge"
_LAST_WORDS: Final = 3.0
"""Seconds after the grace in which those that waited are told where to ask."""


def run(reloader: Reloader) -> None:
    """Takes tasks over HTTP until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP reads the settings and the tokens again.

    Raises:
        Unreachable: The broker closed the connection for good.
        BadConfig: The address or a token is wrong.
    """
    # What is wrong in them is said before the wait for the broker.
    tokens = Tokens(reloader.settings.edge)
    serving.run(reloader, partial(opened, reloader, tokens))


@contextlib.asynccontextmanager
async def opened(reloader: Reloader, tokens: Tokens, client: Client) -> AsyncIterator[Serving]:
    """What this process serves, while its context is open."""
    edge = reloader.settings.edge
    app = application(client, reloader.settings, tokens)
    listening = serving_http(
        app, edge.host, edge.port, grace=_LAST_WORDS, setting=NAME, drain=partial(drain, app)
    )

    async def reload() -> None:
        tokens.reload()
        log.info("edge.tokens_read", callers=tokens.names)

    async with listening as port:
        yield Serving(
            replica=new_id(),
            services=(),
            called=NAME,
            slots=WAITING,
            running=lambda: app[PARTS].waiting.number,
            reload=reload,
            facts={"url": url_of(edge.host, port), "callers": tokens.names},
        )
