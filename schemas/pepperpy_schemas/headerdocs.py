"""The headers of the wire as a table: what `headers` declares, with the lines under it."""

import ast
import functools
import inspect
from typing import Any, Final, NamedTuple

from pepperpy_schemas import headers

_ON_RESULTS: Final = frozenset({"TOPIC", "ATTEMPT", "FINGERPRINT"})
_OVER_HTTP: Final = frozenset({"TIMEOUT", "IDEMPOTENCY_KEY"})
# The label goes with what the server adds up.
_OF_THE_SERVER: Final = ("Nats-", "KV-", headers.SERVER_STATUS, headers.LABEL)
_NO_HEADERS: Final = frozenset({"RESERVED", "MAX_HEADERS", "PRIORITIES", "NO_HEADERS"})


class HeaderDoc(NamedTuple):
    """A header, what it says, and on which messages.

    Attributes:
        name: The header as it is written.
        on: ``task``, ``result`` or ``server``; ``http`` is on requests to the HTTP edge alone.
        doc: What it says; one sentence or two.
    """

    name: str
    on: str
    doc: str


@functools.cache
def header_docs() -> tuple[HeaderDoc, ...]:
    """Returns every header of `headers` in the order of its source."""
    body = ast.parse(inspect.getsource(headers)).body
    docs = [_doc_of(after) for after in body[1:]] + [""]
    found = []
    for node, doc in zip(body, docs, strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            if name.isupper() and name[0] != "_" and name not in _NO_HEADERS:
                found.append(HeaderDoc(getattr(headers, name), _place(name), doc))
    return tuple(found)


def header_schema(on: str) -> dict[str, Any]:
    """Returns the JSON Schema of the headers of one kind of message.

    Args:
        on: ``task``, ``result`` or ``server``.
    """
    properties = {h.name: _value_schema(h) for h in header_docs() if h.on == on}
    return {"type": "object", "properties": properties}


def _doc_of(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def _place(name: str) -> str:
    if name in _ON_RESULTS:
        return "result"
    if name in _OVER_HTTP:
        return "http"
    return "server" if getattr(headers, name).startswith(_OF_THE_SERVER) else "task"


def _value_schema(header: HeaderDoc) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "description": header.doc}
    if header.name == headers.PRIORITY:
        schema["enum"] = list(headers.PRIORITIES)
    if header.name == headers.TIMEOUT_MS:
        schema["pattern"] = "^[0-9]{1,15}$"
    return schema
