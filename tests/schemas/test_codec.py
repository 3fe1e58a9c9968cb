from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from pepperpy_schemas import codec
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.messages import Event, JournalEntry, Resume, Token


class Order(msgspec.Struct):
    text: str
    count: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    price: float = 0.0


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="1 empty"),
        pytest.param(b'{"text":"a', id="2 truncated"),
        pytest.param(b'{"text":"\xff"}', id="3 not UTF-8"),
        pytest.param(b'{"text":"a"}x', id="4 trailing bytes"),
        pytest.param(b"[" * 100_000, id="5 deep"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="5 deep and closed"),
        pytest.param(b'\xef\xbb\xbf{"text":"a"}', id="8 byte order mark"),
        pytest.param(b'{"text":"\\ud800"}', id="8 lone surrogate"),
        pytest.param(b"\x80\x04\x95", id="9 pickle"),
        pytest.param(b"!!python/object/apply:os.system [ls]", id="9 YAML tag"),
    ],
)
@pytest.mark.parametrize("type_", [Order, object, dict[str, object]])
def test_a_body_that_is_not_json_is_a_bad_payload(body: bytes, type_: Any) -> None:
    with pytest.raises(BadPayload) as refused:
        codec.decode(body, type_)
    assert refused.value.context["path"].startswith("$")
    assert len(refused.value.message) < 300
    assert refused.value.code == "bad_payload"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"text":"a","count":NaN}', "$"),
        (b'{"text":"a","price":1e400}', "$.price"),
        (b'{"text":"a","count":1000000000000000000000000000000}', "$.count"),
        (b'{"text":"a","count":-1}', "$.count"),
        (b'{"text":"a","count":' + b"9" * 5000 + b"}", "$"),
        (b'{"text":"a","count":1.5}', "$.count"),
        (b'{"text":"a","count":true}', "$.count"),
        (b'{"text":null}', "$.text"),
        (b'{"count":1}', "$.text"),
        (b"[]", "$"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(BadPayload) as refused:
        codec.decode(body, Order)
    assert refused.value.context["path"].startswith(path)


def test_the_message_names_a_missing_field() -> None:
    with pytest.raises(BadPayload, match=r"^\$\.text is missing$"):
        codec.decode(b"{}", Order)
    with pytest.raises(BadPayload, match=r"^\$\[0\]\.text is missing$") as inner:
        codec.convert([{}], list[Order])
    assert inner.value.context == {"path": "$[0].text"}


def test_the_path_goes_into_lists_and_unions() -> None:
    with pytest.raises(BadPayload) as refused:
        codec.decode(b'[{"text":"a"},{"text":5}]', list[Order])
    assert refused.value.context["path"] == "$[1].text"
    with pytest.raises(BadPayload, match="kind"):
        codec.decode(b'{"kind":"future"}', JournalEntry)  # type: ignore[arg-type]  # a union


def test_a_large_body_of_many_keys_is_read() -> None:
    body = b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(100_000)) + b"}"
    assert len(codec.decode(body, dict[str, int])) == 100_000


def test_the_last_of_two_equal_keys_wins_as_everywhere_else() -> None:
    assert codec.decode(b'{"text":"a","text":"b"}', Order).text == "b"


def test_unknown_fields_are_ignored_and_unknown_kinds_refused() -> None:
    assert codec.decode(b'{"seq":1,"attempt":1,"colour":"red"}', Token) == Token(1, 1)
    with pytest.raises(BadPayload, match="reason"):
        codec.decode(b'{"reason":"boredom"}', Resume)


def test_a_time_without_an_offset_is_refused() -> None:
    assert codec.decode(b'{"id":"e","ts":"2026-01-01T00:00:00+02:00"}', Event).ts.utcoffset()
    with pytest.raises(BadPayload, match="ts"):
        codec.decode(b'{"id":"e","ts":"2026-01-01T00:00:00"}', Event)


def test_payloads_that_look_like_objects_stay_data() -> None:
    body = b'{"lc":1,"type":"constructor","id":["os","system"]}'
    assert codec.decode(body, dict[str, object])["lc"] == 1


def test_what_json_cannot_carry_is_refused_before_it_is_sent() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), {1j: 2}, "\ud800", loop):
        with pytest.raises(BadPayload, match="cannot be written"):
            codec.encode(value)


def test_values_of_many_types_go_out_and_come_back() -> None:
    assert codec.decode(codec.encode(Point(3)), Point) == Point(3)
    assert codec.encode(None) == b"null"
    when = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    assert codec.decode(codec.encode(when), datetime) == when


def test_plain_values_become_typed_ones_or_are_refused_with_their_path() -> None:
    assert codec.convert({"text": "a"}, Order) == Order("a")
    with pytest.raises(BadPayload) as refused:
        codec.convert({"text": "a", "count": "x"}, Order)
    assert refused.value.context == {"path": "$.count"}
    with pytest.raises(BadPayload) as root:
        codec.convert(5, Literal["a"])  # type: ignore[arg-type]  # a Literal is no type[T]
    assert root.value.context == {"path": "$"}
