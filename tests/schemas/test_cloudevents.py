import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_schemas.cloudevents import (
    CloudEvent,
    EventAddress,
    from_event,
    is_cloudevent,
    percent_decode,
    percent_encode,
    read,
    to_event,
    unwrap,
    write_binary,
    write_structured,
)
from pepperpy_schemas.errors import BadHeader, BadPayload
from pepperpy_schemas.headers import fold
from pepperpy_schemas.messages import Event

TEXT = "Euro € 😀"
ENCODED = "Euro%20%E2%82%AC%20%F0%9F%98%80"
PAYLOAD = b'{"text":"hi"}'
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "com.shop.order"}
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.shop.order"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def structured(**more: Any) -> bytes:
    return json.dumps({**ATTRIBUTES, **more}).encode()


def test_header_values_are_percent_encoded_as_the_binding_says() -> None:
    assert percent_encode(TEXT) == ENCODED
    assert percent_decode(ENCODED) == TEXT
    assert percent_encode('a"b%c~/:?\x7f') == "a%22b%25c~/:?%7F"


def test_unneeded_lower_case_and_quoted_encodings_are_read() -> None:
    assert percent_decode("%e2%82%ac%41") == "€A"
    assert percent_decode('"Euro \\"x\\" %E2%82%AC"') == 'Euro "x" €'


@pytest.mark.parametrize("value", ["%C0%A0", "%FF", "%", "50%", "%2", "%zz"])
def test_a_broken_encoding_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        percent_decode(value)
    with pytest.raises(BadHeader) as refused:
        read(b"", {**BINARY, "ce-subject": value})
    assert refused.value.context == {"header": "ce-subject"}


@given(st.text())
def test_every_text_survives_the_encoding_as_printable_ascii(text: str) -> None:
    encoded = percent_encode(text)
    assert percent_decode(encoded) == text
    assert all(0x20 < ord(c) < 0x7F for c in encoded)


def test_plain_messages_are_no_cloudevents_and_pass_unchanged() -> None:
    for headers in ({}, {"content-type": "application/json"}, {"pp-id": "1"}, {"ce-x": "1"}):
        assert not is_cloudevent(headers)
        assert unwrap(PAYLOAD, headers) == PAYLOAD
    assert unwrap(structured(data=1), {}) == structured(data=1)


def test_a_task_sent_in_either_mode_yields_its_plain_payload() -> None:
    assert unwrap(PAYLOAD, BINARY) == PAYLOAD
    assert unwrap(structured(data={"text": "hi"}), STRUCTURED) == b'{"text": "hi"}'
    encoded = base64.b64encode(PAYLOAD).decode()
    assert unwrap(structured(data_base64=encoded), STRUCTURED) == PAYLOAD


def test_an_event_without_data_yields_null() -> None:
    assert unwrap(b"", BINARY) == b"null"
    assert unwrap(structured(), STRUCTURED) == b"null"
    assert unwrap(structured(data=None), STRUCTURED) == b"null"


def test_the_content_type_decides_the_mode_in_any_case_and_with_parameters() -> None:
    folded = fold({"CONTENT-type": "Application/CloudEvents+JSON; charset=UTF-8"})
    assert read(structured(data=1), folded).data == b"1"
    assert read(structured(data=1), {"content-type": "application/cloudevents"}).data == b"1"
    assert read(structured(id="2", data=1), {**BINARY, **STRUCTURED}).id == "2"


def test_binary_attributes_are_read_with_extensions() -> None:
    event = read(
        PAYLOAD,
        {
            **BINARY,
            "ce-subject": ENCODED,
            "ce-time": "2026-01-31T12:00:00Z",
            "ce-correlationid": "PP_TASKS-7",
            "ce-dataschema": "urn:order",
            "ce-datacontenttype": "application/json",
            "content-type": "text/ignored",
        },
    )
    assert event == CloudEvent(
        id="1",
        source="/shop",
        type="com.shop.order",
        subject=TEXT,
        time=datetime(2026, 1, 31, 12, tzinfo=UTC),
        datacontenttype="application/json",
        dataschema="urn:order",
        extensions={"correlationid": "PP_TASKS-7"},
        data=PAYLOAD,
    )
    assert read(PAYLOAD, {**BINARY, "content-type": "text/x"}).datacontenttype == "text/x"


@pytest.mark.parametrize("missing", sorted(BINARY))
def test_a_missing_attribute_is_named_in_both_modes(missing: str) -> None:
    headers = {k: v for k, v in BINARY.items() if k != missing}
    with pytest.raises(BadHeader, match=f"{missing} is missing") as refused:
        unwrap(PAYLOAD, headers)
    assert refused.value.context == {"header": missing}
    name = missing.removeprefix("ce-")
    body = json.dumps({k: v for k, v in ATTRIBUTES.items() if k != name}).encode()
    with pytest.raises(BadPayload, match=f"{name} is missing") as bad:
        unwrap(body, STRUCTURED)
    assert bad.value.context == {"path": f"$.{name}"}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"specversion": "0.3"}, "$.specversion"),
        ({"id": ""}, "$.id"),
        ({"id": 7}, "$.id"),
        ({"type": "a\nb"}, "$.type"),
        ({"source": "\u0085"}, "$.source"),
        ({"time": "yesterday"}, "$.time"),
        ({"time": 5}, "$.time"),
        ({"Upper": "x"}, "$.Upper"),
        ({"with-dash": "x"}, "$.with-dash"),
        ({"ext": {"a": 1}}, "$.ext"),
        ({"ext": 1.5}, "$.ext"),
        ({"ext": 2**31}, "$.ext"),
        ({"ext": "\x00"}, "$.ext"),
        ({"data_base64": "*"}, "$.data_base64"),
        ({"data_base64": 5}, "$.data_base64"),
        ({"data_base64": "é"}, "$.data_base64"),
        ({"data": 1, "data_base64": "MQ=="}, "$.data_base64"),
        ({"datacontenttype": 5}, "$.datacontenttype"),
    ],
)
def test_a_wrong_attribute_is_refused_by_name(more: dict[str, Any], path: str) -> None:
    with pytest.raises(BadPayload) as refused:
        read(structured(**more), STRUCTURED)
    assert refused.value.context == {"path": path}
    assert refused.value.hint


@pytest.mark.parametrize(
    ("header", "value"),
    [("ce-specversion", "2.0"), ("ce-time", "x"), ("ce-a_b", "x"), ("ce-id", ""), ("ce-data", "x")],
)
def test_a_wrong_header_is_refused_by_name(header: str, value: str) -> None:
    with pytest.raises(BadHeader, match=header) as refused:
        read(PAYLOAD, {**BINARY, header: value})
    assert refused.value.context == {"header": header}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_a_structured_body_that_is_no_object_is_a_bad_payload(body: bytes) -> None:
    with pytest.raises(BadPayload):
        unwrap(body, STRUCTURED)


@pytest.mark.parametrize("kind", ["cloudevents-batch+json", "cloudevents+avro"])
def test_a_format_that_is_not_read_is_refused(kind: str) -> None:
    with pytest.raises(BadHeader, match=kind.replace("+", r"\+")) as refused:
        unwrap(b"[]", {"content-type": f"application/{kind}"})
    assert "application/cloudevents+json" in refused.value.hint


def test_null_attributes_count_as_absent() -> None:
    assert read(structured(subject=None, ext=None), STRUCTURED).extensions == {}


def test_text_under_a_media_type_that_is_not_json_is_the_text_itself() -> None:
    body = structured(datacontenttype="text/plain", data=TEXT)
    assert read(body, STRUCTURED).data == TEXT.encode()
    body = structured(datacontenttype="application/vnd.shop+json", data="x")
    assert read(body, STRUCTURED).data == b'"x"'
    body = structured(datacontenttype="application/xml", data={"a": 1})
    assert read(body, STRUCTURED).data == b'{"a": 1}'


@pytest.mark.parametrize(
    ("media_type", "data", "field"),
    [
        ("", b'{"a":1}', '"data":{"a":1}'),
        ("application/json; charset=utf-8", b"[1]", '"data":[1]'),
        ("text/plain", TEXT.encode(), f'"data":"{TEXT}"'),
        ("text/plain", b"\xff", '"data_base64":"/w=="'),
        ("application/pdf", b"%PDF", '"data_base64":"JVBERg=="'),
    ],
)
def test_structured_data_is_written_by_its_media_type(
    media_type: str, data: bytes, field: str
) -> None:
    event = CloudEvent(id="1", source="/s", type="t", datacontenttype=media_type, data=data)
    headers, body = write_structured(event)
    assert headers == {"Content-Type": "application/cloudevents+json"}
    assert field in body.decode()
    assert read(body, fold(headers)) == event


def test_data_that_says_to_be_json_and_is_not_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadPayload):
        write_structured(CloudEvent(id="1", source="/s", type="t", data=b"{"))


def test_trace_context_travels_as_extension_and_as_header() -> None:
    event = read(PAYLOAD, {**BINARY, "traceparent": TRACE, "tracestate": "a=b"})
    assert event.extensions == {"traceparent": TRACE, "tracestate": "a=b"}
    headers, _ = write_binary(event)
    assert headers["traceparent"] == headers["ce-traceparent"] == TRACE
    assert headers["tracestate"] == "a=b"
    assert headers["ce-tracestate"] == "a=b"
    own = {**BINARY, "ce-traceparent": TRACE, "traceparent": "other"}
    assert read(PAYLOAD, own).extensions["traceparent"] == TRACE


EVENT = Event(
    "e1",
    datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC),
    correlation="PP_TASKS-1",
    causation="PP_TASKS-7",
    attempt=2,
    priority="high",
    data={"topic": "triage", "seconds": 1.5},
)
ADDRESS = EventAddress("task", "input_required", "triage", "PP_TASKS-7")


def test_an_event_of_ours_becomes_a_cloudevent() -> None:
    event = from_event(EVENT, ADDRESS, source="/pepperpy/pp")
    assert (event.type, event.subject) == ("pepperpy.task.input_required", "PP_TASKS-7")
    assert event.extensions == {
        "scope": "triage",
        "attempt": 2,
        "priority": "high",
        "correlationid": "PP_TASKS-1",
        "causationid": "PP_TASKS-7",
    }


@pytest.mark.parametrize("write", [write_binary, write_structured])
@pytest.mark.parametrize("event", [EVENT, Event("e2", EVENT.ts)])
def test_an_event_of_ours_comes_back_whole_in_both_modes(write: Any, event: Event) -> None:
    headers, body = write(from_event(event, ADDRESS, source="/pepperpy/pp"))
    assert to_event(read(body, fold(headers))) == (event, ADDRESS)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"type": "com.shop.order"}, "$.type"),
        ({"type": "pepperpy.task"}, "$.type"),
        ({"time": None}, "$.time"),
        ({"attempt": "many"}, "$.attempt"),
        ({"attempt": True}, "$.attempt"),
        ({"attempt": -1}, "$.attempt"),
        ({"priority": 5}, "$.priority"),
        ({"data": [1]}, "$"),
    ],
)
def test_a_cloudevent_that_is_none_of_ours_is_refused(more: dict[str, Any], path: str) -> None:
    base = {"type": "pepperpy.task.failed", "time": "2026-01-31T12:00:00Z"}
    with pytest.raises(BadPayload) as refused:
        to_event(read(structured(**{**base, **more}), STRUCTURED))
    assert refused.value.context == {"path": path}


def test_booleans_and_numbers_are_written_in_their_canonical_form() -> None:
    event = CloudEvent(id="1", source="/s", type="t", extensions={"yes": True, "n": -5})
    headers, body = write_binary(event)
    assert (headers["ce-yes"], headers["ce-n"], body) == ("true", "-5", b"")
    headers, body = write_structured(event)
    assert read(body, fold(headers)).extensions == {"yes": True, "n": -5}
