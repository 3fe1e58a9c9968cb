import enum
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import jsonschema_rs
import msgspec
import pydantic
import pytest

from pepperpy_schemas import codec, examples
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.errors import UnsupportedType
from pepperpy_schemas.exporting import export, message_schema
from pepperpy_schemas.jsonschema import schema_of
from pepperpy_schemas.subjects import Subject

T = TypeVar("T")
DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Ticket(msgspec.Struct, forbid_unknown_fields=True):
    """A ticket of a customer.

    More about it.

    Attributes:
        text: What it says,
            over two lines.
        colour (Colour): Its colour.
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=9, pattern="^a")]
    colour: Colour = Colour.RED
    parent: "Ticket | None" = None
    raw: msgspec.Raw = msgspec.Raw(b'{"a":1}')
    unset: int | msgspec.UnsetType = msgspec.UNSET
    tags: list[str] = []


class Row(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    a: int
    b: str = "x"


class Box(msgspec.Struct, Generic[T]):
    value: T


class Cat(msgspec.Struct, tag="cat", frozen=True):
    name: str


class Dog(msgspec.Struct, tag="dog"):
    name: str


@dataclass
class Point:
    x: int
    y: list[int] = field(default_factory=list)
    made: datetime = field(default_factory=datetime.now)


class Options(TypedDict, total=False):
    a: int


class Pair(NamedTuple):
    a: int
    b: str = "x"


class Model(pydantic.BaseModel):
    name: str
    size: int = 3

    @pydantic.computed_field  # type: ignore[prop-decorator]  # pydantic's documented way
    @property
    def label(self) -> str:
        return f"{self.name}/{self.size}"


class Nested(msgspec.Struct):
    inner: Any = msgspec.field(default=Cat("x"))
    deep: Any = msgspec.field(default=(msgspec.Raw(b"1"),))


class Opaque:
    pass


def test_a_struct_is_described_with_its_documentation() -> None:
    assert schema_of(Ticket) == {
        **DIALECT,
        "$ref": "#/$defs/Ticket",
        "$defs": {
            "Colour": {"title": "Colour", "enum": ["red", "blue"]},
            "Ticket": {
                "title": "Ticket",
                "description": "A ticket of a customer. More about it.",
                "type": "object",
                "properties": {
                    "text": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 9,
                        "pattern": "^a",
                        "description": "What it says, over two lines.",
                    },
                    "colour": {
                        "$ref": "#/$defs/Colour",
                        "description": "Its colour.",
                        "default": "red",
                    },
                    "parent": {
                        "anyOf": [{"$ref": "#/$defs/Ticket"}, {"type": "null"}],
                        "default": None,
                    },
                    "raw": {"default": {"a": 1}},
                    "unset": {"type": "integer"},
                    "tags": {"type": "array", "items": {"type": "string"}, "default": []},
                },
                "required": ["text"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        (None, {"type": "null"}),
        (Any, {}),
        (bool, {"type": "boolean"}),
        (Annotated[int, msgspec.Meta(ge=1, lt=9)], {"type": "integer", "minimum": 1}),
        (float, {"type": "number"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (date, {"type": "string", "format": "date"}),
        (timedelta, {"type": "string", "format": "duration"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Decimal, {"type": "string", "format": "decimal"}),
        (datetime, {"type": "string"}),
        (
            Annotated[datetime, msgspec.Meta(tz=True)],
            {"type": "string", "format": "date-time"},
        ),
        (Literal["b", "a"], {"enum": ["a", "b"]}),
        (Annotated[str, msgspec.Meta(title="T")], {"type": "string", "title": "T"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list, {"type": "array"}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (dict, {"type": "object"}),
        (
            dict[Annotated[str, msgspec.Meta(max_length=3)], Any],
            {"type": "object", "propertyNames": {"maxLength": 3}},
        ),
        (
            dict[Annotated[str, msgspec.Meta(title="K")], int],
            {"type": "object", "propertyNames": {"title": "K"}},
        ),
        (dict[int, str], {"type": "object", "additionalProperties": {"type": "string"}}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
        ),
        (tuple[()], {"type": "array", "maxItems": 0}),
        (Row, {"title": "Row", "minItems": 1, "maxItems": 2}),
        (Pair, {"title": "Pair", "minItems": 1}),
        (Options, {"title": "Options", "properties": {"a": {"type": "integer"}}}),
        (Box[int], {"title": "Box_int", "required": ["value"]}),
        (Point, {"title": "Point", "required": ["x"]}),
    ],
)
def test_a_type_is_described(type_: object, schema: dict[str, Any]) -> None:
    assert {**DIALECT, **schema}.items() <= schema_of(type_).items()


def test_a_factorys_default_is_told_when_it_is_an_empty_container() -> None:
    properties = schema_of(Point)["properties"]
    assert properties["y"]["default"] == []
    assert "default" not in properties["made"]
    assert "description" not in schema_of(Point)


def test_defaults_of_structs_are_told_and_those_that_cannot_are_left_out() -> None:
    properties = schema_of(Nested)["properties"]
    assert properties["inner"]["default"] == {"type": "cat", "name": "x"}
    assert "default" not in properties["deep"]


def test_alternatives_are_told_apart_by_their_tag() -> None:
    schema = schema_of(Cat | Dog)
    assert schema["anyOf"] == [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    assert schema["$defs"]["Cat"]["properties"]["type"] == {"const": "cat"}
    assert schema["$defs"]["Cat"]["required"] == ["type", "name"]


def test_two_types_of_one_name_are_kept_apart() -> None:
    other = msgspec.defstruct("Cat", [("age", int)], module="other")
    schema = schema_of(tuple[Cat, other])  # type: ignore[valid-type]  # made at run time
    assert set(schema["$defs"]) == {"Cat", "other.Cat"}


def test_a_pydantic_model_is_described_by_pydantic() -> None:
    assert schema_of(Model)["required"] == ["name"]
    assert schema_of(Model, mode="output")["required"] == ["name", "label"]
    many = schema_of(list[Model])
    assert many["items"] == {"$ref": "#/$defs/Model"}
    assert many["$schema"] == DIALECT["$schema"]


def test_pydantic_is_imported_for_its_own_types_only() -> None:
    import subprocess

    code = (
        "import sys; from pepperpy_schemas.jsonschema import schema_of; schema_of(dict[str, int]);"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Broken(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    value: Opaque


@pytest.mark.parametrize("type_", [Opaque, list[Opaque], complex, "Nowhere", Broken, 5])
def test_a_type_that_json_cannot_carry_is_refused_by_name(type_: object) -> None:
    with pytest.raises(UnsupportedType) as refused:
        schema_of(type_)
    assert refused.value.context["type"]
    assert "Struct" in refused.value.hint


def test_a_type_that_msgspec_cannot_tell_apart_is_refused() -> None:
    with pytest.raises(UnsupportedType, match="union"):
        schema_of(Point | OrderedDict[str, int] | Options)
    with pytest.raises(UnsupportedType):
        schema_of(msgspec.msgpack.Ext)


def test_the_same_type_gives_the_same_bytes() -> None:
    assert codec.encode(schema_of(Ticket)) == codec.encode(schema_of(Ticket))


@pytest.mark.parametrize("subject", MESSAGES, ids=lambda s: s.name)
def test_examples_of_every_message_fit_its_schema_and_its_type(subject: Subject[Any]) -> None:
    schema = message_schema(subject)
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    bodies = [codec.decode(one.encode(), object) for one in subject.examples]
    for full in (False, True):
        bodies += examples.every(schema, full=full)
    bodies += [examples.minimal(schema), examples.full(schema)]
    for body in bodies:
        validator.validate(body)
        codec.decode(codec.encode(body), subject.type)


@pytest.mark.parametrize(
    "type_",
    [
        Ticket,
        Row,
        Point,
        dict[str, int],
        list[Colour],
        tuple[int, str],
        Annotated[float, msgspec.Meta(gt=3, le=3.5)],
        Annotated[int, msgspec.Meta(ge=5)],
        Annotated[list[int], msgspec.Meta(min_length=3)],
        Annotated[str, msgspec.Meta(min_length=20)],
        bytes,
        None,
        Options,
    ],
)
def test_examples_fit_the_schemas_of_handlers_types(type_: object) -> None:
    schema = schema_of(type_)
    schema.get("$defs", {}).get("Ticket", {}).get("properties", {}).get("text", {}).pop(
        "pattern", None
    )
    validator = jsonschema_rs.Draft202012Validator(schema)
    validator.validate(examples.minimal(schema))
    validator.validate(examples.full(schema))


def test_the_export_has_one_file_per_message_and_an_index(tmp_path: Path) -> None:
    written = export(tmp_path / "new" / "schemas")
    assert [path.name for path in written] == [f"{s.name}.json" for s in MESSAGES] + ["index.json"]
    index = codec.decode(written[-1].read_bytes(), dict[str, Any])
    assert [one["schema"] for one in index["messages"]] == [path.name for path in written[:-1]]
    for path in written[:-1]:
        jsonschema_rs.meta.validate(codec.decode(path.read_bytes(), dict[str, Any]))
    before = {path: path.read_bytes() for path in written}
    assert {path: path.read_bytes() for path in export(tmp_path / "new" / "schemas")} == before
