import copy
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_schemas import codec, examples
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.compat import Change, check, compare, compare_directories, compare_messages
from pepperpy_schemas.errors import BadPayload, NotFound, SchemaIncompatible
from pepperpy_schemas.exporting import export, message_schema, message_schemas
from pepperpy_schemas.jsonschema import schema_of

FULL, INPUT, OUTPUT = "full", "input", "output"


def struct(name: str = "Order", **fields: Any) -> dict[str, Any]:
    """The schema of a struct: a field is a type, or a type and its default."""
    rows = [(n, *f) if isinstance(f, tuple) else (n, f) for n, f in fields.items()]
    return schema_of(msgspec.defstruct(name, rows, kw_only=True))


def breaking(old: dict[str, Any], new: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """What each mode refuses, as (path, kind)."""
    return {
        mode: {(c.path, c.kind) for c in compare(old, new, mode=mode) if c.breaking}
        for mode in (FULL, INPUT, OUTPUT)
    }


def meta(type_: Any, **limits: Any) -> Any:
    return Annotated[type_, msgspec.Meta(**limits)]


A = struct(text=str)

# (what changes, old, new, what input refuses, what output refuses)
CASES: list[tuple[str, dict[str, Any], dict[str, Any], set[Any], set[Any]]] = [
    ("nothing", A, struct(text=str), set(), set()),
    ("an optional field comes", A, struct(text=str, n=(int, 0)), set(), set()),
    ("an optional field goes", struct(text=str, n=(int, 0)), A, set(), set()),
    ("a required field comes", A, struct(text=str, n=int), {("$.n", "required")}, set()),
    ("a required field goes", struct(text=str, n=int), A, set(), {("$.n", "removed")}),
    (
        "an optional field becomes required",
        struct(n=(int, 0)),
        struct(n=int),
        {("$.n", "required")},
        set(),
    ),
    (
        "a required field becomes optional",
        struct(n=int),
        struct(n=(int, 0)),
        set(),
        {("$.n", "optional")},
    ),
    (
        "another type",
        struct(n=int),
        struct(n=str),
        {("$.n", "retyped")},
        {("$.n", "retyped")},
    ),
    ("integer to number", struct(n=int), struct(n=float), set(), {("$.n", "retyped")}),
    ("number to integer", struct(n=float), struct(n=int), {("$.n", "retyped")}, set()),
    ("nullable", struct(n=int), struct(n=int | None), set(), {("$.n", "retyped")}),
    ("no longer nullable", struct(n=int | None), struct(n=int), {("$.n", "retyped")}, set()),
    ("one more of a union", struct(n=int), struct(n=int | str), set(), {("$.n", "retyped")}),
    (
        "an alternative of another type",
        struct(n=int | str),
        struct(n=bool | str),
        {("$.n", "retyped")},
        {("$.n", "retyped")},
    ),
    ("anything", struct(n=int), struct(n=Any), set(), {("$.n", "retyped")}),
    ("no longer anything", struct(n=Any), struct(n=int), {("$.n", "retyped")}, set()),
    (
        "a further value",
        struct(n=Literal["a", "b"]),
        struct(n=Literal["a", "b", "c"]),
        set(),
        {("$.n", "values")},
    ),
    (
        "a value less",
        struct(n=Literal["a", "b"]),
        struct(n=Literal["a"]),
        {("$.n", "values")},
        set(),
    ),
    ("values freed", struct(n=Literal["a"]), struct(n=str), set(), {("$.n", "values")}),
    (
        "values of another type",
        struct(n=Literal["a"]),
        struct(n=int),
        {("$.n", "retyped")},
        {("$.n", "values")},
    ),
    (
        "a higher minimum",
        struct(n=meta(int, ge=1)),
        struct(n=meta(int, ge=2)),
        {("$.n", "range")},
        set(),
    ),
    (
        "a lower maximum",
        struct(n=meta(int, le=9)),
        struct(n=meta(int, le=8)),
        {("$.n", "range")},
        set(),
    ),
    ("a new limit", struct(n=str), struct(n=meta(str, max_length=3)), {("$.n", "range")}, set()),
    ("a limit of nothing", struct(n=str), struct(n=meta(str, min_length=0)), set(), set()),
    (
        "another pattern",
        struct(n=meta(str, pattern="a")),
        struct(n=meta(str, pattern="b")),
        {("$.n", "range")},
        {("$.n", "range")},
    ),
    (
        "a time zone demanded",
        struct(n=datetime),
        struct(n=meta(datetime, tz=True)),
        {("$.n", "retyped")},
        set(),
    ),
    (
        "items retyped",
        struct(n=list[int]),
        struct(n=list[str]),
        {("$.n[...]", "retyped")},
        {("$.n[...]", "retyped")},
    ),
    ("items freed", struct(n=list[int]), struct(n=list[Any]), set(), {("$.n[...]", "retyped")}),
    (
        "a set",
        struct(n=list[int]),
        struct(n=set[int]),
        {("$.n", "range")},
        set(),
    ),
    (
        "a tuple's place retyped",
        struct(n=tuple[int, str]),
        struct(n=tuple[int, int]),
        {("$.n[1]", "retyped")},
        {("$.n[1]", "retyped")},
    ),
    (
        "a longer tuple",
        struct(n=tuple[int]),
        struct(n=tuple[int, int]),
        {("$.n", "range")},
        {("$.n", "range")},
    ),
    (
        "values of a map retyped",
        struct(n=dict[str, int]),
        struct(n=dict[str, str]),
        {("$.n[...]", "retyped")},
        {("$.n[...]", "retyped")},
    ),
    (
        "keys of a map limited",
        struct(n=dict[str, int]),
        struct(n=dict[meta(str, max_length=2), int]),
        {("$.n", "range")},
        set(),
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "by_input", "by_output"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_change_is_refused_in_the_modes_that_it_breaks(
    old: dict[str, Any], new: dict[str, Any], by_input: set[Any], by_output: set[Any]
) -> None:
    refused = breaking(old, new)
    assert refused[INPUT] == by_input
    assert refused[OUTPUT] == by_output
    assert refused[FULL] == by_input | by_output


def test_a_compatible_change_is_told_all_the_same() -> None:
    old, new = struct(text=str, gone=(int, 0)), struct(text=str, new=(bool, False))
    assert compare(old, new) == [
        Change("$.gone", "removed", False, "the new schema no longer knows it"),
        Change("$.new", "added", False, "the old schema does not know it"),
    ]
    assert compare(old, old) == []


@pytest.mark.parametrize("mode", [FULL, INPUT, OUTPUT])
def test_a_renamed_field_is_refused_in_every_mode(mode: Any) -> None:
    old, new = struct(text=str, adress=(str, "")), struct(text=str, address=(str, ""))
    changes = compare(old, new, mode=mode)
    assert [(c.path, c.kind, c.breaking) for c in changes] == [("$.adress", "renamed", True)]
    assert "address" in changes[0].message


@pytest.mark.parametrize("mode", [FULL, INPUT, OUTPUT])
def test_a_changed_default_is_refused_in_every_mode(mode: Any) -> None:
    changes = compare(struct(n=(int, 0)), struct(n=(int, 5)), mode=mode)
    assert [(c.path, c.kind, c.breaking) for c in changes] == [("$.n", "default", True)]
    assert changes[0].message == "the default was 0 and is 5"


def test_a_default_that_is_the_same_number_is_no_change() -> None:
    assert compare(struct(n=(float, 1.0)), struct(n=(float, 1))) == []
    assert compare(struct(n=(Any, 1)), struct(n=(Any, True)))[0].kind == "default"


def test_a_default_that_comes_or_goes_is_told_and_allowed() -> None:
    old = struct(n=(int, 0))
    new = copy.deepcopy(old)
    del new["properties"]["n"]["default"]
    assert [(c.kind, c.breaking) for c in compare(old, new)] == [("default", False)]


def test_documentation_is_no_change() -> None:
    new = {**A, "title": "Other", "description": "Better words.", "examples": [1]}
    assert compare(A, new) == []


def test_forbidding_unknown_fields_is_refused_and_allowing_them_is_not() -> None:
    closed = {**A, "additionalProperties": False}
    assert breaking(A, closed) == {FULL: {("$", "closed")}, INPUT: {("$", "closed")}, OUTPUT: set()}
    assert breaking(closed, A)[FULL] == set()
    more = {**struct(text=str, n=(int, 0)), "additionalProperties": False}
    assert breaking(more, closed)[INPUT] == {("$.n", "closed")}
    assert breaking(closed, more) == {
        FULL: {("$.n", "closed")},
        INPUT: set(),
        OUTPUT: {("$.n", "closed")},
    }


class Leaf(msgspec.Struct, tag="leaf"):
    n: int


class LeafText(msgspec.Struct, tag="leaf"):
    n: str


class Branch(msgspec.Struct, tag="branch"):
    left: int


class Node(msgspec.Struct):
    value: int
    child: "Node | None" = None


class NodeText(msgspec.Struct):
    value: int
    child: "NodeText | None" = None
    note: str = ""


def test_a_tagged_alternative_is_compared_with_its_own_kind() -> None:
    old, new = schema_of(Leaf | Branch), schema_of(LeafText | Branch)
    assert breaking(old, new)[FULL] == {("$.n", "retyped")}
    assert breaking(old, schema_of(Branch | Leaf))[FULL] == set()


def test_a_new_kind_is_unknown_to_old_readers() -> None:
    old, new = schema_of(Leaf), schema_of(Leaf | Branch)
    assert breaking(old, new)[INPUT] == set()
    changes = [c for c in compare(old, new) if c.breaking]
    assert [(c.path, c.kind) for c in changes] == [("$.type", "values"), ("$.n", "removed")]
    assert breaking(new, old)[OUTPUT] == set()
    union = schema_of(Leaf | Branch | None)
    assert [c.message for c in compare(union, old | {"x": 1}) if c.breaking]


def test_types_that_refer_to_themselves_are_compared() -> None:
    assert compare(schema_of(Node), schema_of(Node)) == []
    changes = compare(schema_of(Node), schema_of(NodeText))
    assert {(c.path[-5:], c.kind, c.breaking) for c in changes} == {(".note", "added", False)}


def test_a_shared_type_is_told_at_every_place_of_its_use() -> None:
    old, new = struct(a=Leaf, b=Leaf), struct(a=LeafText, b=LeafText)
    assert breaking(old, new)[FULL] == {("$.a.n", "retyped"), ("$.b.n", "retyped")}


def test_schemas_of_pydantic_are_compared() -> None:
    class Old(pydantic.BaseModel):
        name: str
        size: pydantic.PositiveInt | None = None

    class New(pydantic.BaseModel):
        name: str
        size: int | None = None
        colour: Literal["red"] = "red"

    old, new = schema_of(Old), schema_of(New)
    assert breaking(old, new) == {
        FULL: {("$.size", "range")},
        INPUT: set(),
        OUTPUT: {("$.size", "range")},
    }


def test_hand_written_schemas_are_read_too() -> None:
    listed = {"type": ["string", "null"]}
    union = {"oneOf": [{"type": "null"}, {"type": "string"}]}
    assert compare(listed, union) == []
    assert compare({"allOf": [{"type": "string"}]}, {"type": "string"}) == []
    assert compare(True, {}) == []  # type: ignore[arg-type]  # a schema may be a boolean
    texts, none = ({"type": "array", "items": one} for one in ({"type": "string"}, False))
    assert breaking(texts, none)[INPUT] == {("$[...]", "retyped")}
    root = {"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "string"}}}
    assert compare(root, {"type": "string"}) == []
    assert compare({"properties": {"a": True}}, {"type": "object"})[0].kind == "removed"
    assert breaking({"enum": [[1, 2], {"a": 1}, 5]}, {"type": "array", "maxItems": 1})[INPUT]
    assert not breaking({"enum": ["abc"]}, {"type": "string", "maxLength": 3})[INPUT]
    assert breaking({"enum": [7]}, {"type": "integer", "maximum": 6})[INPUT]
    assert not breaking({"enum": [7]}, {"type": "number"})[INPUT]
    map_, typed = (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        struct(a=(str, "")),
    )
    assert breaking(map_, typed)[INPUT] == {("$.a", "retyped")}
    assert breaking(typed, map_)[INPUT] >= {("$.a", "retyped")}


def test_a_keyword_that_cannot_be_judged_is_refused_unless_both_say_the_same() -> None:
    new = {"type": "string", "not": {"const": "x"}}
    assert breaking({"type": "string"}, new)[INPUT] == {("$", "unjudged")}
    assert compare(new, new) == []
    assert "not" in compare({"type": "string"}, new)[0].message


def test_a_schema_without_end_is_refused() -> None:
    endless = {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}}
    with pytest.raises(SchemaIncompatible, match="without end"):
        compare(endless, A)
    assert compare({"$ref": "#"}, {}) == []


def test_a_value_that_cannot_be_is_read_by_everybody() -> None:
    assert breaking({"not": {}}, A)[INPUT] == set()
    assert breaking(A, {"not": {}})[INPUT] == {("$", "retyped")}


def test_the_error_names_the_fields_and_what_is_wrong_with_them() -> None:
    old = struct(**{f"f{i}": int for i in range(7)})
    new = struct(**{f"f{i}": str for i in range(7)})
    with pytest.raises(SchemaIncompatible) as refused:
        check(old, new, what="input of topic triage", mode="input")
    message = refused.value.message
    assert message.startswith("input of topic triage changes incompatibly: $.f0: old messages may")
    assert message.endswith("; and 2 more")
    assert len(refused.value.context["changes"]) == 7
    assert codec.encode(refused.value.info())
    one = struct(text=str, n=int)
    with pytest.raises(SchemaIncompatible, match=r"\$\.n: old messages may lack it"):
        check(A, one, what="x")
    assert [c.kind for c in check(A, one, what="x", mode="output")] == ["required", "added"]


def test_directories_are_compared_by_the_names_of_their_messages(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    export(old)
    export(new)
    assert compare_directories(old, new) == []
    (new / "Token.json").unlink()
    (new / "Fresh.json").write_text("{}")
    event = codec.decode((new / "Event.json").read_bytes(), dict[str, Any])
    event["properties"]["id"] = {"type": "integer"}
    (new / "Event.json").write_bytes(codec.encode(event))
    (new / "asyncapi.json").write_text("{}")
    changes = compare_directories(old, new)
    assert [(c.path, c.kind, c.breaking) for c in changes] == [
        ("Event.id", "retyped", True),
        ("Token", "removed", True),
        ("Fresh", "added", False),
    ]


def test_a_directory_without_schemas_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotFound, match="no exported schemas"):
            compare_directories(place, place)
    (tmp_path / "Event.json").write_text("{")
    with pytest.raises(BadPayload, match=r"Event\.json"):
        compare_directories(tmp_path, tmp_path)


def test_every_message_is_compatible_with_itself() -> None:
    assert compare_messages(message_schemas(), message_schemas()) == []


@pytest.mark.parametrize("subject", MESSAGES, ids=lambda s: s.name)
def test_dropping_or_demanding_any_field_of_any_message_is_judged(subject: Any) -> None:
    schema = message_schema(subject)
    required = schema.get("required", [])
    for name in schema.get("properties", {}):
        without = copy.deepcopy(schema)
        del without["properties"][name]
        without["required"] = [one for one in required if one != name]
        assert bool(breaking(schema, without)[FULL]) == (name in required)
        demanded = {**schema, "required": [*required, name]}
        assert bool(breaking(schema, demanded)[FULL]) == (name not in required)


_LEAVES = st.sampled_from([int, str, float, bool, None, list[int], Literal["a"], Literal["a", "b"]])
_FIELDS = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(_LEAVES, st.booleans()), min_size=1, max_size=4
)


def _optional(type_: Any) -> Any:
    return Union[type_, msgspec.UnsetType]  # noqa: UP007 - `None | …` needs a type on its left


def _build(fields: dict[str, tuple[Any, bool]]) -> Any:
    rows = [
        (name, type_) if required else (name, _optional(type_), msgspec.UNSET)
        for name, (type_, required) in fields.items()
    ]
    return msgspec.defstruct("Made", rows, kw_only=True)


@given(_FIELDS, _FIELDS)
def test_what_is_called_readable_is_really_read(
    old: dict[str, tuple[Any, bool]], new: dict[str, tuple[Any, bool]]
) -> None:
    before, after = _build(old), _build(new)
    one, two = schema_of(before), schema_of(after)
    if not breaking(one, two)[INPUT]:
        for body in (examples.minimal(one), examples.full(one)):
            codec.decode(codec.encode(body), after)
    if not breaking(one, two)[OUTPUT]:
        for body in (examples.minimal(two), examples.full(two)):
            codec.decode(codec.encode(body), before)
