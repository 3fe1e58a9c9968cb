"""Versions of the configuration file: each function brings a table one version further.

Migrations change the table in place, so the same ones serve a plain dict (every load) and a
`tomlkit` document (`pepperpy config migrate`, which keeps comments). They touch only what is there.
"""

from collections.abc import Callable, MutableMapping
from typing import Any

from pepperpy_bus.installing import clone
from pepperpy_schemas.errors import BadConfig

Table = MutableMapping[str, Any]

VERSION_KEY = "config_version"
CONTEXTS_KEY = "contexts"


def _from_0(table: Table) -> None:
    """`nats.servers` (a list) became `nats.url`; `worker.shutdown_timeout` became `grace`."""
    _rename(table, "nats", "servers", "url")
    _rename(table, "worker", "shutdown_timeout", "grace")
    nats = table.get("nats")
    if isinstance(nats, MutableMapping) and isinstance(nats.get("url"), list):
        nats["url"] = ",".join(str(one) for one in nats["url"])


MIGRATIONS: tuple[Callable[[Table], None], ...] = (_from_0,)
"""The function at index N brings version N to N+1."""

CONFIG_VERSION = len(MIGRATIONS)
"""The version that this release writes and reads without migrating."""


def migrate(table: Table, *, where: str) -> int:
    """Brings a table, and the contexts in it, to the current version in place.

    Args:
        table: The settings of one file.
        where: The file's name, for errors.

    Returns:
        The version that the table had; 0 where it has none.

    Raises:
        BadConfig: The version is no whole number, or newer than this release knows.
    """
    found = table.get(VERSION_KEY, 0)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise BadConfig(
            f"{where}: {VERSION_KEY} = {found!r} is not a version",
            hint=f"write {VERSION_KEY} = {CONFIG_VERSION}",
        )
    version = int(found)
    if version > CONFIG_VERSION:
        raise BadConfig(
            f"{where} is written for {VERSION_KEY} {version}, this release knows {CONFIG_VERSION}",
            hint=f"take a newer PepperPy into {clone()}, or name another file by --config",
        )
    for step in MIGRATIONS[version:]:
        for one in (table, *_contexts(table)):
            step(one)
    return version


def _contexts(table: Table) -> list[Table]:
    contexts = table.get(CONTEXTS_KEY)
    tables = contexts.values() if isinstance(contexts, MutableMapping) else ()
    return [one for one in tables if isinstance(one, MutableMapping)]


def _rename(table: Table, section: str, old: str, new: str) -> None:
    inner = table.get(section)
    if not isinstance(inner, MutableMapping) or old not in inner:
        return
    if new in inner:
        raise BadConfig(
            f"[{section}] has both {old!r} and {new!r}, its new name",
            hint=f"delete {old!r}",
        )
    inner[new] = inner.pop(old)
