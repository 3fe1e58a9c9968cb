"""The configuration text of a nats-server, from data."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pepperpy_bus.trust.grants import Permissions
from pepperpy_bus.trust.principals import ANONYMOUS, ROLES, Role
from pepperpy_bus.trust.roles import anonymous_permissions, permissions

Durability = Literal["fast", "strict"]

#: The account of users and streams where the server tells of traces.
ACCOUNT = "PEPPERPY"
#: How often the server's file store is synced to the disk.
SYNC_INTERVAL: dict[Durability, str] = {"fast": "100ms", "strict": "always"}


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the server with its permissions; None means that it may do everything."""

    user: str
    password: str
    permissions: Permissions | None = None

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password='***')"


class ServerConf(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a nats-server of ours is told."""

    server_name: str
    store_dir: Path
    host: str = "127.0.0.1"
    #: -1 takes a free port from the kernel; it is found in `ports_file_dir`.
    port: int = -1
    #: HTTP monitoring on `monitor_host`; None turns it off, -1 takes a free port.
    monitor_port: int | None = None
    monitor_host: str = "127.0.0.1"
    ports_file_dir: Path | None = None
    #: fast loses at most 100 ms of acknowledged messages at a power loss, strict none.
    durability: Durability = "fast"
    #: Bytes of one message, headers included; more is refused by cutting the connection.
    max_payload: int = 1024 * 1024
    max_connections: int = 4096
    #: Bytes of one protocol line: bounds subjects and keys.
    max_control_line: int = 4096
    #: Bytes of the file store; None leaves three quarters of the free disk.
    max_file_store: int | None = None
    logins: tuple[Login, ...] = ()
    #: The login that a client without credentials becomes; None refuses such a client.
    anonymous: str | None = None
    #: Port that the servers of a cluster meet on; None for a single server.
    cluster_port: int | None = None
    #: The cluster ports of all its servers.
    routes: tuple[int, ...] = ()
    #: Subject on which the server tells what it did with messages of traces; None for nothing.
    #: Users and streams are then in an account of their own, for the default one cannot.
    hops: str | None = None
    #: A file beside the configuration that holds the `authorization` block.
    include: str | None = None


def new_password() -> str:
    """Return 32 random bytes as text that needs no quoting in a URL."""
    return secrets.token_urlsafe(32)


def role_logins(
    passwords: Mapping[Role, str] | None = None, *, prefix: str = "pp", anonymous: bool = False
) -> tuple[Login, ...]:
    """Return one login per role, named after it.

    Args:
        passwords: By role; fresh ones when None.
        prefix: The deployment's prefix.
        anonymous: Whether there is a login for clients without credentials, `ANONYMOUS`.
    """
    passwords = passwords or {role: new_password() for role in ROLES}
    principals = (*ROLES, ANONYMOUS) if anonymous else ROLES
    logins = [
        Login(
            user=role,
            password=passwords[role],
            permissions=permissions(role, prefix=prefix, principals=principals),
        )
        for role in ROLES
    ]
    if anonymous:
        allowed = anonymous_permissions(prefix)
        logins.append(Login(user=ANONYMOUS, password=new_password(), permissions=allowed))
    return tuple(logins)


def quoted(text: str | Path) -> str:
    """Return a string literal that the server's parser reads back unchanged.

    Raises:
        ValueError: The text holds a character that the parser has no spelling for.
    """
    text = str(text)
    if not text.isprintable():
        raise ValueError(f"nats-server's configuration cannot hold {text!r}: not printable")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render(conf: ServerConf) -> str:
    """Return the server's configuration file; equal data gives equal text."""
    return "\n".join(_lines(conf)) + "\n"


def render_authorization(logins: Iterable[Login], *, anonymous: str | None = None) -> str:
    """Return the text of the users, to be included in a configuration file."""
    return "\n".join(_authorization(tuple(logins), anonymous)) + "\n"


def _lines(conf: ServerConf) -> Iterator[str]:
    yield f"server_name: {quoted(conf.server_name)}"
    yield f"host: {quoted(conf.host)}"
    yield f"port: {conf.port}"
    if conf.monitor_port is not None:
        yield f"http: {quoted(f'{conf.monitor_host}:{conf.monitor_port}')}"
    if conf.ports_file_dir is not None:
        yield f"ports_file_dir: {quoted(conf.ports_file_dir)}"
    yield f"max_payload: {conf.max_payload}"
    yield f"max_connections: {conf.max_connections}"
    yield f"max_control_line: {conf.max_control_line}"
    yield "jetstream {"
    yield f"  store_dir: {quoted(conf.store_dir)}"
    yield f"  sync_interval: {quoted(SYNC_INTERVAL[conf.durability])}"
    if conf.max_file_store is not None:
        yield f"  max_file_store: {conf.max_file_store}"
    yield "}"
    if conf.cluster_port is not None:
        routes = ", ".join(quoted(f"nats://{conf.host}:{port}") for port in conf.routes)
        yield "cluster {"
        yield '  name: "pepperpy"'
        yield f"  listen: {quoted(f'{conf.host}:{conf.cluster_port}')}"
        yield f"  routes: [{routes}]"
        yield "}"
    if conf.include is not None:
        yield f"include {quoted(conf.include)}"
    if conf.hops is not None:
        yield from _account(conf, conf.hops)
    elif conf.logins:
        yield from _authorization(conf.logins, conf.anonymous)


def _account(conf: ServerConf, hops: str) -> Iterator[str]:
    """An account that tells of traces: all messages of those that are sampled."""
    yield "accounts {"
    yield f"  {ACCOUNT} {{"
    yield "    jetstream: enabled"
    yield f"    msg_trace {{ dest: {quoted(hops)}, sampling: 100 }}"
    yield from _users(tuple(_telling(login, hops) for login in conf.logins))
    yield "  }"
    yield "}"
    yield from _nobody(conf.logins, conf.anonymous)


def _telling(login: Login, hops: str) -> Login:
    """The login of somebody whose messages the server may tell of.

    The server refuses messages whose senders may not publish where it would tell of them.
    """
    if login.permissions is None:
        return login
    allowed = login.permissions + Permissions(publish=(hops,))
    return msgspec.structs.replace(login, permissions=allowed)


def _authorization(logins: tuple[Login, ...], anonymous: str | None) -> Iterator[str]:
    yield "authorization {"
    yield from _users(logins)
    yield "}"
    yield from _nobody(logins, anonymous)


def _users(logins: tuple[Login, ...]) -> Iterator[str]:
    yield "  users: ["
    for login in logins:
        yield from _user(login)
    yield "  ]"


def _nobody(logins: tuple[Login, ...], anonymous: str | None) -> Iterator[str]:
    """Who a client without credentials is."""
    names = [login.user for login in logins]
    if anonymous is not None and anonymous not in names:
        raise ValueError(f"the anonymous user {anonymous!r} is none of {', '.join(names)}")
    if anonymous is not None:
        yield f"no_auth_user: {quoted(anonymous)}"


def _user(login: Login) -> Iterator[str]:
    yield "    {"
    yield f"      user: {quoted(login.user)}"
    yield f"      password: {quoted(login.password)}"
    if login.permissions is not None:
        yield "      permissions {"
        yield from _allowed("publish", login.permissions.publish, login.permissions.withheld)
        yield from _allowed("subscribe", login.permissions.subscribe)
        yield "      }"
    yield "    }"


def _allowed(verb: str, subjects: tuple[str, ...], withheld: tuple[str, ...] = ()) -> Iterator[str]:
    if not subjects:
        # An empty list of what is allowed would allow everything.
        yield f'        {verb} {{ deny: [">"] }}'
        return
    yield f"        {verb} {{ allow: ["
    for subject in subjects:
        yield f"          {quoted(subject)}"
    if withheld:
        yield "        ], deny: ["
        for subject in withheld:
            yield f"          {quoted(subject)}"
    yield "        ] }"


def compose_conf() -> ServerConf:
    """Return the configuration of the broker in compose.yaml; deploy/nats.conf is its text."""
    return ServerConf(
        server_name="pepperpy",
        host="0.0.0.0",  # noqa: S104  # inside the container; compose publishes it on loopback
        port=4222,
        monitor_port=8222,
        store_dir=Path("/data"),
        durability="strict",
        include="nats-users.conf",
    )
