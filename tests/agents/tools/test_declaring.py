"""A typed function as a tool: what models see of it, and what it takes of what they write."""

import datetime
import functools
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from pepperpy_agents.context import Context
from pepperpy_agents.tools import Tool, Toolbox, ToolUse, tool
from pepperpy_schemas.chat import ToolCall
from pepperpy_schemas.errors import BadArguments, BadConfig

USE = ToolUse(caller="tests")


class Parcel(msgspec.Struct):
    name: str
    weight: float = 1.0


class Address(BaseModel):
    street: str
    title: str = ""


@dataclass
class Window:
    day: datetime.date


class Box:
    """Nothing that JSON knows."""


@tool(name="orders.place", needs="orders.write:{customer}", timeout="5s")
async def place(
    customer: str,
    parcels: list[Parcel],
    address: Address | None = None,
    window: Window | None = None,
    how: Literal["air", "sea"] = "sea",
    copies: Annotated[int, Field(ge=1, description="How often.")] = 1,
    *,
    use: ToolUse,
) -> dict[str, Any]:
    """Places an order.

    It is sent
    at once.

    Args:
        customer: The number, such
            as c42.
        parcels: What is sent.
        how: By which way.
        copies: Is said elsewhere.

    Returns:
        What was sent.

    Raises:
        ValueError: Never.
    """
    day = None if window is None else window.day
    street = address and address.street
    return {"to": customer, "parcels": parcels, "street": street, "day": day, "by": use.caller}


async def run(one: Tool, arguments: Any) -> str:
    box = Toolbox([one], grants=["orders.write:c42"])
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return (await box.run(ToolCall("1", one.alias, text), USE)).content


def test_the_schema_is_written_from_signature_and_docstring() -> None:
    assert (place.name, place.alias, place.timeout) == ("orders.place", "orders_place", 5.0)
    assert place.description == "Places an order.\n\nIt is sent at once."
    schema = place.parameters
    assert (schema["type"], schema["required"]) == ("object", ["customer", "parcels"])
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert list(properties) == ["customer", "parcels", "address", "window", "how", "copies"]
    assert properties["customer"] == {"type": "string", "description": "The number, such as c42."}
    assert properties["parcels"]["items"] == {"$ref": "#/$defs/Parcel"}
    assert properties["parcels"]["description"] == "What is sent."
    assert properties["how"]["enum"] == ["air", "sea"]
    assert properties["copies"] == {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "How often.",
    }
    assert set(schema["$defs"]) == {"Parcel", "Address", "Window"}
    # A field may be called title; titles of schemas only repeat the names.
    assert schema["$defs"]["Address"]["properties"]["title"] == {"type": "string", "default": ""}
    assert "title" not in schema["$defs"]["Address"]


async def test_arguments_become_values_of_the_parameters_types() -> None:
    given = {
        "customer": "c42",
        "parcels": [{"name": "lamp"}],
        "address": {"street": "Elm"},
        "window": {"day": "2026-02-03"},
    }
    assert json.loads(await run(place, given)) == {
        "to": "c42",
        "parcels": [{"name": "lamp", "weight": 1.0}],
        "street": "Elm",
        "day": "2026-02-03",
        "by": "tests",
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"customer": 42}, "$.customer: Input should be a valid string"),
        ({"copies": "2"}, "$.copies: Input should be a valid integer"),
        ({"copies": True}, "$.copies: Input should be a valid integer"),
        ({"copies": 0}, "$.copies: Input should be greater than or equal to 1"),
        ({"how": "road"}, "$.how: Input should be 'air' or 'sea'"),
        ({"parcels": [{"nam": "x"}]}, "$.parcels[0].name is missing"),
        ({"parcels": [{"name": "x", "weight": "1"}]}, "$.parcels[0].weight: Expected `float`"),
        ({"address": {}}, "$.address.street is missing"),
        ({"window": {"day": "soon"}}, "$.window.day: Input should be a valid date"),
        ({"to": "c43"}, "$.to: there is no such argument (there are: customer, parcels"),
        ({"use": {"caller": "root"}}, "$.use: there is no such argument"),
        ({"self": 1, "p0": "c43"}, "$.p0: there is no such argument"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_with_their_path(
    changed: dict[str, Any], told: str
) -> None:
    said = await run(place, {"customer": "c42", "parcels": [], **changed})
    assert said.startswith("bad_arguments: ")
    assert told in said


async def test_a_missing_argument_is_named() -> None:
    assert "$.customer is missing; $.parcels is missing" in await run(place, {})


async def test_a_function_may_take_nothing_and_say_nothing() -> None:
    @tool
    def ping() -> str:
        return "pong"

    assert (ping.description, ping.parameters["properties"]) == ("", {})
    assert await run(ping, "") == "pong"
    assert "there is no such argument (there are none)" in await run(ping, {"x": 1})


async def test_names_of_parameters_may_be_those_of_pydantics_methods() -> None:
    @tool
    def odd(copy: str, json: int = 2, model_config: str = "m", _hidden: int = 3) -> str:
        return f"{copy} {json} {model_config} {_hidden}"

    assert await run(odd, {"copy": "a", "model_config": "b", "_hidden": 4}) == "a 2 b 4"


async def test_a_tool_of_a_task_says_so_when_there_is_none() -> None:
    @tool
    async def where(ctx: Context) -> str:
        return ctx.task_id

    assert "ctx" not in where.parameters["properties"]
    assert await run(where, {}) == "tool_failed: where works for a task only, and is called by none"


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: tool(lambda *args: None), "cannot be given by its name"),
        (lambda: tool(name="a b")(lambda: None), "is not valid"),
        (lambda: tool(name="a" * 65)(lambda: None), "is not valid"),
        (lambda: tool(timeout=0)(lambda: None), "is not valid|timeout is 0"),
        (lambda: tool(name="x", needs="a:{b}")(lambda: None), "it has no parameter b"),
        (lambda: tool(name="x", needs="{b}:c")(lambda b: None), "arguments follow the colon"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_when_it_is_declared(declare: Any, told: str) -> None:
    with pytest.raises(BadConfig, match=told):
        declare()


def test_a_type_that_json_cannot_carry_is_refused_when_it_is_declared() -> None:
    def strange(value: Box) -> None:
        """Takes what no model can write."""

    with pytest.raises(BadConfig, match="JSON cannot carry what it takes"):
        tool(strange)


def test_two_types_of_one_name_are_refused_when_the_tool_is_declared() -> None:
    other = msgspec.defstruct("Address", [("city", str)])

    def move(old: Address, new: Any) -> None:
        """Moves somebody."""

    move.__annotations__["new"] = other
    with pytest.raises(BadConfig, match="two types have the name Address"):
        tool(move)


def test_an_annotation_that_its_module_does_not_have_is_told() -> None:
    def late(value: "datetime.unheard") -> None:  # type: ignore[name-defined]
        """Takes what is not there."""

    with pytest.raises(BadConfig, match="has an annotation that cannot be read"):
        tool(late)


class Shelf(Enum):
    LOW = "low"


async def test_paths_and_members_are_named_in_scopes_as_models_write_them() -> None:
    @tool(needs=["files.read:{path}", "shelves:{shelf}"])
    def read(path: Path, shelf: Shelf = Shelf.LOW) -> str:
        return f"{path} {shelf.value}"

    box = Toolbox([read], grants=["files.read:/data", "shelves:low"])
    assert (
        await box.run(ToolCall("1", "read", '{"path": "/data/a"}'), USE)
    ).content == "/data/a low"
    for path in ("/data/../etc", "/database", "data"):
        refused = await box.run(ToolCall("1", "read", json.dumps({"path": path})), USE)
        assert refused.content.startswith("not_granted"), path


async def test_a_decorator_may_hide_that_a_function_is_asynchronous() -> None:
    async def told() -> str:
        return "done"

    @functools.wraps(told)
    def wrapped() -> Any:
        return told()

    box = Toolbox([tool(wrapped)])
    assert (await box.run(ToolCall("1", "told", ""), USE)).content == "done"


def test_an_annotation_that_is_not_there_is_told() -> None:
    def late(value: "Unheard") -> None:  # type: ignore[name-defined]  # noqa: F821 - that is it
        """Takes what nobody has imported."""

    with pytest.raises(BadConfig, match="has an annotation that cannot be read") as refused:
        tool(late)
    assert "TYPE_CHECKING" in refused.value.hint


@pytest.mark.parametrize(
    "written", ["c43", "c42/../c43", "*", "c42\n", "", "c42:c43", "c42 ", "C42"]
)
async def test_an_argument_cannot_widen_the_scope_that_it_stands_in(written: str) -> None:
    said = await run(place, {"customer": written, "parcels": []})
    assert said.startswith("not_granted: orders.place")


async def test_a_list_names_no_resource() -> None:
    @tool(needs="orders.write:{customers}")
    def many(customers: list[str]) -> str:
        return "done"

    assert (await run(many, {"customers": ["c42"]})).startswith("not_granted: many: customers")


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=10,
    )
)
async def test_whatever_a_model_writes_is_an_answer_or_an_error_to_read(value: Any) -> None:
    text = msgspec.json.encode(value).decode()
    for said in (await run(place, text), await run(place, {"customer": "c42", "parcels": value})):
        assert said.startswith(("bad_arguments: ", "{"))


def test_check_gives_defaults_so_that_needs_sees_what_is_called() -> None:
    assert place.check is not None
    checked = place.check({"customer": "c42", "parcels": []})
    assert (checked["copies"], checked["how"]) == (1, "sea")
    with pytest.raises(BadArguments) as refused:
        place.check({"customer": "c42"})
    assert refused.value.context["problems"] == ["$.parcels is missing"]
