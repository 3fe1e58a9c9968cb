"""Which Qdrant an address names."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pepperpy_memory_svc.stores.addresses import malformed
from pepperpy_memory_svc.stores.qdrant.client import ClientEngine
from pepperpy_memory_svc.stores.qdrant.engine import Engine
from pepperpy_memory_svc.stores.qdrant.gate import Limits
from pepperpy_memory_svc.stores.qdrant.store import QdrantStore
from pepperpy_schemas.errors import BadConfig

COLLECTION: Final = "pepperpy_memory"
"""The collection, unless the address names another."""
_PORT: Final = 6333
_HINT: Final = (
    "give qdrant://HOST:6333, qdrant+https://:KEY@HOST:6333, qdrant:FOLDER or qdrant-edge:FOLDER"
)


def qdrant_store(address: str, *, limits: Limits | None = None) -> QdrantStore:
    """Returns the store that an address names, not open.

    Args:
        address: ``qdrant://[:KEY@]HOST[:PORT][/COLLECTION]`` for a server, ``qdrant+https://…`` for
            one behind TLS, ``qdrant:FOLDER`` for the client's own engine, ``qdrant-edge:FOLDER``
            for the server's engine in this process.
        limits: What is asked of it at most.

    Raises:
        BadConfig: It names none.
    """
    limits = limits or Limits()
    return QdrantStore(_engine(address, limits), limits)


def _engine(address: str, limits: Limits) -> Engine:
    scheme, _, rest = address.partition(":")
    if rest.startswith("//") and scheme in {"qdrant", "qdrant+https"}:
        return _server(address, limits)
    if not rest or scheme not in {"qdrant", "qdrant-edge"}:
        raise _refused(scheme)
    if scheme == "qdrant":
        return ClientEngine(COLLECTION, folder=rest)
    from pepperpy_memory_svc.stores.qdrant.edge import EdgeEngine

    return EdgeEngine(Path(rest))


def _server(address: str, limits: Limits) -> Engine:
    try:
        parts = urlsplit(address)
        port = parts.port or _PORT
    except ValueError:
        raise malformed("Qdrant", _HINT) from None
    if not parts.hostname:
        raise _refused(parts.scheme)
    if "/" in parts.path.strip("/"):
        raise malformed("Qdrant", _HINT)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return ClientEngine(
        unquote(parts.path.strip("/")) or COLLECTION,
        url=f"{'https' if parts.scheme.endswith('https') else 'http'}://{host}:{port}",
        key=unquote(parts.password) if parts.password else None,
        timeout=limits.timeout,
    )


def _refused(scheme: str) -> BadConfig:
    return BadConfig(
        f"the address after {scheme!r} names no Qdrant",
        hint=_HINT,
    )
