"""The process of the monitor: what it serves, and what it is made of."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from importlib.metadata import version
from typing import Final

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.config.values import Secret
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.options import connection_options
from pepperpy_bus.process import serving
from pepperpy_bus.process.serving import Serving
from pepperpy_bus.services.service import Service
from pepperpy_bus.trust.principals import DEFAULT_INBOX
from pepperpy_monitor_svc.alerts.endpoints import AlertActs
from pepperpy_monitor_svc.alerts.reading import read_rules
from pepperpy_monitor_svc.alerts.receivers import read_notifying
from pepperpy_monitor_svc.endpoints import NAME, Views
from pepperpy_monitor_svc.http.serving import serving as serving_http
from pepperpy_monitor_svc.http.serving import url_of
from pepperpy_monitor_svc.monitor import Monitor
from pepperpy_monitor_svc.snapshots.endpoints import SnapshotActs
from pepperpy_monitor_svc.web.app import application
from pepperpy_schemas.tokens import new_id

CONCURRENCY: Final = 16
"""Requests on the bus that are worked on at a time; each takes milliseconds."""
WAITING: Final = 256
"""Requests that may wait for their turn."""


def run(reloader: Reloader) -> None:
    """Watches, and serves the dashboard, until SIGTERM or SIGINT; a second one ends it at once.

    SIGHUP reads the settings and the alert rules again.

    Raises:
        Unreachable: The broker closed the connection for good.
        BadConfig: An address, a token or the rules are wrong.
    """
    # What is wrong in them is said before the wait for the broker.
    read_rules(reloader.settings.monitor.rules)
    read_notifying(reloader.settings.monitor.notify)
    serving.run(reloader, partial(opened, reloader))


@contextlib.asynccontextmanager
async def opened(reloader: Reloader, client: Client) -> AsyncIterator[Serving]:
    """What this process serves, while its context is open."""
    settings = reloader.settings
    replica = new_id()
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        acting = await enter(_acting(settings)) if settings.monitor.acting_user else None
        at = settings.monitor
        url = url_of(at.host, at.port) if at.port else ""
        monitor = Monitor(client, settings, replica=replica, acting=acting, url=url)
        app = application(monitor)
        await enter(monitor)
        port = await enter(
            serving_http(
                app,
                at.host,
                at.port,
                grace=at.grace,
                setting=NAME,
            )
        )
        monitor.url = url_of(at.host, port)
        views = Views(monitor)
        yield Serving(
            replica=replica,
            services=[_service(client, monitor, views)],
            slots=CONCURRENCY,
            running=lambda: views.running,
            reload=lambda: monitor.reload(reloader.settings),
            facts={"dashboard": monitor.url, "acts": acting is not None},
        )


@contextlib.asynccontextmanager
async def _acting(settings: Settings) -> AsyncIterator[Client]:
    """A client with the rights that acts of people have."""
    login = msgspec.structs.replace(
        settings.nats,
        user=settings.monitor.acting_user,
        password=settings.monitor.acting_password,
        token=Secret(),
        credentials=None,
        inbox_prefix=DEFAULT_INBOX,
    )
    as_them = msgspec.structs.replace(settings, nats=login)
    async with open_connection(connection_options(as_them)) as connection:
        yield Client(connection, as_them, source=f"{NAME}/dashboard")


def _service(client: Client, monitor: Monitor, views: Views) -> Service:
    return Service(
        client.connection,
        client.prefix,
        NAME,
        version=version("pepperpy"),
        description="What happens on the bus.",
        endpoints=[
            *views.endpoints(),
            *AlertActs(monitor.alerts, monitor.audit).endpoints(),
            *SnapshotActs(monitor.snapshots, monitor.audit).endpoints(),
        ],
        concurrency=CONCURRENCY,
        waiting=WAITING,
        grace=monitor.settings.monitor.grace,
        threshold=monitor.settings.bus.blob_threshold,
    )
