"""The broker as it is: a connection for commands that must not create what they look for."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
import typer

from pepperpy.commands._session import start

if TYPE_CHECKING:
    from pepperpy_bus.audit import Audit
    from pepperpy_bus.config import Settings
    from pepperpy_bus.link.connection import Connection
    from pepperpy_bus.streams.topology import Config


class Link(msgspec.Struct, frozen=True):
    """An open connection with the settings that it was made from."""

    connection: "Connection"
    settings: "Settings"

    @property
    def prefix(self) -> str:
        """The deployment's prefix."""
        return self.settings.bus.prefix

    @property
    def audit(self) -> "Audit":
        """Where a command says what it is about to do."""
        from pepperpy.commands._session import source
        from pepperpy_bus.audit import Audit

        return Audit(self.connection, self.prefix, source=source())

    def declared(self) -> "list[Config]":
        """Returns the streams as the settings declare them."""
        from pepperpy_bus.options import limits_of
        from pepperpy_bus.streams.topology import streams

        return streams(self.prefix, limits_of(self.settings))


@contextlib.asynccontextmanager
async def open_link(ctx: typer.Context) -> "AsyncIterator[Link]":
    """Connects to the broker with the settings in force, and changes nothing there."""
    settings = start(ctx).settings
    from pepperpy_bus.link.connection import open_connection
    from pepperpy_bus.options import connection_options

    async with open_connection(connection_options(settings)) as connection:
        yield Link(connection, settings)
