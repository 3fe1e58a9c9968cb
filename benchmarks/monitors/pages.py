"""What a browser loads for a page: itself, styles, scripts and pictures, and what these load."""

import re
import urllib.request
from urllib.parse import urljoin, urlsplit

_LINKED = re.compile(r"""<(?:script|link|img)\b[^>]*?\b(?:src|href)=["']([^"']+)["']""")
_IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")
_STYLED = re.compile(r"""url\(\s*["']?([^"')]+)["']?\s*\)""")


def fetched(url: str) -> bytes:
    """Returns what is at an address."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def weight(url: str, data: str = "") -> int:
    """Returns the bytes of a page with all that it loads from the same server, uncompressed.

    Args:
        url: The page.
        data: Path of the request for its data, or empty.
    """
    found: dict[str, int] = {}
    todo = [url, *([urljoin(url, data)] if data else [])]
    while todo:
        at = todo.pop()
        if at in found or urlsplit(at).netloc != urlsplit(url).netloc:
            continue
        body = fetched(at)
        found[at] = len(body)
        todo += [urljoin(at, name) for name in _names(at, body)]
    return sum(found.values())


def _names(at: str, body: bytes) -> list[str]:
    path = urlsplit(at).path
    text = body.decode(errors="replace")
    if path.endswith(".js"):
        return [name for name in _IMPORTED.findall(text) if name.startswith((".", "/"))]
    if path.endswith(".css"):
        names = [name for name in _STYLED.findall(text) if not name.startswith("data:")]
        # A browser loads one form of a font, the first that it knows.
        return [name for name in names if name.partition("?")[0].endswith((".woff2", ".css"))]
    return _LINKED.findall(text) if b"<html" in body[:500].lower() else []
