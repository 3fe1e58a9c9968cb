"""One layer of settings, each value with its origin: from a table, the environment or flags.

Every reader refuses names that do not exist, with the nearest one that does, and takes
`<secret>_file` in the place of a secret.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pepperpy_bus.config.setting import Known
from pepperpy_bus.files import read_secret
from pepperpy_schemas.errors import BadConfig

PREFIX = "PEPPERPY_"
CONFIG_VARIABLE = "PEPPERPY_CONFIG"
CONTEXT_VARIABLE = "PEPPERPY_CONTEXT"

_FILE = "_file"
# PEPPERPY_NATSURL is a slip; PEPPERPY_PORT of a compose file is somebody's own variable.
_SLIP = 0.75
# Kubernetes gives every pod variables of the services beside it; one named `pepperpy-nats` makes
# PEPPERPY_NATS_PORT=tcp://…: nobody means a setting by these.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$")


class Entry(msgspec.Struct, frozen=True):
    """A value as it was written, and where."""

    value: object
    origin: str


Layer = dict[str, Entry]
"""Entries by the dotted name of their setting."""


def layer_of_table(
    table: Mapping[str, Any], known: Mapping[str, Known], *, origin: str, folder: Path
) -> Layer:
    """Returns the layer of a table `{section: {key: value}}`.

    Args:
        table: The settings of one file or context.
        known: All settings by name.
        origin: What stands before `section.key` in the origins.
        folder: What relative paths in it start from.

    Raises:
        BadConfig: A name does not exist, or a section is no table.
    """
    sections = _sections(known)
    written: Layer = {}
    for section, inner in table.items():
        if section not in sections:
            raise _unknown(f"{origin}{section}", section, sections)
        if not isinstance(inner, Mapping):
            raise BadConfig(
                f"{origin}{section} = {inner!r} is not a table", hint=f"write it as [{section}]"
            )
        for key, value in inner.items():
            written[f"{section}.{key}"] = Entry(value, f"{origin}{section}.{key}")
    return _checked(written, known, folder)


def layer_of_environment(
    environ: Mapping[str, str], known: Mapping[str, Known], *, folder: Path
) -> Layer:
    """Returns the layer of the variables `PEPPERPY_<SECTION>_<KEY>`; empty ones count as unset.

    Raises:
        BadConfig: A variable names a section but none of its settings, or is a slip of a name.
    """
    names = _variables(known)
    written = {
        names[variable]: Entry(value, f"environment {variable}")
        for variable, value in environ.items()
        if variable in names and value
    }
    for variable in stray_variables(environ, known):
        tails = {name.removeprefix(PREFIX): name for name in names}
        tail = variable.removeprefix(PREFIX)
        near = tails.get(nearest(tail, tails, cutoff=_SLIP), "")
        if near or tail.startswith(tuple(f"{one.upper()}_" for one in _sections(known))):
            raise _unknown(f"environment variable {variable}", variable, names)
    return _checked(written, known, folder)


def stray_variables(environ: Mapping[str, str], known: Mapping[str, Known]) -> list[str]:
    """Returns the variables that begin with `PEPPERPY_` and mean no setting."""
    names = _variables(known)
    return [
        variable
        for variable, value in environ.items()
        if variable.startswith(PREFIX)
        and value
        and variable not in (CONFIG_VARIABLE, CONTEXT_VARIABLE, *names)
        and not _is_service_link(variable, value)
    ]


def layer_of_flags(
    flags: Mapping[str, object], known: Mapping[str, Known], *, folder: Path
) -> Layer:
    """Returns the layer of flags, given by dotted names; None counts as not given."""
    written = {
        name: Entry(value, f"flag {name}") for name, value in flags.items() if value is not None
    }
    return _checked(written, known, folder)


def nested(layer: Layer) -> dict[str, dict[str, object]]:
    """Returns the values of a layer by section and key."""
    tables: dict[str, dict[str, object]] = {}
    for name, entry in layer.items():
        section, _, key = name.partition(".")
        tables.setdefault(section, {})[key] = entry.value
    return tables


def nearest(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Returns the name that looks most like the given one, or an empty text.

    Args:
        name: What was written.
        names: What could have been meant.
        cutoff: Likeness from 0 to 1 below which nothing is meant.
    """
    import difflib

    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)), "")


def _checked(written: Layer, known: Mapping[str, Known], folder: Path) -> Layer:
    layer: Layer = {}
    files = {f"{one.name}{_FILE}": one.name for one in _secrets(known)}
    for name, entry in written.items():
        if name in files:
            secret = files[name]
            if secret in written:
                raise BadConfig(
                    f"{secret} is set twice: by {entry.origin} and {written[secret].origin}",
                    hint="keep one of them",
                )
            layer[secret] = _read(entry, folder)
        elif name in known:
            layer[name] = _placed(entry, folder) if known[name].kind == "path" else entry
        else:
            raise _unknown(entry.origin, name, {*known, *files})
    return layer


def _placed(entry: Entry, folder: Path) -> Entry:
    if not isinstance(entry.value, str | Path):
        return entry
    if not str(entry.value):
        return Entry(None, entry.origin)
    return Entry(folder / Path(entry.value).expanduser(), entry.origin)


def _read(entry: Entry, folder: Path) -> Entry:
    path = _placed(entry, folder).value
    if not isinstance(path, Path):
        raise BadConfig(f"{entry.origin} = {entry.value!r} is not a path")
    return Entry(read_secret(path), f"{entry.origin} ({path})")


def _is_service_link(variable: str, value: str) -> bool:
    return bool(_SERVICE_LINK.search(variable)) or (
        variable.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://"))
    )


def _variables(known: Mapping[str, Known]) -> dict[str, str]:
    names = {one.variable: one.name for one in known.values()}
    return names | {f"{one.variable}_FILE": f"{one.name}{_FILE}" for one in _secrets(known)}


def _sections(known: Mapping[str, Known]) -> set[str]:
    return {name.partition(".")[0] for name in known}


def _secrets(known: Mapping[str, Known]) -> list[Known]:
    return [one for one in known.values() if one.kind == "secret"]


def _unknown(where: str, name: str, names: Iterable[str]) -> BadConfig:
    near = nearest(name, names)
    return BadConfig(
        f"{where} names no setting",
        hint=f"did you mean {near}?" if near else "list them with: pepperpy config show",
        context={"name": name, "nearest": near},
    )
