"""Addresses of stores that are servers: where one is, and that one is malformed; never a login."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pepperpy_schemas.errors import BadConfig

_PLACES: Final = frozenset({"host", "port"})
"""Parameters that name a place, too: a socket's folder has no room before the path."""


def malformed(store: str, hint: str) -> BadConfig:
    """Returns what is wrong with an address that cannot be read.

    What stands in it is not told: a password with a ``/`` or an ``@`` in it is what breaks most.

    Args:
        store: What it was meant to name.
        hint: How addresses of the kind are written.
    """
    return BadConfig(
        f"the address of {store} is malformed",
        hint=f"{hint}; in a login write what is no letter or digit as %40 (@), %2F (/), …",
    )


def place_of(address: str) -> str:
    """Returns `` at HOST:PORT`` for errors; nothing where a login may be in what looks like it."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if "@" in address and "@" not in parts.netloc:
        return ""
    named = dict(each for each in parse_qsl(parts.query) if each[0] in _PLACES)
    host = named.get("host", host)
    port_text = named.get("port", "" if port is None else str(port))
    if not host:
        return ""
    return f" at {host}:{port_text}" if port_text else f" at {host}"
