"""The page and what belongs to it: known by name, compressed once, never looked for by a path."""

import gzip
import hashlib
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import hdrs, web

from pepperpy_monitor_svc.http.answers import takes_gzip

PAGE: Final = "index.html"
FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
_TEXT: Final = frozenset({".css", ".html", ".js", ".json", ".map", ".svg", ".txt"})


class _Held(msgspec.Struct, frozen=True):
    stamp: tuple[int, int]
    body: bytes
    packed: bytes
    tag: str


class Files:
    """The files of a folder, as they are when they are asked for.

    Args:
        folder: The folder; what is put into it later is not found.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._paths = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in _TYPES and not path.is_symlink()
        }
        self._held: dict[str, _Held] = {}

    def answer(self, request: web.Request, name: str) -> web.Response:
        """Returns a file, or that the client has it already.

        Raises:
            HTTPNotFound: There is no such file.
        """
        path = self._paths.get(name)
        if path is None:
            raise web.HTTPNotFound
        held = self._read(name, path)
        headers = {
            hdrs.ETAG: held.tag,
            # A new version is seen at once, and what has not changed costs no body.
            hdrs.CACHE_CONTROL: "no-cache",
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
        }
        if any(one.strip() in (held.tag, "*") for one in _tags(request)):
            return web.Response(status=304, headers=headers)
        body = held.body
        if held.packed and takes_gzip(request):
            body = held.packed
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        kind = _TYPES[path.suffix]
        charset = "utf-8" if path.suffix in _TEXT else None
        return web.Response(body=body, headers=headers, content_type=kind, charset=charset)

    def _read(self, name: str, path: Path) -> _Held:
        found = path.stat()
        stamp = found.st_mtime_ns, found.st_size
        held = self._held.get(name)
        if held is None or held.stamp != stamp:
            body = path.read_bytes()
            packed = gzip.compress(body, 9, mtime=0) if path.suffix in _TEXT else b""
            digest = hashlib.sha256(body).hexdigest()[:32]
            held = self._held[name] = _Held(stamp, body, packed, f'"{digest}"')
        return held


def _tags(request: web.Request) -> list[str]:
    return request.headers.get(hdrs.IF_NONE_MATCH, "").replace("W/", "").split(",")
