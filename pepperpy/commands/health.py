"""`pepperpy health`: one question to a worker or the broker, for health checks of containers.

A container asks every few seconds: nothing is imported here that the question does not need.
"""

import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

_TIMEOUT = 3.0
_LONGEST_HEAD = 4096
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - asked, not bound


def command(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Ask there, whatever the settings say.", show_default=False
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Does the worker run at all?")] = False,
    ready: Annotated[
        bool, typer.Option("--ready", help="Does it take tasks? The default.")
    ] = False,
) -> None:
    """Ask the worker of this machine whether it is well; exit 0 or 1.

    It asks at worker.health_host and worker.health_port; where no port is set, it asks the broker.
    """
    from pepperpy.commands._session import options_of

    if live and ready:
        raise typer.BadParameter("use one of --live and --ready")
    options = options_of(ctx)
    asked = url or _worker_url(options.config, options.context)
    well, said = _ask(asked, "/livez" if live else "/readyz") if asked else _ask_broker(ctx)
    typer.echo(said)
    if not well:
        raise typer.Exit(1)


def quick(arguments: list[str]) -> int | None:
    """Answers as `command` does where a worker is asked without further ado; None elsewhere.

    Parsing with typer costs twice what the question costs, every few seconds in every container.
    """
    match arguments:
        case [] | ["--ready"] | ["--live"]:
            url = _worker_url(None, None)
        case ["--url", url]:
            pass
        case _:
            return None
    if url is None:
        return None
    well, said = _ask(url, "/livez" if "--live" in arguments else "/readyz")
    sys.stdout.write(f"{said}\n")
    return 0 if well else 1


def _worker_url(config: Path | None, context: str | None) -> str | None:
    from pepperpy_bus.config import peek

    host, port = "worker.health_host", "worker.health_port"
    found = peek(host, port, config=config, context=context)
    if port not in found:
        return None
    if str(found[port]) == "0":
        raise typer.BadParameter(
            f"{port} is 0, a free port: the worker's log names it", param_hint="--url"
        )
    address = str(found.get(host, ""))
    return f"http://{_authority(_EVERYWHERE.get(address, address), found[port])}"


def _authority(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ask(url: str, path: str) -> tuple[bool, str]:
    """Asks over HTTP; whether it is well, and a line that says so."""
    from pepperpy_bus.redaction import escape

    host, port, path = _parts(url, path)
    where = escape(f"http://{_authority(host, port)}{path}")
    try:
        status = _status(host, port, path)
    except OSError as error:
        return False, f"unreachable: {where}: {error.strerror or error}"
    if status is None:
        return False, f"unhealthy: {where} speaks no HTTP"
    return status == 200, f"{'ok' if status == 200 else 'unhealthy'}: {where} answers {status}"


def _parts(url: str, path: str) -> tuple[str, int, str]:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or 80
    except ValueError as error:
        raise typer.BadParameter(f"{url!r}: {error}", param_hint="--url") from None
    if parts.scheme != "http" or not parts.hostname:
        raise typer.BadParameter(f"{url!r} is not like http://host:port", param_hint="--url")
    return parts.hostname, port, parts.path.rstrip("/") or path


def _status(host: str, port: int, path: str) -> int | None:
    """The status code of a GET; `http.client` would cost more than the rest of the command."""
    request = f"GET {path} HTTP/1.1\r\nHost: {_authority(host, port)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, port), timeout=_TIMEOUT) as connection:
        connection.sendall(request.encode("ascii", "replace"))
        head = b""
        while b"\n" not in head and len(head) < _LONGEST_HEAD:
            part = connection.recv(_LONGEST_HEAD)
            if not part:
                break
            head += part
    words = head.split(maxsplit=2)
    known = len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit()
    return int(words[1]) if known else None


def _ask_broker(ctx: typer.Context) -> tuple[bool, str]:
    from pepperpy.commands._link import open_link
    from pepperpy.commands._session import run
    from pepperpy_bus.redaction import escape
    from pepperpy_schemas.errors import PepperError

    async def ask() -> str:
        async with open_link(ctx) as link:
            return f"nats-server {link.connection.server_version} at {link.connection.server}"

    try:
        return True, f"ok: {run(ask())}"
    except PepperError as error:
        return False, escape(f"unhealthy: {error.message}")
