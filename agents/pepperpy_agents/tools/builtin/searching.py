"""Lines with a text, in all files of a folder: word for word, and with an end."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any, Final

from pepperpy_agents.tools.builtin.beneath import opened, printable, regular
from pepperpy_schemas.errors import NotGranted

MOST_HITS: Final = 100
"""Lines that a search finds at most."""
MOST_NAMES: Final = 20_000
"""Names of files and folders that it comes by at most."""
DEEPEST: Final = 64
"""Folders within each other that it enters: each is open while those below it are looked at."""
MOST_BYTES: Final = 256 * 1024 * 1024
"""Bytes that it reads at most."""
LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file above which it is passed over."""
_LINE: Final = 300
"""Characters that are shown of a line."""


def search(folder: int, path: str, text: str) -> dict[str, Any]:
    """Returns the lines, and whether there may be more.

    Args:
        folder: Descriptor of the folder.
        path: Its path, for what is shown.
        text: What to look for.
    """
    walk = _Walk()
    hits: list[dict[str, Any]] = []
    for found, data in walk.texts(folder, path):
        hits.extend(_lines_with(text, found, data, MOST_HITS + 1 - len(hits)))
        if len(hits) > MOST_HITS:
            break
    return {"hits": hits[:MOST_HITS], "more": len(hits) > MOST_HITS or walk.cut}


class _Walk:
    """A way through a folder; ``cut`` says whether it was ended before the end."""

    def __init__(self) -> None:
        self._names = MOST_NAMES
        self._bytes = MOST_BYTES
        self.cut = False

    def texts(self, folder: int, path: str) -> Iterator[tuple[str, bytes]]:
        """The texts beneath a folder; what cannot be read, or is none, is passed over."""
        for beneath, folders, names, at in os.fwalk(".", dir_fd=folder):
            folders.sort()
            if beneath.count("/") == DEEPEST and folders:
                folders.clear()
                self.cut = True
            self._names -= 1 + len(names)
            if self._names < 0 or self._bytes < 0:
                self.cut = True
                return
            for name in sorted(names):
                data = self._text(at, name, path)
                if data is not None:
                    yield os.path.normpath(f"{path}/{printable(beneath)}/{printable(name)}"), data

    def _text(self, folder: int, name: str, path: str) -> bytes | None:
        with contextlib.suppress(OSError, NotGranted), opened(folder, name) as file:
            if stat.S_ISREG(os.fstat(file).st_mode) and regular(file, path).st_size <= LARGEST:
                data = os.pread(file, LARGEST, 0)
                self._bytes -= len(data)
                return data if b"\0" not in data else None
        return None


def _lines_with(text: str, path: str, data: bytes, most: int) -> list[dict[str, Any]]:
    wanted = text.encode()
    if wanted not in data:
        return []
    hits = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if wanted in line:
            shown = line.decode(errors="replace")[:_LINE]
            hits.append({"path": path, "line": number, "text": shown})
            if len(hits) >= most:
                break
    return hits
