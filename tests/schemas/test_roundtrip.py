import contextlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
import msgspec.inspect as mi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_schemas import codec
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.exporting import message_schema
from pepperpy_schemas.subjects import Subject

# JSON of other languages carries integers up to 2**53 and no surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGER = st.integers(-(2**53), 2**53)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGER | TEXT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def values(info: mi.Type, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of an inspected type, as plain JSON."""
    match info:
        case mi.Metadata():
            return values(info.type, depth)
        case mi.StructType():
            return struct_values(info, depth)
        case mi.UnionType():
            types = [one for one in info.types if depth <= 3 or not nests(one)]
            return st.one_of([values(one, depth) for one in types])
        case mi.IntType():
            return st.integers(info.ge or 0, info.le or 2**53)
        case mi.FloatType():
            low, high = info.ge or 0, 1e9 if info.le is None else info.le
            return st.floats(low, high, exclude_min=info.gt is not None)
        case mi.BoolType():
            return st.booleans()
        case mi.StrType() if info.pattern:
            longest = info.max_length or 100
            texts = st.from_regex(info.pattern.replace("$", r"\Z"))
            return texts.filter(lambda text: len(text) <= longest)
        case mi.StrType():
            return TEXT if not info.min_length else TEXT.filter(bool)
        case mi.DateTimeType():
            return st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
        case mi.LiteralType():
            return st.sampled_from(info.values)
        case mi.NoneType():
            return st.none()
        case mi.ListType():
            return st.lists(
                values(info.item_type, depth), min_size=info.min_length or 0, max_size=3
            )
        case mi.TupleType():
            return st.tuples(*(values(one, depth) for one in info.item_types)).map(list)
        case mi.BytesType():
            return st.binary(max_size=20).map(lambda raw: b64encode(raw).decode())
        case mi.DictType():
            keys = values(info.key_type, depth)
            return st.dictionaries(
                keys, values(info.value_type, depth), min_size=info.min_length or 0, max_size=3
            )
        case _:
            return JSON


def nests(info: mi.Type) -> bool:
    """Whether every value of a type has a value of another Struct inside."""
    match info:
        case mi.StructType():
            return any(f.required and holds_struct(f.type) for f in info.fields)
        case _:
            return False


def holds_struct(info: mi.Type) -> bool:
    match info:
        case mi.Metadata():
            return holds_struct(info.type)
        case mi.ListType():
            return holds_struct(info.item_type)
        case mi.UnionType():
            return any(holds_struct(one) for one in info.types)
        case _:
            return isinstance(info, mi.StructType)


def struct_values(info: mi.StructType, depth: int) -> st.SearchStrategy[Any]:
    asked = [f for f in info.fields if depth <= 3 or f.required]
    fields = {f.encode_name: values(f.type, depth + 1) for f in asked}
    required = {f.encode_name: fields.pop(f.encode_name) for f in info.fields if f.required}
    if info.tag_field is not None:
        required[info.tag_field] = st.just(info.tag)
    return st.fixed_dictionaries(required, optional=fields)


@pytest.mark.parametrize("subject", MESSAGES, ids=lambda s: s.name)
def test_every_message_comes_back_as_it_was_sent(subject: Subject[Any]) -> None:
    validator = jsonschema_rs.Draft202012Validator(message_schema(subject))

    @given(values(mi.type_info(subject.type)))
    def comes_back(plain: Any) -> None:
        validator.validate(plain)
        message = subject.decode(msgspec.json.encode(plain))
        body = subject.encode(message)
        validator.validate(msgspec.json.decode(body))
        assert subject.encode(subject.decode(body)) == body
        assert codec.decode(body, subject.type) == message

    comes_back()


@pytest.mark.parametrize("subject", MESSAGES, ids=lambda s: s.name)
def test_no_bytes_make_a_reader_fail_otherwise_than_with_a_bad_payload(
    subject: Subject[Any],
) -> None:
    @given(st.binary(max_size=50) | JSON.map(msgspec.json.encode))
    def is_read_or_refused(body: bytes) -> None:
        with contextlib.suppress(BadPayload):
            subject.decode(body)

    is_read_or_refused()
