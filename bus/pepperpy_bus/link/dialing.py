"""The first connection: whether the broker answers, refuses, or is what PepperPy needs."""

import asyncio
import contextlib
import errno
import importlib
import random
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import nats
from nats.aio import transport
from nats.aio.client import Server

from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.link.wire import Wire
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import BadConfig, Unreachable

log = get_log("pepperpy.bus")

MIN_API_LEVEL = 4
"""JetStream API level of nats-server 2.14: message TTL, schedules, batches, async persistence."""

# Between two tries to reconnect: work goes on within two seconds of the broker's return.
_LONGEST_PAUSE = 1.0
_SAY_AFTER = 2.0
_SAY_AGAIN = 30.0
_WEBSOCKETS = ("ws://", "wss://")
_ERRNO = re.compile(r"\[Errno -?\d+\] ")


async def dial(
    wire: Wire,
    options: ConnectionOptions,
    refused: "asyncio.Future[None]",
    **callbacks: Callable[..., Awaitable[None]],
) -> None:
    """Connects for the first time.

    Args:
        wire: What is to be connected.
        options: Where, as whom, and how long to try.
        refused: Gets the error when the broker refuses the user; canceled at the end.
        **callbacks: What the library calls later on, by its own names.

    Raises:
        Unreachable: Nobody answered in time.
        PermissionDenied: The broker refuses the user.
        BadConfig: The address or the credentials cannot be used, or the server lacks something.
    """
    o = options
    where = ", ".join(o.servers)
    if any(server.startswith(_WEBSOCKETS) for server in o.servers):
        _hand_over_websockets()
    auth: dict[str, Any] = {"user": o.user, "password": o.password, "token": o.token}
    connecting = asyncio.create_task(
        wire.connect(
            servers=list(o.servers),
            name=o.name,
            tls=o.tls,
            user_credentials=o.credentials or None,
            inbox_prefix=o.inbox_prefix,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # slept as it is: a float works
            reconnect_to_server_handler=_next_server,
            ping_interval=o.ping_interval,  # type: ignore[arg-type]  # slept as it is
            max_outstanding_pings=2,
            skip_subject_validation=True,
            **callbacks,  # type: ignore[arg-type]  # they are what the library names
            **{name: value for name, value in auth.items() if value},
        ),
        name="bus-connect",
    )
    try:
        await _first_of(wire, o, connecting, refused)
        if refused.done():
            refused.result()
        if not connecting.done():
            why = _words(wire.last_error)
            raise Unreachable(
                f"no broker answered at {where} within {o.connect_timeout:g} s"
                + (f": {why}" if why else ""),
                context={"server": where},
            )
        connecting.result()
    except ssl.SSLError as error:
        raise Unreachable(f"TLS with {where} failed: {error}") from error
    except (nats.errors.Error, OSError, ValueError, ImportError) as error:
        raise BadConfig(
            f"cannot connect to {where}: {error}",
            hint="check the broker's URL and the credentials file",
        ) from error
    finally:
        refused.cancel()
        await _cancel(connecting)
    check_server(wire, options)


def server_of(wire: Wire, options: ConnectionOptions) -> str:
    """Returns the address of the server, without a password."""
    url = wire.connected_url
    return str(url.geturl()) if url else options.servers[0]


def check_server(wire: Wire, options: ConnectionOptions) -> None:
    """Makes sure that the server can what PepperPy needs.

    Raises:
        BadConfig: It cannot.
    """
    info = wire._server_info
    where = f"nats-server {info.get('version', '?')} at {server_of(wire, options)}"
    if not info.get("jetstream"):
        raise BadConfig(
            f"{where} runs without JetStream", hint="start it with -js, or use: pepperpy up"
        )
    if int(info.get("api_lvl", 0)) < MIN_API_LEVEL:
        raise BadConfig(
            f"{where} has JetStream API level {info.get('api_lvl', 0)}, "
            f"PepperPy needs {MIN_API_LEVEL}",
            hint="run nats-server 2.14 or newer",
        )


async def _first_of(
    wire: Wire,
    options: ConnectionOptions,
    connecting: "asyncio.Task[None]",
    refused: "asyncio.Future[None]",
) -> None:
    """Waits until the broker has answered or refused, or the time is over."""
    either, left = {connecting, refused}, options.connect_timeout
    if left is not None:
        await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return
    pause, where = _SAY_AFTER, ", ".join(options.servers)
    while not (connecting.done() or refused.done()):
        await asyncio.wait(either, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        if not (connecting.done() or refused.done()):
            reason, hint = _words(wire.last_error), Unreachable.hint
            log.warning("bus.waiting", server=where, reason=reason, hint=hint)
            pause = _SAY_AGAIN


async def _cancel(task: "asyncio.Task[None]") -> None:
    """Cancels until it has ended: the library, and `wait_for` before 3.12, can miss it once."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
    if not task.cancelled():
        task.exception()  # seen


def _words(error: Exception | None) -> str:
    """Why nobody answered, without the numbers of the system."""
    text = str(error or "")
    numbers = set(_ERRNO.findall(text))
    if numbers == {f"[Errno {errno.ECONNREFUSED}] "}:  # of every address that the name has
        return "nobody listens there"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    return _ERRNO.sub("", text)


def _hand_over_websockets() -> None:
    """Gives the library what it speaks WebSocket with; see the package's beginning."""
    with contextlib.suppress(ImportError):  # without it the library says what to install
        transport.aiohttp = importlib.import_module("aiohttp")  # type: ignore[attr-defined]  # its own


def _next_server(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    """Chooses where to reconnect: the least tried server, after a growing, random delay."""
    server = min(servers, key=lambda s: s.reconnects)
    ceiling = min(_LONGEST_PAUSE, 0.1 * 2 ** min(server.reconnects, 4))
    return server, random.uniform(0.02, ceiling)  # noqa: S311 - spreads load, keeps no secret
