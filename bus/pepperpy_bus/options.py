"""From settings to what the connection and the topology take."""

import ssl

import msgspec

from pepperpy_bus.config import Settings
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams.topology import Limits
from pepperpy_bus.trust.principals import DEFAULT_INBOX, ROLES, inbox_prefix
from pepperpy_schemas.errors import BadConfig


def connection_options(
    settings: Settings, *, name: str = "", patient: bool = False
) -> ConnectionOptions:
    """Returns how to reach the broker.

    Args:
        settings: The settings in force.
        name: Shown in the server's list of connections.
        patient: Wait for the first connection for ever, as workers do.

    Raises:
        BadConfig: An address or a TLS file cannot be read.
    """
    nats = settings.nats
    options = ConnectionOptions(
        servers=nats.servers,
        name=name or nats.name,
        user=nats.user,
        password=nats.password.get_secret_value(),
        token=nats.token.get_secret_value(),
        credentials=str(nats.credentials) if nats.credentials else "",
        tls=_tls(settings),
        inbox_prefix=nats.inbox_prefix,
        connect_timeout=None if patient else nats.connect_timeout,
    ).with_login()
    return msgspec.structs.replace(options, inbox_prefix=_inbox(options))


def limits_of(settings: Settings) -> Limits:
    """Returns the operator's choices about the streams."""
    return Limits(
        replicas=settings.bus.replicas,
        result_days=settings.bus.result_ttl / 86_400,
    )


def _inbox(options: ConnectionOptions) -> str:
    """The roles of a guarded deployment may only listen under their own inbox prefix."""
    if options.user in ROLES and options.inbox_prefix == DEFAULT_INBOX:
        return inbox_prefix(options.user)
    return options.inbox_prefix


def _tls(settings: Settings) -> ssl.SSLContext | None:
    nats = settings.nats
    if not (nats.tls_ca or nats.tls_cert):
        return None
    try:
        context = ssl.create_default_context(cafile=nats.tls_ca)
        if nats.tls_cert:
            context.load_cert_chain(nats.tls_cert, nats.tls_key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(f) for f in (nats.tls_ca, nats.tls_cert, nats.tls_key) if f)
        raise BadConfig(f"nats.tls_*: cannot use {files}: {error}") from error
    return context
