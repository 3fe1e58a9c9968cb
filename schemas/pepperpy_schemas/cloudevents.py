"""CloudEvents 1.0.2 on NATS, in and out: binary mode (``ce-*`` headers) and structured mode.

A message is structured when its ``Content-Type`` is ``application/cloudevents+json``; else it is
binary when it has ``ce-*`` headers; else it is no CloudEvent. A body alone never makes one: a
task's payload may well have a field ``specversion``.
"""

import base64
import re
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

import msgspec

from pepperpy_schemas import codec
from pepperpy_schemas.errors import BadHeader, BadPayload, PepperError
from pepperpy_schemas.headers import CONTENT_TYPE, TRACEPARENT, TRACESTATE, Folded
from pepperpy_schemas.messages import Event

SPEC_VERSION: Final = "1.0"
STRUCTURED_TYPE: Final = "application/cloudevents+json"
TYPE_PREFIX: Final = "pepperpy"
MAX_INTEGER: Final = 2**31

Extension: TypeAlias = str | int | bool
Message: TypeAlias = tuple[dict[str, str], bytes]
"""Headers and body, as they are published."""

_PREFIX: Final = "ce-"
_FAMILY: Final = "application/cloudevents"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_TEXTS: Final = (*_REQUIRED, "subject", "datacontenttype", "dataschema")
_MARKS: Final = frozenset(_PREFIX + name for name in _REQUIRED)
_NAME = re.compile(r"[a-z0-9]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r"\\(.)")
_UNENCODED: Final = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')
_NO_DATA: Final = b"null"


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent: context attributes, and the payload as it lies on the wire.

    Attributes:
        id: Unique within the source.
        source: Where it comes from, a URI reference.
        type: What happened, by a reverse name of its writer's.
        specversion: Version of the specification, ``1.0``.
        subject: What it happened to, within the source.
        time: When it happened.
        datacontenttype: Media type of the data; JSON when empty.
        dataschema: URI of the data's schema.
        extensions: Further attributes, by name.
        data: The payload's bytes; None for an event without data.
    """

    id: str
    source: str
    type: str
    specversion: str = SPEC_VERSION
    subject: str = ""
    time: datetime | None = None
    datacontenttype: str = ""
    dataschema: str = ""
    extensions: dict[str, Extension] = {}
    data: bytes | None = None

    def __post_init__(self) -> None:
        for name in _TEXTS:
            _check_text(name, getattr(self, name), required=name in _REQUIRED)
        if self.specversion != SPEC_VERSION:
            raise _wrong("specversion", f"is {self.specversion!r}", f"send {SPEC_VERSION!r}")
        for name, value in self.extensions.items():
            _check_extension(name, value)


class EventAddress(NamedTuple):
    """Where an event of ours lies: the tokens of its subject."""

    entity: str
    verb: str
    scope: str
    id: str


def is_cloudevent(folded: Folded) -> bool:
    """Returns whether a message with these headers says to be a CloudEvent."""
    if not folded:
        return False
    return not _MARKS.isdisjoint(folded) or _media_type(folded).startswith(_FAMILY)


def unwrap(body: bytes, folded: Folded) -> bytes:
    """Returns the plain payload of a message, whether it came as a CloudEvent or not.

    A CloudEvent without data yields ``null``.

    Raises:
        BadHeader: It says to be a CloudEvent, and a header is missing or wrong.
        BadPayload: It says to be a structured CloudEvent, and an attribute is missing or wrong.
    """
    if not is_cloudevent(folded):
        return body
    data = read(body, folded).data
    return _NO_DATA if data is None else data


def read(body: bytes, folded: Folded) -> CloudEvent:
    """Returns the CloudEvent of a message; ``data`` is the inner payload.

    A ``traceparent`` header of the message's own fills in a missing extension of that name.

    Raises:
        BadHeader: A header is missing or wrong; ``context.header`` names it.
        BadPayload: A structured attribute is missing or wrong; ``context.path`` names it.
    """
    media_type = _media_type(folded)
    if not media_type.startswith(_FAMILY):
        return _read_binary(body, folded)
    if media_type not in {_FAMILY, STRUCTURED_TYPE}:
        raise BadHeader(
            f"{CONTENT_TYPE} is {media_type!r:.80}, a format that is not read here",
            hint=f"send one event a message, as {STRUCTURED_TYPE}",
            context={"header": CONTENT_TYPE},
        )
    return _read_structured(body, folded)


def write_binary(event: CloudEvent) -> Message:
    """Returns the message of an event in binary mode: attributes as headers, data as the body.

    Trace extensions travel as ``traceparent`` and ``tracestate`` too, where tracers look.
    """
    headers = {_PREFIX + name: percent_encode(_text(v)) for name, v in _attributes(event).items()}
    for name in (TRACEPARENT, TRACESTATE):
        if name in event.extensions:
            headers[name] = str(event.extensions[name])
    return headers, event.data or b""


def write_structured(event: CloudEvent) -> Message:
    """Returns the message of an event in structured mode: one JSON document.

    Raises:
        BadPayload: The data says to be JSON and is not.
    """
    document: dict[str, Any] = _attributes(event)
    if event.data is not None:
        document.update(_structured_data(event.data, event.datacontenttype))
    return {CONTENT_TYPE: STRUCTURED_TYPE}, codec.encode(document)


def percent_encode(text: str) -> str:
    """Returns the text as a header value: ``Euro €`` is ``Euro%20%E2%82%AC``."""
    return quote(text, safe=_UNENCODED)


def percent_decode(value: str) -> str:
    """Returns the text of a header value, also of a quoted one, as older writers send.

    Raises:
        ValueError: A ``%`` is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _QUOTED.sub(r"\1", value[1:-1])
    if _BROKEN_PERCENT.search(value):
        raise ValueError("a % is not followed by two hexadecimal digits")
    return unquote(value, errors="strict")


def from_event(event: Event, address: EventAddress, *, source: str) -> CloudEvent:
    """Returns an event of ours as a CloudEvent of type ``pepperpy.<entity>.<verb>``.

    Args:
        event: The event.
        address: The tokens of its subject; the id becomes the CloudEvent's subject.
        source: Where it comes from, for example ``/pepperpy/pp``.
    """
    extensions: dict[str, Extension] = {"scope": address.scope, "attempt": event.attempt}
    extensions["priority"] = event.priority
    if event.correlation:
        extensions["correlationid"] = event.correlation
    if event.causation:
        extensions["causationid"] = event.causation
    return CloudEvent(
        id=event.id,
        source=source,
        type=f"{TYPE_PREFIX}.{address.entity}.{address.verb}",
        subject=address.id,
        time=event.ts,
        datacontenttype="application/json",
        extensions=extensions,
        data=codec.encode(event.data),
    )


def to_event(event: CloudEvent) -> tuple[Event, EventAddress]:
    """Returns the event of ours that a CloudEvent of type ``pepperpy.*`` carries.

    Raises:
        BadPayload: It is not one of ours; ``context.path`` names the attribute.
    """
    words = event.type.split(".")
    if len(words) != 3 or words[0] != TYPE_PREFIX:
        raise _wrong("type", f"is {event.type!r:.80}", f"send {TYPE_PREFIX}.<entity>.<verb>")
    if event.time is None:
        raise _wrong("time", "is missing", "say when it happened, as RFC 3339")
    extensions = event.extensions
    plain = {
        "id": event.id,
        "ts": event.time,
        "correlation": extensions.get("correlationid", ""),
        "causation": extensions.get("causationid", ""),
        "attempt": _number("attempt", extensions.get("attempt", 0)),
        "priority": extensions.get("priority", "normal"),
        "data": codec.decode(event.data or b"{}", dict[str, Any]),
    }
    scope = _text(extensions.get("scope", ""))
    return codec.convert(plain, Event), EventAddress(words[1], words[2], scope, event.subject)


def _media_type(folded: Folded) -> str:
    value = folded.get("content-type", "")
    return value.partition(";")[0].strip().lower() if value else ""


def _read_binary(body: bytes, folded: Folded) -> CloudEvent:
    attributes: dict[str, Any] = {}
    for header, value in folded.items():
        if header.startswith(_PREFIX):
            try:
                attributes[header.removeprefix(_PREFIX)] = percent_decode(value)
            except ValueError as error:
                raise _bad_header(header, f"is {value!r:.80}: {error}") from None
    attributes.setdefault("datacontenttype", folded.get("content-type", ""))
    try:
        return _event(attributes, folded, body or None)
    except BadPayload as error:
        attribute = error.context["path"].removeprefix("$.")
        fact = error.message.partition(" ")[2]
        raise _bad_header(_PREFIX + attribute, fact, hint=error.hint) from None


def _read_structured(body: bytes, folded: Folded) -> CloudEvent:
    raw = codec.decode(body, dict[str, msgspec.Raw])
    data, encoded = raw.pop("data", None), raw.pop("data_base64", None)
    attributes = {k: codec.decode(bytes(v), object) for k, v in raw.items()}
    present: dict[str, Any] = {k: v for k, v in attributes.items() if v is not None}
    if data is not None and encoded is not None:
        raise _wrong("data_base64", "stands beside data", "send one of the two")
    payload = None
    if encoded is not None:
        payload = _decoded(encoded)
    elif data is not None:
        payload = _plain(bytes(data), present.get("datacontenttype", ""))
    return _event(present, folded, payload)


def _event(attributes: dict[str, Any], folded: Folded, data: bytes | None) -> CloudEvent:
    for name in _REQUIRED:
        if name not in attributes:
            raise _wrong(name, "is missing", f"set {', '.join(_REQUIRED)}")
    known = {name: attributes.pop(name, "") for name in _TEXTS}
    time = attributes.pop("time", None)
    for name in (TRACEPARENT, TRACESTATE):
        if folded.get(name):
            attributes.setdefault(name, folded[name])
    for name, value in known.items():
        if not isinstance(value, str):
            raise _wrong(name, f"is {value!r:.40}", "send a string")
    return CloudEvent(**known, time=_time(time), extensions=attributes, data=data)


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        raise _wrong("time", f"is {value!r:.40}", "send RFC 3339: 2026-01-31T12:00:00Z") from None


def _decoded(raw: msgspec.Raw) -> bytes:
    try:
        return base64.b64decode(codec.decode(bytes(raw), str), validate=True)
    except (BadPayload, ValueError):
        raise _wrong("data_base64", "is not base64", "send the bytes in base64") from None


def _plain(data: bytes, media_type: object) -> bytes:
    """A string under a media type that is not JSON is the text itself."""
    if _is_json(media_type) or not data.startswith(b'"'):
        return data
    return codec.decode(data, str).encode()


def _is_json(media_type: object) -> bool:
    if not isinstance(media_type, str) or not media_type:
        return True
    subtype = media_type.partition(";")[0].strip().lower().partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def _structured_data(data: bytes, media_type: str) -> dict[str, object]:
    if _is_json(media_type):
        codec.decode(data, object)  # refuses what is not JSON
        return {"data": msgspec.Raw(data)}
    if media_type.lower().startswith("text/"):
        try:
            return {"data": data.decode()}
        except UnicodeDecodeError:
            pass  # text in another character set travels as bytes
    return {"data_base64": base64.b64encode(data).decode()}


def _attributes(event: CloudEvent) -> dict[str, Extension]:
    texts = {name: getattr(event, name) for name in _TEXTS}
    present: dict[str, Extension] = {name: text for name, text in texts.items() if text}
    if event.time is not None:
        present["time"] = msgspec.to_builtins(event.time)
    return {**present, **event.extensions}


def _text(value: Extension) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(name: str, value: Extension) -> int:
    """Binary mode carries numbers as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(name, f"is {value!r:.40}", "send a whole number")


def _check_text(name: str, value: str, *, required: bool) -> None:
    if required and not value:
        raise _wrong(name, "is empty", "give it a value")
    if _CONTROLS.search(value):
        raise _wrong(name, "has a control character", "send printable text")


def _check_extension(name: str, value: object) -> None:
    if _NAME.fullmatch(name) is None or name == "data":
        raise _wrong(name[:80], "is not an attribute's name", "use lower-case letters and digits")
    if isinstance(value, str):
        _check_text(name, value, required=False)
    elif not isinstance(value, int) or not -MAX_INTEGER <= value < MAX_INTEGER:
        raise _wrong(name, f"is {value!r:.40}", "send a string, a boolean or a 32-bit integer")


def _wrong(name: str, fact: str, hint: str) -> BadPayload:
    return BadPayload(f"{name} {fact}", hint=hint, context={"path": f"$.{name}"})


def _bad_header(header: str, fact: str, *, hint: str = "") -> PepperError:
    hint = hint or "percent-encode it, as the NATS binding of CloudEvents says"
    return BadHeader(f"{header} {fact}", hint=hint, context={"header": header})
