"""Who may speak with our MCP server over HTTP: a token, and pages of other sites refused.

A page in a browser reaches servers on the same machine, and a name that turns into 127.0.0.1 (DNS
rebinding) makes them the page's own. What gives it away is the name: it stands in `Host`.
"""

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.mcp.declared import is_loopback
from pepperpy_schemas.errors import BadConfig

if TYPE_CHECKING:
    from mcp.server.transport_security import TransportSecuritySettings

_SHORTEST: Final = 16
"""Characters of a token."""
_OPEN: Final = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - what is compared, nothing is bound
"""Addresses that stand for all of a machine's: no caller names them."""


def refuse_open(host: str, token: str, allowed: Iterable[str]) -> None:
    """Refuses to serve where others than this machine can call, and nothing keeps them out.

    Raises:
        BadConfig: There is no token, a short one, or no name that callers may use.
    """
    if token and len(token) < _SHORTEST:
        raise BadConfig(f"tools.mcp_token has fewer than {_SHORTEST} characters")
    if not is_loopback(host) and not token:
        raise BadConfig(
            f"others than this machine could call {host or '0.0.0.0'}, without a token",  # noqa: S104 - not bound
            hint="set tools.mcp_token (PEPPERPY_TOOLS_MCP_TOKEN), or serve on 127.0.0.1",
        )
    if host in _OPEN and not list(allowed):
        raise BadConfig(
            "nobody could call it: by which name do callers know this machine?",
            hint="say it: --allow-host NAME",
        )


def accepted(host: str, port: int, allowed: Iterable[str]) -> "TransportSecuritySettings":
    """Returns the names and origins that requests may have.

    Args:
        host: Where it listens.
        port: Where it listens.
        allowed: More names, with or without a port, such as those of a proxy before it.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    own = ("127.0.0.1", "localhost", "[::1]") if is_loopback(host) else (_bracketed(host),)
    hosts = [f"{one}:{port}" for one in own]
    for one in allowed:
        hosts += [one] if ":" in one.rpartition("]")[2] else [one, f"{one}:{port}"]
    origins = [f"{scheme}://{one}" for one in hosts for scheme in ("http", "https")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Guarded:
    """An application that only callers with the token reach.

    Args:
        app: The application.
        token: The token; empty lets everybody in who comes as far as here.
    """

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request, or passes it on."""
        if scope["type"] == "http" and not self._admits(dict(scope["headers"])):
            headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)

    def _admits(self, headers: dict[bytes, bytes]) -> bool:
        given = headers.get(b"authorization", b"")
        return not self._expected or hmac.compare_digest(given, self._expected)
