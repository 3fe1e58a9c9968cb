"""Answers with a form: checked, and asked for again when they do not fit, but not for ever."""

from collections import deque
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, Field, field_validator

from pepperpy import Client
from pepperpy_agents.thinking import Answer, Limits, LLMAgent
from pepperpy_agents.thinking.forms import Form, Misfit
from pepperpy_schemas.errors import BadConfig, BadOutput
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import calls, says
from tests.provider_svc.asking import Planned

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


class Struct(msgspec.Struct):
    city: str
    days: int


class Model(BaseModel):
    city: str
    days: int

    @field_validator("days")
    @classmethod
    def _is_short(cls, value: int) -> int:
        if value > 9:
            raise ValueError("nobody knows the weather of more than 9 days")
        return value


@pytest.mark.parametrize("output", [Struct, Model, SCHEMA], ids=["struct", "pydantic", "schema"])
async def test_the_result_has_the_form_and_the_model_is_told_of_it(
    client: Client, working: Working, model: Planned, output: Any
) -> None:
    model.plan = deque([says('{"city":"Lisbon","days":3}')])
    async with working(LLMAgent("trip", "Plan.", output_type=output)):
        assert await client.run("trip", "Where?", wait="20s") == {"city": "Lisbon", "days": 3}
    asked = model.asked[0][1].response_format
    assert asked is not None
    assert set(asked.schema["properties"]) == {"city", "days"}


async def test_what_only_the_type_knows_to_be_wrong_is_mended_by_the_model(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says('{"city":"Lisbon","days":12}'), says('{"city":"Lisbon","days":9}')])
    agent = LLMAgent("trip", "Plan.", output_type=Model, details=True)
    async with working(agent):
        answer = await client.run("trip", "Where?", type=Answer, wait="20s")
    assert answer.output == {"city": "Lisbon", "days": 9}
    assert answer.turns == 2
    *_, said, told = model.asked[1][1].messages
    assert said.text == '{"city":"Lisbon","days":12}'
    assert "nobody knows the weather of more than 9 days" in told.text


async def test_what_does_not_fit_the_schema_is_mended_there_and_then_here(
    client: Client, working: Working, model: Planned
) -> None:
    # The provider service has it mended once by itself; the second one is the agent's turn.
    model.plan = deque([says("no JSON"), says('{"city":1}'), says('{"city":"Rome","days":1}')])
    agent = LLMAgent("trip", "Plan.", output_type=SCHEMA, details=True)
    async with working(agent):
        answer = await client.run("trip", "Where?", type=Answer, wait="20s")
    assert (answer.output, answer.turns) == ({"city": "Rome", "days": 1}, 2)
    assert "$.city" in model.asked[2][1].messages[-1].text


async def test_it_is_not_asked_for_for_ever(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says('{"city":"Lisbon","days":12}')])
    limits = Limits(repairs=2)
    async with working(LLMAgent("trip", "Plan.", output_type=Model, limits=limits)):
        submitted = await client.submit("trip", "Where?")
        ended = [one.ended async for one in client.watch(submitted)][-1]
    # The answers are in the journal: another attempt would come to the same end.
    assert ended is not None
    assert ended.result.error is not None
    assert ended.attempt == 1
    assert ended.result.error.code == BadOutput.code
    assert "nobody knows the weather" in ended.result.error.message
    assert model.calls == 3


async def test_what_was_wrong_is_told_last_also_at_a_limit(
    client: Client, working: Working, model: Planned
) -> None:
    model.plan = deque([says('{"city":"Lisbon","days":12}'), says('{"city":"Lisbon","days":9}')])
    limits = Limits(turns=1)
    async with working(LLMAgent("trip", "Plan.", output_type=Model, limits=limits)):
        assert await client.run("trip", "Where?", wait="20s") == {"city": "Lisbon", "days": 9}
    *_, said, limit, told = model.asked[1][1].messages
    assert said.text == '{"city":"Lisbon","days":12}'
    assert "Call no more tools" in limit.text
    assert "nobody knows the weather of more than 9 days" in told.text


async def test_an_empty_answer_is_none(client: Client, working: Working, model: Planned) -> None:
    model.plan = deque([says(" "), says("Here.")])
    async with working(LLMAgent("silent", "Talk.")):
        assert await client.run("silent", "Hello?", wait="20s") == "Here."


async def test_the_form_is_announced_as_that_of_the_topic(
    client: Client, working: Working, model: Planned
) -> None:
    async with working(LLMAgent("trip", "Plan.", output_type=Model, input_type=Struct)):
        found = await client.schemas.latest("trip")
    assert found is not None
    assert set(found.output["properties"]) == {"city", "days"}
    assert set(found.input["properties"]) == {"city", "days"}


@pytest.mark.parametrize("output", [Struct, Model, SCHEMA], ids=["struct", "pydantic", "schema"])
@pytest.mark.parametrize("text", ["", "no", "[]", "null", '{"city":"x"}', '{"city":1,"days":1}'])
def test_other_texts_have_not_the_form(output: Any, text: str) -> None:
    with pytest.raises(Misfit):
        Form(output).read(text)


class Named(BaseModel):
    full_name: str = Field(alias="fullName")


async def test_a_model_with_aliases_is_written_as_its_schema_says(
    client: Client, working: Working, model: Planned
) -> None:
    """Also for whoever hands a question on: the answer of the other agent fits at once."""
    model.plan = deque(
        [calls(("transfer_to_clerk", {"reason": "names"})), says('{"fullName":"A"}')]
    )
    desk = LLMAgent("desk", "Help.", output_type=Named, handoffs=["clerk"])
    async with working(desk), working(LLMAgent("clerk", "Help.", output_type=Named)):
        assert await client.run("desk", "Who?", wait="20s") == {"fullName": "A"}
        found = await client.schemas.latest("desk")
    assert found is not None
    assert found.output["required"] == ["fullName"]
    assert model.calls == 2


def test_what_only_refers_to_an_object_is_an_object() -> None:
    defined = {"Trip": {"$ref": "#/$defs/Both"}, "Both": SCHEMA, "List": {"type": "array"}}
    Form({"$ref": "#/$defs/Trip", "$defs": defined})
    circle = {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}
    for other in ({"$ref": "#/$defs/List", "$defs": defined}, {"$ref": "#/$defs/A", **circle}):
        with pytest.raises(BadConfig, match="not an object's"):
            Form(other)
