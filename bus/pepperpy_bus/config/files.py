"""Where settings are written: the file of a project and the contexts of a user."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_bus.config.layers import CONFIG_VARIABLE, nearest
from pepperpy_bus.config.migrations import CONTEXTS_KEY, VERSION_KEY, migrate
from pepperpy_bus.trust.principals import Role
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.tokens import check_token

FILE_NAME = "pepperpy.toml"
PROJECT_FILE = "pyproject.toml"
OF_STACK = "local"
"""The context of the first stack on a machine; a second one at the same time adds its port."""
SERVING: Final[tuple[Role, ...]] = ("worker", "provider", "memory", "monitor", "edge")
"""Roles of processes that serve; a context with such a login of a local stack ends in its name."""

_OF_OPERATORS = re.compile(rf"{OF_STACK}(-\d+)?")
_OF_STACKS = re.compile(rf"{_OF_OPERATORS.pattern}(-({'|'.join(SERVING)}))?")


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one file, migrated to the current version.

    Attributes:
        path: Where it lies.
        prefix: What stands before a key in the file: empty, or `tool.pepperpy.`.
        version: The version that the file has.
        outdated: Whether migrating changed more than the version.
        settings: Tables by section.
        contexts: Tables by context, each with tables by section.
    """

    path: Path
    prefix: str
    version: int
    outdated: bool
    settings: dict[str, Any]
    contexts: dict[str, Any]


def file_in_force(config: str | Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Returns the file that was chosen by hand, else by the environment, else the nearest one."""
    chosen = config or environ.get(CONFIG_VARIABLE)
    return cwd / Path(chosen).expanduser() if chosen else find_file(cwd)


def find_file(start: Path) -> Path | None:
    """Returns the nearest file with settings, in a folder or one above it.

    In each folder `pepperpy.toml` goes before a `pyproject.toml` with `[tool.pepperpy]`.
    """
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        project = folder / PROJECT_FILE
        if project.is_file() and _has_settings(project):
            return project
    return None


def read_file(path: Path) -> ConfigFile:
    """Returns the settings of a file.

    Raises:
        BadConfig: The file is missing, is no TOML, or is newer than this release.
    """
    document = _read_toml(path)
    prefix = prefix_of(path)
    settings = _table(document, "tool", path).get("pepperpy", {}) if prefix else document
    if not isinstance(settings, dict):
        raise BadConfig(f"{path}: tool.pepperpy is not a table", hint="write [tool.pepperpy]")
    before = msgspec.json.encode(settings)
    version = migrate(settings, where=str(path))
    outdated = msgspec.json.encode(settings) != before
    settings.pop(VERSION_KEY, None)
    contexts = _table(settings, CONTEXTS_KEY, path)
    settings.pop(CONTEXTS_KEY, None)
    return ConfigFile(
        path=path,
        prefix=prefix,
        version=version,
        outdated=outdated,
        settings=settings,
        contexts=contexts,
    )


def prefix_of(path: Path) -> str:
    """Returns what stands before a key in a file of this name."""
    return "tool.pepperpy." if path.name == PROJECT_FILE else ""


def contexts_folder(environ: Mapping[str, str]) -> Path | None:
    """Returns the folder of the user's contexts; None where the user has no home."""
    base = environ.get("XDG_CONFIG_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "pepperpy" / "contexts"
    home = environ.get("HOME")
    return Path(home) / ".config" / "pepperpy" / "contexts" if home else None


def roles_context(role: Role, url: str, folder: Path | None) -> str:
    """Returns the context with a role's login of the local stack at an address, or empty."""
    return next((name for name, found in _logins(folder, f"-{role}") if found == url), "")


def of_operator(context: str) -> bool:
    """Returns whether a context of this name has the operator's login of a local stack."""
    return _OF_OPERATORS.fullmatch(context) is not None


def operators_context(url: str, folder: Path | None) -> str:
    """Returns the context with the operator's login of the local stack at an address, or empty."""
    name = roles_context("worker", url, folder).removesuffix("-worker")
    return name if name and folder and (folder / f"{name}.toml").is_file() else ""


def running_stacks(folder: Path | None) -> dict[str, str]:
    """Returns the addresses of the stacks that run here, by the name of the operator's context."""
    return {name: url for name, url in _logins(folder, "") if of_operator(name)}


def _logins(folder: Path | None, ending: str) -> Iterator[tuple[str, str]]:
    """Names of contexts and their addresses; of stacks, only those that run."""
    for file in sorted(folder.glob(f"*{ending}.toml")) if folder else ():
        nats = read_file(file).settings.get("nats", {})
        # A stack that was killed leaves its context, but not its secrets.
        if Path(nats.get("password_file", "")).is_file():
            yield file.stem, str(nats.get("url"))


def read_context(name: str, file: ConfigFile | None, folder: Path | None) -> tuple[ConfigFile, str]:
    """Returns the settings of a context and what stands before its keys.

    The user's own `contexts/NAME.toml` goes before `[contexts.NAME]` of the project's file: what is
    checked out must not change where the user's own `prod` points to.

    Raises:
        BadConfig: No such context, or it is no table.
    """
    check_token(name, what="context")
    own = folder / f"{name}.toml" if folder else None
    if own is not None and own.is_file():
        return read_file(own), ""
    if file is None or name not in file.contexts:
        raise _no_context(name, file, folder)
    table = _table(file.contexts, name, file.path)
    prefix = f"{file.prefix}{CONTEXTS_KEY}.{name}."
    return msgspec.structs.replace(file, settings=table, contexts={}), prefix


def _no_context(name: str, file: ConfigFile | None, folder: Path | None) -> BadConfig:
    known = sorted(
        {*(file.contexts if file else ()), *(one.stem for one in folder.glob("*.toml"))}
        if folder
        else set(file.contexts if file else ())
    )
    near = nearest(name, known)
    fix = (
        "it exists while `pepperpy up` runs"
        if _OF_STACKS.fullmatch(name)
        else f"write {folder}/{name}.toml or [contexts.{name}]"
    )
    return BadConfig(
        f"context {name!r} does not exist; known: {', '.join(known) or 'none'}",
        hint=f"did you mean {near}?" if near else fix,
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadConfig(
            f"configuration file {path} cannot be read: {error.strerror}",
            hint="check the path given by --config or PEPPERPY_CONFIG",
        ) from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise BadConfig(f"{path} is not TOML: {error}") from error


def _has_settings(project: Path) -> bool:
    try:
        return "pepperpy" in _read_toml(project).get("tool", {})
    except BadConfig:
        # A broken file of somebody else's project is not ours to complain about.
        if b"tool.pepperpy" in project.read_bytes():
            raise
        return False


def _table(parent: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    inner = parent.get(key, {})
    if not isinstance(inner, dict):
        raise BadConfig(f"{path}: {key} = {inner!r} is not a table", hint=f"write [{key}]")
    return inner
