"""The MCP servers that agents may use, as the operator declares them: by name, in one file."""

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from pepperpy_bus.files import read_secret
from pepperpy_bus.units import parse_duration
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import BadConfig, BadPayload, NotFound

NAME: Final = re.compile(r"[A-Za-z0-9-]{1,32}", re.ASCII)
"""Names of servers: without ``_``, which parts them from a tool's name where models see both."""

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEMES: Final = ("http", "https")


class MCPServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One server: a program that is started, or an address.

    Attributes:
        command: The program, spoken with over its stdin and stdout.
        args: Its arguments.
        env: What its environment has besides `PATH`, `HOME`, `LANG` and their like.
        cwd: The folder that it is started in; the worker's by default.
        url: The address of a server that is up, spoken with over streamable HTTP.
        headers: What every request to it carries.
        timeout: How long a call of one of its tools may take.
        connect_timeout: How long it may take until it has said what it offers.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    timeout: float | str = 60.0
    connect_timeout: float | str = 30.0


def declared_server(path: Path | None, name: str) -> MCPServer:
    """Returns the server of a name.

    Args:
        path: The file, as the setting ``tools.mcp`` names it.
        name: The name.

    Raises:
        NotFound: No server of that name is declared.
        BadConfig: The file is none, or says of the server what cannot be.
    """
    servers = read_servers(path) if path is not None else {}
    if name not in servers:
        there = f"declared are: {', '.join(servers)}" if servers else "no server is declared"
        raise NotFound(
            f"there is no MCP server {name!r:.80}",
            hint=f"{there}; name a TOML file in tools.mcp, with a table [{name:.32}]",
        )
    return servers[name]


def read_servers(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, MCPServer]:
    """Returns the servers of a file, by name.

    Args:
        path: The file: TOML with a table for each server, or JSON as other clients of MCP have it,
            with ``mcpServers``. It may have secrets in it, so only its owner may read it.
        environ: What ``${NAME}`` stands for in arguments, ``env`` and ``headers``.

    Raises:
        BadConfig: It is no such file; the message names the server and the field.
    """
    text = read_secret(path)
    try:
        table = _json(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}") from None
    variables = os.environ if environ is None else environ
    return {name: _server(f"{path}: [{name:.80}]", name, table[name], variables) for name in table}


def _json(text: str) -> dict[str, Any]:
    servers = msgspec.json.decode(text, type=dict[str, dict[str, dict[str, Any]]])["mcpServers"]
    return {name: {k: v for k, v in one.items() if k != "type"} for name, one in servers.items()}


def _server(where: str, name: str, table: Any, variables: Mapping[str, str]) -> MCPServer:
    if NAME.fullmatch(name) is None:
        raise BadConfig(f"{where}: the name has other characters than A-Z a-z 0-9 -")
    try:
        one = convert(table, MCPServer)
    except BadPayload as error:
        raise BadConfig(f"{where}: {error}") from None
    if bool(one.command) == bool(one.url):
        raise BadConfig(f"{where}: say command or url", hint='command = "my-server"')
    try:
        one = msgspec.structs.replace(
            one,
            args=tuple(_filled(arg, variables) for arg in one.args),
            env={key: _filled(value, variables) for key, value in one.env.items()},
            headers={key: _filled(value, variables) for key, value in one.headers.items()},
            timeout=parse_duration(one.timeout),
            connect_timeout=parse_duration(one.connect_timeout),
        )
    except KeyError as error:
        raise BadConfig(
            f"{where}: the environment has no {error.args[0]}", hint="set it, or write the value"
        ) from None
    if one.timeout == 0 or one.connect_timeout == 0:
        raise BadConfig(f"{where}: a time-out is 0", hint="use more than 0")
    if one.url:
        _refuse_address(where, one)
    return one


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables[found[1]], text)


def _refuse_address(where: str, one: MCPServer) -> None:
    address = urlsplit(one.url)
    if address.scheme not in _SCHEMES or not address.hostname:
        raise BadConfig(f"{where}: url is no http address", hint='url = "https://host/mcp"')
    if one.headers and address.scheme == "http" and not is_loopback(address.hostname):
        raise BadConfig(
            f"{where}: its headers would travel where everybody can read them", hint="use https"
        )


def is_loopback(host: str) -> bool:
    """Returns whether a host is this machine, as its name alone says."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
