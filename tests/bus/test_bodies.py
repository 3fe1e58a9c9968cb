import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, Field

from pepperpy_bus.bodies import to_json
from pepperpy_schemas.errors import BadPayload


class Ticket(msgspec.Struct):
    text: str


@dataclass
class Point:
    x: int


class Model(BaseModel):
    when: datetime
    text: str = "ü"


class Named(BaseModel):
    full_name: str = Field(alias="fullName")


class Loose(BaseModel):
    part: Any


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (None, b"null"),
        ("ü", '"ü"'.encode()),
        ({"a": [1, 2.5, True]}, b'{"a":[1,2.5,true]}'),
        (Ticket("hi"), b'{"text":"hi"}'),
        (Point(3), b'{"x":3}'),
        (
            Model(when=datetime(2026, 1, 1, tzinfo=UTC)),
            '{"when":"2026-01-01T00:00:00Z","text":"ü"}'.encode(),
        ),
        (Named(fullName="Ana"), b'{"fullName":"Ana"}'),
        (b'{"ready": 1}', b'{"ready": 1}'),
        (msgspec.Raw(b'{"raw": 1}'), b'{"raw": 1}'),
    ],
)
def test_what_callers_have_in_hand_becomes_json(value: object, body: bytes) -> None:
    assert to_json(value) == body


@pytest.mark.parametrize("value", [object(), {"a": sys.stdin}, {1: {object()}}, 1j])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(BadPayload, match="cannot be written as JSON"):
        to_json(value)


def test_a_model_with_a_part_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(BadPayload, match="cannot be written as JSON"):
        to_json(Loose(part=object()))


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(BadPayload):
        to_json(loop)


def test_a_model_class_is_no_model() -> None:
    """`model_dump_json` of the class exists too, but has no value to write."""
    with pytest.raises(BadPayload):
        to_json(Model)
