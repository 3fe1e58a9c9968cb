"""How to reach the broker."""

import ssl
from typing import Self

import msgspec

from pepperpy_bus.link.address import read_servers

DEFAULT_URL = "nats://127.0.0.1:4222"
"""Where a broker on this machine listens, unless it is told otherwise."""


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the broker.

    Attributes:
        servers: URLs; any of them will do. A login in one of them holds where none is given here.
        name: Shown in the server's list of connections.
        user: User name, or empty.
        password: Its password.
        token: A token instead of both.
        credentials: Path of a ``.creds`` file, or empty.
        tls: A ready TLS context for ``tls://`` servers.
        inbox_prefix: First tokens of every reply subject; one per principal.
        connect_timeout: Seconds to wait for the first connection; None waits for ever.
        request_timeout: Seconds that a request waits for its answer by default.
        ping_interval: Seconds between two pings; a link is given up when two are unanswered.
    """

    servers: tuple[str, ...] = (DEFAULT_URL,)
    name: str = "pepperpy"
    user: str = ""
    password: str = ""
    token: str = ""
    credentials: str = ""
    tls: ssl.SSLContext | None = None
    inbox_prefix: str = "_INBOX"
    connect_timeout: float | None = 5.0
    request_timeout: float = 5.0
    ping_interval: float = 10.0

    def __repr__(self) -> str:
        return f"ConnectionOptions(name={self.name!r}, user={self.user!r})"

    def with_login(self) -> Self:
        """Returns the same with the login of the URLs taken out of them.

        Raises:
            BadConfig: A URL cannot be read.
        """
        servers, login = read_servers(self.servers)
        if self.user or self.token or self.credentials:
            return msgspec.structs.replace(self, servers=servers)
        return msgspec.structs.replace(self, servers=servers, **msgspec.structs.asdict(login))
