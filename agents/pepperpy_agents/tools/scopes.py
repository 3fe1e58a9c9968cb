"""Scopes: what a tool call needs, and what somebody was granted. Pure.

A scope is ``area.action:resource``. Every part narrows the one before, and what is left out leaves
it open: ``files`` covers ``files.read``, which covers ``files.read:/data``, which covers
``files.read:/data/a.txt`` and not ``files.read:/database``. How resources are compared is a rule of
their area: as paths, as hosts, as names below a server's, or word for word.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from pepperpy_schemas.errors import BadConfig

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)
_HOST: Final = re.compile(
    r"(?P<below>\*\.)?(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:(?P<port>[1-9]\d{0,4}))?",
    re.ASCII,
)
_MOST: Final = 4096
"""Characters of a scope: as many as a path may have."""


class Scope(msgspec.Struct, frozen=True):
    """One thing that may be done, or everything of a kind.

    Attributes:
        names: Area and action, and what they are divided into: ``("files", "read")``.
        resource: What it is done to, as its area writes it; None for everything.
    """

    names: tuple[str, ...]
    resource: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Returns the scope that a text names.

        Raises:
            BadConfig: It is none: a name has other characters, a path is relative or has ``..`` in
                it, or what stands for a host is none.
        """
        head, colon, resource = text.partition(":")
        if len(text) > _MOST or _NAME.fullmatch(head) is None:
            raise _no_scope(text, "its name has other characters than A-Z a-z 0-9 _ - and dots")
        names = tuple(head.split("."))
        if not colon:
            return cls(names)
        if not resource or not resource.isprintable():
            raise _no_scope(text, "what stands behind the colon is empty or cannot be printed")
        written, _ = _rule(names[0])
        return cls(names, written(text, resource))

    def covers(self, other: "Scope") -> bool:
        """Returns whether who may do this may do the other."""
        if other.names[: len(self.names)] != self.names:
            return False
        if self.resource is None:
            return True
        if other.resource is None:
            return False
        _, within = _rule(self.names[0])
        return within(self.resource, other.resource)

    def __str__(self) -> str:
        name = ".".join(self.names)
        return name if self.resource is None else f"{name}:{self.resource}"


class Grants(msgspec.Struct, frozen=True):
    """What somebody may do; nothing by default.

    Attributes:
        scopes: What was granted.
    """

    scopes: tuple[Scope, ...] = ()

    @classmethod
    def of(cls, scopes: "Iterable[str | Scope]", *, base: Path | None = None) -> "Grants":
        """Returns the grants that texts name.

        Args:
            scopes: Scopes; a path may be relative.
            base: The folder that relative paths begin at; the current one by default.

        Raises:
            BadConfig: One of them is no scope.
        """
        if isinstance(scopes, str):
            raise BadConfig(f"grants are a list, not the text {scopes!r:.80}", hint="put it in [ ]")
        texts = (
            one if isinstance(one, Scope) else Scope.parse(absolute(one, base)) for one in scopes
        )
        return cls(tuple(dict.fromkeys(texts)))

    def allow(self, needed: str | Scope) -> bool:
        """Returns whether one of the grants covers what is needed; what is no scope never is."""
        if isinstance(needed, str):
            try:
                needed = Scope.parse(needed)
            except BadConfig:
                return False
        return any(granted.covers(needed) for granted in self.scopes)

    def missing(self, needed: Iterable[str | Scope]) -> list[str]:
        """Returns what of the needed scopes is not granted."""
        return [str(one) for one in needed if not self.allow(one)]

    def __add__(self, other: "Grants") -> "Grants":
        return Grants(tuple(dict.fromkeys(self.scopes + other.scopes)))


def absolute(text: str, base: Path | None = None) -> str:
    """Returns a scope with its path, when it has a relative one, made absolute."""
    head, colon, resource = text.partition(":")
    if not colon or head.partition(".")[0] not in _PATHS or not resource or resource[0] == "/":
        return text
    home = resource == "~" or resource.startswith("~/")
    folder = Path.cwd() if base is None else base.absolute()
    return f"{head}:{_tidy(Path(resource).expanduser() if home else folder / resource)}"


def _tidy(path: Path) -> str:
    """The path without ``.`` and ``..``, as it is written: links are the tool's business."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts[-1:] = []
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def _path(text: str, resource: str) -> str:
    parts = resource.split("/")
    if parts[0] or ".." in parts or "." in parts:
        raise _no_scope(text, "its path is not absolute, or has . or .. in it")
    return "/" + "/".join(filter(None, parts))


def _below(granted: str, needed: str) -> bool:
    return needed == granted or needed.startswith(granted.rstrip("/") + "/")


def _host(text: str, resource: str) -> str:
    written = resource.lower()
    found = _HOST.fullmatch(written)
    if found is None:
        raise _no_scope(text, "it does not name a host, *.host or host:port")
    return written


def _at_host(granted: str, needed: str) -> bool:
    # The whole name behind the star: *.example.org covers a.example.org, not evilexample.org.
    return needed == granted or (granted.startswith("*.") and needed.endswith(granted[1:]))


def _of_server(granted: str, needed: str) -> bool:
    # Neither has a dot in it: github covers github.search, and github.search no more than itself.
    return needed == granted or needed.startswith(f"{granted}.")


def _word(text: str, resource: str) -> str:
    if "*" in resource:
        raise _no_scope(text, "resources of this area are compared word for word, without *")
    return resource


_Rule = tuple[Callable[[str, str], str], Callable[[str, str], bool]]
"""Reads a resource, or refuses it; and says whether a granted one covers a needed one."""

_PATHS: Final = ("files", "sql")
"""Areas whose resources are paths of this machine."""
_HOSTS: Final = ("http",)
"""Areas whose resources are hosts, with a port where it is not that of the address's kind."""

_SERVERS: Final = ("mcp",)
"""Areas whose resources are servers, or a server's tools: ``github.search``."""


def _rule(area: str) -> _Rule:
    if area in _PATHS:
        return _path, _below
    if area in _SERVERS:
        return _word, _of_server
    if area in _HOSTS:
        return _host, _at_host
    return _word, str.__eq__


def _no_scope(text: str, why: str) -> BadConfig:
    return BadConfig(
        f"{text!r:.120} is no scope: {why}",
        hint='write area.action:resource, for example "files.read:/data" or "http.get:example.org"',
    )
