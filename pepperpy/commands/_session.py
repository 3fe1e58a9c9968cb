"""What a command works with: the options before its name, the settings in force, the bus."""

import asyncio
import contextlib
import getpass
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import typer

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.config import Loaded

T = TypeVar("T")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options before the command; None where not given.

    Attributes:
        nats: Address of the broker.
        context: The context to apply.
        config: The settings file to read.
        prefix: First token of the deployment's subjects.
        log_level: The least level that is logged.
        log_format: The form of the logs.
    """

    nats: str | None = None
    context: str | None = None
    config: Path | None = None
    prefix: str | None = None
    log_level: str | None = None
    log_format: str | None = None

    def flags(self) -> dict[str, object]:
        """Returns those that are settings, by the setting's name."""
        return {
            "nats.url": self.nats,
            "bus.prefix": self.prefix,
            "log.level": self.log_level,
            "log.format": self.log_format,
        }


def options_of(ctx: typer.Context) -> Options:
    """Returns the options before the command."""
    return ctx.obj if isinstance(ctx.obj, Options) else Options()


def load_settings(ctx: typer.Context, config: Path | None = None) -> "Loaded":
    """Returns the settings in force.

    Args:
        ctx: The command's context.
        config: A file to read instead of the one in force.
    """
    from pepperpy_bus.config import load

    options = options_of(ctx)
    return load(flags=options.flags(), config=config or options.config, context=options.context)


def start(ctx: typer.Context) -> "Loaded":
    """Returns the settings in force, its warnings said and the logs set up for a short command."""
    from pepperpy.commands._failure import say
    from pepperpy_bus.logs import configure

    loaded = load_settings(ctx)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    log = loaded.settings.log
    if loaded.origins.get("log.level", "default") != "default":
        configure(log.level, log.format)
    else:
        # A command says itself what a log of the connection would say again.
        configure("warning", log.format)
        logging.getLogger("pepperpy.bus").setLevel(logging.CRITICAL)
    return loaded


@contextlib.asynccontextmanager
async def open_bus(ctx: typer.Context) -> "AsyncIterator[Client]":
    """Connects to the bus with the settings in force."""
    loaded = start(ctx)
    from pepperpy_bus.opening import connect

    async with connect(settings=loaded.settings, source=source()) as client:
        yield client


def say_when_away(client: "Client") -> None:
    """Says on stderr when the broker goes away and comes back, for commands that last."""
    from pepperpy.commands._failure import say

    client.on_disconnect(lambda: say(f"the broker at {client.connection.server} is away: waiting"))
    client.on_reconnect(lambda: say(f"the broker at {client.connection.server} is back"))


def source() -> str:
    """Returns who this is, as the ``Pp-Source`` of what it sends: ``cli/<user>``."""
    try:
        return f"cli/{getpass.getuser()}"
    except (OSError, KeyError):  # a container's user without a name
        return f"cli/{os.getuid()}"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine to its end."""
    return asyncio.run(coroutine)
