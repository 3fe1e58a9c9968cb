"""Files: read, listed, searched and written beneath the folders that were granted.

Every tool's scope is its own name with a path, ``files.read:/data``. Links are not followed, and
only regular files are opened (see `beneath`).
"""

import contextlib
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from pepperpy_agents.tools.builtin.beneath import (
    Place,
    absolute,
    open_beneath,
    opened,
    printable,
    regular,
)
from pepperpy_agents.tools.builtin.schema import integer, parameters, string
from pepperpy_agents.tools.builtin.searching import search
from pepperpy_agents.tools.builtin.writing import Writer
from pepperpy_agents.tools.scopes import Grants
from pepperpy_agents.tools.threads import in_thread
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.units import parse_size
from pepperpy_schemas.errors import BadArguments

MOST_NAMES: Final = 1000
"""Entries that a listing has at most."""


def file_tools(
    *, page: str | int = "32KiB", largest: str | int = "1MiB", quota: str | int = "64MiB"
) -> tuple[Tool, ...]:
    """Returns ``files.read``, ``files.list``, ``files.search`` and ``files.write``.

    Args:
        page: Bytes that one call reads at most; the next call may go on where it ended.
        largest: Bytes that a written file may have.
        quota: Bytes that files may grow by in one process, all of them together.
    """
    writer = Writer(largest=parse_size(largest), quota=parse_size(quota))
    bytes_at_once = parse_size(page)

    def read(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        place = Place(use.grants, "files.read", arguments["path"])
        return _read(place, arguments.get("offset", 0), bytes_at_once)

    def write(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        place = Place(use.grants, "files.write", arguments["path"])
        return writer.write(place, arguments["text"], arguments.get("mode", "replace"))

    return (
        Tool(
            name="files.read",
            description="Reads a text file. A long one comes in pages: go on with offset = next.",
            parameters=parameters(
                path=_PATH,
                offset=integer("Byte to begin at", minimum=0),
                required=("path",),
            ),
            call=_in_thread(read),
            needs=_needs("files.read"),
        ),
        Tool(
            name="files.list",
            description=(
                "Lists what is in a folder: names, kinds (file, folder, other), sizes. Without a "
                "path it tells the folders that may be used."
            ),
            parameters=parameters(path=_PATH),
            call=_in_thread(_list),
            needs=lambda given: _needs("files.list")(given) if "path" in given else (),
        ),
        Tool(
            name="files.search",
            description="Finds the lines with a text, word for word, in all files of a folder.",
            parameters=parameters(
                path=_PATH,
                text=string("What to look for; upper and lower case differ", longest=1000),
                required=("path", "text"),
            ),
            call=_in_thread(_search),
            needs=_needs("files.search"),
        ),
        Tool(
            name="files.write",
            description="Writes a text file, and the folders above it where they are missing.",
            parameters=parameters(
                path=_PATH,
                text=string("What it shall contain"),
                mode={
                    "type": "string",
                    "enum": ["replace", "append", "create"],
                    "description": "create refuses a file that is there; replace by default",
                },
                required=("path", "text"),
            ),
            call=_in_thread(write),
            needs=_needs("files.write"),
        ),
    )


def _read(place: Place, offset: int, page: int) -> dict[str, Any]:
    with place.folder() as (folder, name), opened(folder, name) as file:
        size = regular(file, place.path).st_size
        data = os.pread(file, page, offset)
    text, used = _text(data, last=offset + len(data) >= size, path=place.path)
    following = offset + used
    return {
        "path": place.path,
        "text": text,
        "size": size,
        "next": following if data and following < size else None,
    }


def _text(data: bytes, *, last: bool, path: str) -> tuple[str, int]:
    """Returns the text, and of how many bytes it is: a character is not cut in two."""
    if b"\0" in data:
        raise BadArguments(f"{path} is no text: there are zero bytes in it")
    if not last:
        for back in range(1, min(4, len(data)) + 1):
            if data[-back] >= 0xC0:
                whole = back >= (2 if data[-back] < 0xE0 else 3 if data[-back] < 0xF0 else 4)
                data = data if whole else data[:-back]
                break
    return data.decode(errors="replace"), len(data)


def _list(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
    if "path" not in arguments:
        return {"granted": _granted(use.grants)}
    place = Place(use.grants, "files.list", arguments["path"])
    entries = []
    with _folder(place) as folder, os.scandir(folder) as found:
        for entry in found:
            facts = entry.stat(follow_symlinks=False)
            entries.append({"name": printable(entry.name), **_facts(facts)})
            if len(entries) > MOST_NAMES:
                break
    entries.sort(key=lambda entry: str(entry["name"]))
    return {
        "path": place.path,
        "entries": entries[:MOST_NAMES],
        "more": len(entries) > MOST_NAMES,
    }


def _granted(grants: Grants) -> list[str]:
    """What may be done where: nobody else tells a model."""
    return [str(one) for one in grants.scopes if one.names[0] == "files"]


def _facts(facts: os.stat_result) -> dict[str, Any]:
    if stat.S_ISREG(facts.st_mode):
        return {"kind": "file", "size": facts.st_size}
    return {"kind": "folder" if stat.S_ISDIR(facts.st_mode) else "other"}


def _search(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
    place = Place(use.grants, "files.search", arguments["path"])
    with _folder(place) as folder:
        return search(folder, place.path, arguments["text"])


@contextlib.contextmanager
def _folder(place: Place) -> Iterator[int]:
    with place.folder() as (above, name):
        folder = open_beneath(above, name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield folder
        finally:
            os.close(folder)


def _needs(action: str) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    return lambda arguments: (f"{action}:{absolute(arguments['path'])}",)


def _in_thread(
    function: Callable[[dict[str, Any], ToolUse], dict[str, Any]],
) -> Callable[[dict[str, Any], ToolUse], Awaitable[dict[str, Any]]]:
    async def call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        found: dict[str, Any] = await in_thread(function, arguments=arguments, use=use)
        return found

    return call


_PATH: Final = string("Path of the file or folder", longest=4000)

READ, LIST, SEARCH, WRITE = file_tools()
