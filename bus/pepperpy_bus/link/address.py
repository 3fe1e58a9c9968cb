"""The broker's addresses: what stands before the ``@`` is a login, and is shown to nobody."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from pepperpy_schemas.errors import BadConfig

_SCHEME: Final = "nats"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+)(:\d{1,5})?(/\S*)?")


class Login(msgspec.Struct, frozen=True):
    """Who an address says to be; empty where it says nothing."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


def read_servers(urls: Sequence[str]) -> tuple[tuple[str, ...], Login]:
    """Returns the addresses without logins, and the first login among them.

    The login holds for every server: those that a cluster tells of later come without one.

    Raises:
        BadConfig: An address cannot be read; the message does not repeat what may be a password.
    """
    servers: list[str] = []
    found = Login()
    for number, url in enumerate(urls, start=1):
        server, login = split_login(url)
        if _HOST.fullmatch(server.partition("://")[2]) is None:
            raise BadConfig(
                f"nats.url: address {number} cannot be read",
                hint="write it like nats://user:password@host:4222, "
                "and / @ : % , in a password as %2F %40 %3A %25 %2C",
            )
        servers.append(server)
        found = login if found == Login() else found
    return tuple(servers), found


def split_login(url: str) -> tuple[str, Login]:
    """Returns an address without its login, and the login, percent-decoded.

    ``ana:secret@host`` names a user; ``secret@host`` is a token, as for every NATS client.
    """
    scheme, mark, rest = url.strip().rpartition("://")
    # The last one: a password may have an @ that nobody encoded.
    login, _, host = rest.rpartition("@")
    server = f"{scheme if mark else _SCHEME}://{host}"
    user, colon, password = login.partition(":")
    if colon:
        return server, Login(unquote(user), unquote(password))
    return server, Login(token=unquote(user))
