"""The OpenAPI document, judged by a validator that is not ours, and the edge judged by it."""

from typing import Any, TypedDict

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from pepperpy import Agent, Context
from pepperpy_monitor_svc.edge.openapi import openapi
from pepperpy_monitor_svc.edge.operations import OPERATIONS
from pepperpy_schemas.messages import TopicSchema


class Line(TypedDict):
    article: str
    count: int


class Order(TypedDict):
    customer: str
    lines: list[Line]


def test_the_document_is_valid_and_names_every_operation() -> None:
    found = openapi([], secured=True)
    validate(found, cls=OpenAPIV31SpecValidator)
    ids = [one["operationId"] for path in found["paths"].values() for one in path.values()]
    assert sorted(ids) == sorted(one.id for one in OPERATIONS)
    assert found["security"] == [{"token": []}]
    assert "security" not in openapi([], secured=False)


def test_topics_keep_what_their_schemas_say_wherever_their_parts_lie() -> None:
    node = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#/$defs/Node[int]",
        "$defs": {
            "Node[int]": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node[int]"}, {"type": "null"}]},
                },
                "required": ["value"],
            }
        },
    }
    topics = [
        TopicSchema(topic="one", version=1, input=node, output=node, doc="Counts.\n\nAll of it."),
        TopicSchema(topic="two", version=1, input={}, output={"type": "string"}),
    ]
    found = openapi(topics, secured=False)
    validate(found, cls=OpenAPIV31SpecValidator)
    one = found["paths"]["/v1/tasks/one"]["post"]
    assert (one["operationId"], one["summary"]) == ("submit_one", "Counts.")
    body = one["requestBody"]["content"]["application/json"]["schema"]
    whole = {**body, "components": found["components"]}
    jsonschema.validate({"value": 1, "next": {"value": 2}}, whole)
    validator = jsonschema.Draft202012Validator(whole)
    assert [error.message for error in validator.iter_errors({"value": 1, "next": {}})]


async def test_the_served_document_has_the_topics_that_workers_announced(
    edge: Any, working: Any
) -> None:
    agent = Agent("clerk")

    @agent.task("order")
    async def order(order: Order, ctx: Context) -> int:
        """Takes an order."""
        return sum(line["count"] for line in order["lines"])

    async with working(agent):
        status, _, found = await edge.ask("GET", "/openapi.json")
        assert status == 200
        validate(found, cls=OpenAPIV31SpecValidator)
        post = found["paths"]["/v1/tasks/order"]["post"]
        assert post["summary"] == "Takes an order."
        good = {"customer": "Ana", "lines": [{"article": "tea", "count": 2}]}
        status, _, said = await edge.ask("POST", "/v1/tasks/order?wait=10s", json=good)
        assert (status, said["data"]) == (200, 2)
        view = post["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(said, {**view, "components": found["components"]})
        bad = {"customer": "Ana", "lines": [{"article": "tea", "count": "two"}]}
        status, _, said = await edge.ask("POST", "/v1/tasks/order", json=bad)
        assert (status, said["error"]["context"]["path"]) == (400, "$.lines[0].count")
        failure = post["responses"]["400"]["content"]["application/json"]["schema"]
        jsonschema.validate(said, {**failure, "components": found["components"]})
