"""The work that a schema may ask for."""

from typing import Any

import msgspec
import pytest

from pepperpy_provider_svc.guards.structured import check, refuse_bad_schema
from pepperpy_schemas.chat import ChatMessage, ChatRequest, ResponseFormat
from pepperpy_schemas.effort import Effort, TooMuchWork
from pepperpy_schemas.errors import BadPayload

ANY_JSON: dict[str, Any] = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "additionalProperties": {"$ref": "#"}},
    ]
}
"""A schema that refers to itself, as many that are honest do."""


def refuse(schema: dict[str, Any]) -> None:
    asked = [ChatMessage("user", "x")]
    refuse_bad_schema(ChatRequest(messages=asked, response_format=ResponseFormat(schema)))


def doubling(steps: int, reference: str, **target: str) -> dict[str, Any]:
    """Definitions each of which asks twice for the next one."""
    links: dict[str, dict[str, Any]] = {
        f"d{n}": {"allOf": [{reference: target["to"].format(n + 1)}] * 2} for n in range(steps)
    }
    links[f"d{steps}"] = {"type": "object"}
    if anchor := target.get("anchor"):
        links = {f"d{n}": {anchor: f"d{n}", **links[f"d{n}"]} for n in range(steps + 1)}
    return {"$defs": links, reference: target["to"].format(0)}


@pytest.mark.parametrize(
    "how",
    [
        {"reference": "$ref", "to": "#/$defs/d{}"},
        {"reference": "$ref", "to": "#d{}", "anchor": "$anchor"},
        {"reference": "$dynamicRef", "to": "#d{}", "anchor": "$dynamicAnchor"},
    ],
)
def test_references_that_double_at_every_step_are_refused(how: dict[str, str]) -> None:
    refuse(doubling(5, **how))
    with pytest.raises(BadPayload, match="has more than 20000 rules") as refused:
        refuse(doubling(60, **how))
    assert refused.value.context == {"path": "response_format.schema"}


def test_a_schema_with_many_uses_of_a_few_definitions_is_taken() -> None:
    place = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    properties = {f"p{n}": {"$ref": "#/$defs/place"} for n in range(1000)}
    refuse({"$defs": {"place": place}, "properties": properties})


def test_what_doubles_with_the_depth_of_the_answer_is_not_checked() -> None:
    again = {"a": {"$ref": "#"}}
    form = ResponseFormat({"properties": again, "patternProperties": again})
    refuse(form.schema)
    assert check(form, '{"a":' * 5 + "1" + "}" * 5) is None
    wrong = check(form, '{"a":' * 40 + "1" + "}" * 40)
    assert wrong is not None
    assert wrong.context["problems"] == ["$: the answer is too large, or too deep, to be checked"]


def test_a_large_answer_to_many_rules_is_not_checked() -> None:
    rules = [{"items": {"type": "integer", "enum": [n, 1]}} for n in range(200)]
    form = ResponseFormat({"allOf": rules})
    assert check(form, "[1, 1]") is None
    wrong = check(form, msgspec.json.encode([n % 7 for n in range(20_000)]).decode())
    assert wrong is not None
    assert "too large" in wrong.message


def test_honest_schemas_of_themselves_are_checked() -> None:
    form = ResponseFormat(ANY_JSON)
    rows = [{"name": f"n{n}", "tags": ["a", {"b": [1, 2]}]} for n in range(200)]
    assert check(form, msgspec.json.encode(rows).decode()) is None


def test_an_answer_too_deep_to_be_looked_through_is_not_checked() -> None:
    effort = Effort(ANY_JSON)
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(TooMuchWork):
        effort.refuse(deep, 10_001)


OF_ALL_KINDS: dict[str, Any] = {
    "$id": "https://example.org/root",
    "$defs": {"a/b": {"type": "integer"}, "list": {"anyOf": [{"type": "object"}]}},
    "properties": {"n": {"$ref": "https://example.org/root#/$defs/a~1b"}, "self": {"$ref": "#"}},
    "patternProperties": {"^x": True},
    "additionalProperties": {"$ref": "#/$defs/list/anyOf/0"},
    "propertyNames": {"maxLength": 9},
    "dependentSchemas": {"n": {"required": ["n"]}},
    "prefixItems": [{"type": "integer"}],
    "items": {"type": "string", "enum": ["a", "b"]},
    "contains": {"const": "a"},
    "unevaluatedItems": False,
}


@pytest.mark.parametrize("answer", ['{"n":1,"self":{"n":2,"o":{}}}', '[1,"a","b"]'])
def test_keywords_of_all_kinds_are_followed(answer: str) -> None:
    assert check(ResponseFormat(OF_ALL_KINDS), answer) is None


def test_the_work_is_counted_for_each_place_of_the_value() -> None:
    effort = Effort({"properties": {"a": {"$ref": "#"}}, "items": {"$ref": "#"}})
    effort.refuse([1] * 1000, 2001)
    with pytest.raises(TooMuchWork):
        effort.refuse([{"a": [n]} for n in range(20_000)], 200_000)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "2020-12"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "not": {"id": "x:/a"}}, "x:/a"),
        ({"properties": {"a": {"$id": "https://example.org/a"}}}, "example.org"),
    ],
)
def test_references_that_lead_out_of_the_schema_are_refused(
    schema: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadPayload, match="cannot be followed") as refused:
        refuse(schema)
    assert named in refused.value.message


@pytest.mark.parametrize("reference", ["#nowhere", "#/$defs/none", "https://example.org/b#/x"])
def test_a_reference_to_nothing_is_named(reference: str) -> None:
    with pytest.raises(BadPayload, match="cannot be followed"):
        Effort({"$ref": reference})
