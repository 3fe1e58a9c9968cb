"""Bringing a configuration file to the current version, its comments kept."""

import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from pepperpy_bus.config.files import prefix_of, read_file
from pepperpy_bus.config.migrations import CONFIG_VERSION, VERSION_KEY, migrate
from pepperpy_bus.files import write_file
from pepperpy_schemas.errors import BadConfig


class Migrated(msgspec.Struct, frozen=True):
    """What `migrate_file` did; `backup` is None where nothing was to do."""

    path: Path
    version: int
    backup: Path | None


def migrate_file(path: Path) -> Migrated:
    """Rewrites a file in the current version and keeps the old one beside it as `.bak`.

    Raises:
        BadConfig: The file cannot be read, is newer than this release, or has no settings.
    """
    version = read_file(path).version
    if version == CONFIG_VERSION:
        return Migrated(path, version, None)
    old = path.read_bytes().decode("utf-8-sig")
    new = _migrated(old, path)
    backup = path.with_name(f"{path.name}.bak")
    mode = path.stat().st_mode & 0o777
    write_file(backup, old, mode=mode)
    write_file(path, new, mode=mode)
    return Migrated(path, version, backup)


def _migrated(text: str, path: Path) -> str:
    document = tomlkit.parse(text)
    expected = tomllib.loads(text)
    for whole in (document, expected):
        table = _settings_of(whole, path)
        migrate(table, where=str(path))
        table[VERSION_KEY] = CONFIG_VERSION
    new = tomlkit.dumps(document)
    # Editing a document in place is the one thing here that could harm what a person wrote.
    if tomllib.loads(new) != expected:
        raise BadConfig(
            f"{path} cannot be rewritten without changing its meaning",
            hint=f"bring it to {VERSION_KEY} = {CONFIG_VERSION} by hand",
        )
    return new


def _settings_of(document: MutableMapping[str, Any], path: Path) -> MutableMapping[str, Any]:
    if not prefix_of(path):
        return document
    settings = document.get("tool", {}).get("pepperpy")
    if not isinstance(settings, MutableMapping):
        raise BadConfig(f"{path} has no [tool.pepperpy]", hint="name a file with settings")
    return settings
