"""What may be shown: secrets hidden, control characters written out.

Logs, tables and errors all pass through here before a person or a file sees them.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

HIDDEN = "***"

_SECRET_KEY = re.compile(
    r"(^|[_.\- ])(password|passwd|passphrase|token|secrets?|(api|private|access)[_-]?key"
    r"|authorization|seed|credentials?|cookie)($|[_.\- ](?!file|path|count))",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_TEXT = re.compile(
    r"(?P<url>://)[^/\s@\"']+@"
    r"|(?P<bearer>\bbearer\s+)[\w.~+/=-]{8,}"
    r"|(?P<key>\b(?:password|passwd|token|secret|api[_-]?key|authorization)[\"']?\s*[=:]\s*"
    r"[\"']?(?:(?:bearer|basic)\s+)?)[^\s,;&)}\"']+",
    re.IGNORECASE,
)
# C0 and C1 controls, line separators, and the marks that turn the direction of writing.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DEEPEST = 6


def escape(text: str) -> str:
    """Returns the text with every control character written out: a line cannot be forged."""
    clean = CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)
    return clean.encode("utf-8", "backslashreplace").decode()


def scrub(text: str) -> str:
    """Returns the text without credentials in URLs, bearer tokens and `password=…`."""
    return _SECRET_TEXT.sub(
        lambda match: f"{match[match.lastgroup or 0]}{HIDDEN}{'@' if match['url'] else ''}", text
    )


def redact(key: str, value: object, depth: int = _DEEPEST) -> Any:
    """Returns a value that may be logged: plain data, secrets in it replaced by `***`.

    Args:
        key: What the value is called; a secret-looking name hides it.
        value: Anything.
        depth: Levels of nesting to follow; what lies deeper is written as text.
    """
    if value is None or isinstance(value, bool):
        return value
    if hasattr(value, "get_secret_value") or _SECRET_KEY.search(_CAMEL.sub("_", key)):
        return HIDDEN
    if isinstance(value, int | float):
        return value if abs(value) < 2**63 else str(value)
    if depth and isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if depth and isinstance(value, Mapping):
        return {plain(name): redact(plain(name), inner, depth - 1) for name, inner in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [redact(key, inner, depth - 1) for inner in value]
    return scrub(plain(value))


def plain(value: object) -> str:
    """Returns the value as text that UTF-8 can carry: lone surrogates are written out."""
    return str(value).encode("utf-8", "backslashreplace").decode()
