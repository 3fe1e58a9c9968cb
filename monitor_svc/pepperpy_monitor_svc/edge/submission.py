"""From an HTTP request to a task: its options from headers, its body from whatever came."""

import base64
import codecs
import hashlib
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.units import parse_duration
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.bodies import read_body
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.error import PepperError

LONGEST_WAIT: Final = 300.0
"""Seconds that a request may wait for a task; proxies close what says nothing for longer."""
_KEY_LENGTH: Final = 255
_FORM: Final = "application/x-www-form-urlencoded"
"""What curl and its like say of a body when they are told nothing else."""
_PASSED_ON: Final = (h.TRACEPARENT, h.TRACESTATE, h.BAGGAGE)
_PYTHONS_OWN: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"}
)
"""Encodings that are no texts' on the web; to read punycode takes the square of its length."""


def options_of(request: web.Request, caller: str) -> SubmitOptions:
    """Returns the options that a request's headers say.

    Args:
        request: The request.
        caller: Whose it is; the task says so in ``Pp-Source``.

    Raises:
        Refused: A header has a value that is none.
    """
    given = request.headers
    passed = {name: given[name] for name in _PASSED_ON if _is_text(given, name)}
    if is_event(request):
        passed[h.CONTENT_TYPE] = request.content_type
    options = SubmitOptions(headers={h.SOURCE: caller, **passed})
    if task_id := _id_of(request, caller):
        options["id"] = task_id
    if key := given.get(h.KEY):
        options["key"] = key
    if priority := given.get(h.PRIORITY):
        options["priority"] = priority
    if timeout := given.get(h.TIMEOUT):
        options["timeout"] = _duration(timeout, h.TIMEOUT)
    return options


def wait_of(request: web.Request) -> float:
    """Returns how many seconds a request wants to wait, at most `LONGEST_WAIT`; 0 for not at all.

    Raises:
        Refused: It is no duration.
    """
    text = request.query.get("wait", "")
    return min(_duration(text, "wait", "bad_query"), LONGEST_WAIT) if text else 0.0


async def body_of(request: web.Request, largest: int) -> bytes:
    """Returns the body as JSON: as it came, or as a text in which it lies.

    Text becomes a JSON string, anything else that is no JSON a string of base64, nothing null.

    Raises:
        Refused: It is too large, too slow, compressed, or a form.
        BadPayload: It is said to be JSON and is none, or text and no UTF-8.
    """
    body = await read_body(request, largest)
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Refused(415, "unsupported_type", "the body is compressed", hint="send it as it is")
    kind = request.content_type if hdrs.CONTENT_TYPE in request.headers else "application/json"
    if not body:
        return b"null"  # as of a client that gives no data
    if _is_json(kind):
        decode(body, object)
        return body
    if kind == _FORM:
        raise Refused(
            415,
            "unsupported_type",
            "the body is a form",
            hint="send Content-Type: application/json",
        )
    if kind.startswith("text/"):
        return encode(_text_of(body, request.charset or "utf-8"))
    return encode(base64.b64encode(body).decode())


def is_event(request: web.Request) -> bool:
    """Tells whether the body is a CloudEvent, which workers read as one."""
    return request.content_type == "application/cloudevents+json"


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _text_of(body: bytes, charset: str) -> str:
    try:
        if codecs.lookup(charset).name not in _PYTHONS_OWN:
            return body.decode(charset)
    except (UnicodeError, LookupError):
        pass
    raise Refused(400, "bad_payload", f"the body is no {charset:.40} text")


def _is_text(headers: Mapping[str, str], name: str) -> bool:
    """Tells whether a header is there, and UTF-8: a message's headers are."""
    try:
        return name in headers and bool(headers[name].encode())
    except UnicodeEncodeError:
        return False  # as every trace context that is none: it is passed over


def _id_of(request: web.Request, caller: str) -> str:
    """The caller's own id; one of an idempotency key is another caller's never."""
    if own := request.headers.get(h.ID):
        return own
    key = request.headers.get(h.IDEMPOTENCY_KEY, "")
    if len(key) > _KEY_LENGTH:
        fact = f"{h.IDEMPOTENCY_KEY} has more than {_KEY_LENGTH} characters"
        raise Refused(400, "bad_header", fact)
    if not key:
        return ""
    digest = hashlib.sha256(f"{caller}\0{key}".encode("utf-8", "surrogateescape"))
    return f"i-{digest.hexdigest()[:32]}"


def _duration(text: str, name: str, code: str = "bad_header") -> float:
    try:
        return parse_duration(text)
    except PepperError as error:
        raise Refused(400, code, f"{name}: {error}", hint=error.hint) from None
