"""Handlers called without a bus."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import Struct
from pydantic import BaseModel

from pepperpy import Agent, BlockingContext, Context
from pepperpy.testing import ScriptedModel, unit
from pepperpy_schemas.chat import Delta, End
from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    ChildFailed,
    NoAnswer,
    Rejected,
    RequestRefused,
)


class Ticket(Struct):
    text: str
    customer: str


class Reply(Struct):
    text: str


agent = Agent("support")


@agent.task("triage")
async def triage(ticket: Ticket, ctx: Context) -> Reply:
    draft = await ctx.step("draft", ctx.llm.chat, ticket.text)
    if await ctx.ask("Send this?", choices=["yes", "no"], default="no", deadline="2d") == "no":
        raise Rejected("somebody said no")
    await ctx.progress(0.5, "half")
    await ctx.stream(draft.text)
    await ctx.emit("ticket.answered", customer=ticket.customer)
    return Reply(draft.text)


async def test_what_a_handler_does_is_noted() -> None:
    played = await unit(triage, Ticket("late", "c1"), replies=["We are on it."], answers=["yes"])
    assert played.result == Reply("We are on it.")
    assert played.step_names == ["draft"]
    assert played.steps[0].value.text == "We are on it."
    assert [(one.text, one.answer) for one in played.asked] == [("Send this?", "yes")]
    assert played.progressed == [(0.5, "half")]
    assert played.streamed == ["We are on it."]
    assert [(one.name, one.data) for one in played.told] == [
        ("ticket.answered", {"customer": "c1"})
    ]
    assert played.requests[0].messages[0].text == "late"


async def test_a_question_without_an_answer_gets_its_default() -> None:
    with pytest.raises(Rejected, match="said no"):
        await unit(triage, Ticket("late", "c1"), replies=["x"])

    async def bare(data: None, ctx: Context) -> Any:
        return await ctx.ask("Which?")

    with pytest.raises(NoAnswer, match="the test says no answer") as refused:
        await unit(bare)
    assert 'answers=["yes"]' in refused.value.hint
    with pytest.raises(BadPayload, match="is none of"):
        await unit(triage, Ticket("late", "c1"), replies=["x"], answers=["perhaps"])


async def test_data_and_result_are_those_of_the_wire() -> None:
    class Place(BaseModel):
        name: str

    async def lengths(places: list[Place]) -> dict[str, int]:
        return {one.name: len(one.name) for one in places}

    async def odd(data: None) -> Any:
        return object()

    assert (await unit(lengths, [{"name": "Lisbon"}])).result == {"Lisbon": 6}
    with pytest.raises(BadPayload, match=r"\$\.customer is missing"):
        await unit(triage, {"text": "late"})
    with pytest.raises(BadPayload):
        await unit(odd)


async def test_plain_handlers_run_in_a_thread_with_their_own_context() -> None:
    def blocking(data: int, ctx: BlockingContext) -> int:
        ctx.sleep("1h")
        return int(ctx.step("double", lambda: data * 2)) + int(ctx.ask("How many?"))

    def alone(data: int) -> int:
        return data + 1

    played = await unit(blocking, 20, answers=[2])
    assert (played.result, played.slept, played.step_names) == (42, 3600.0, ["double"])
    assert (await unit(alone, 1)).result == 2


async def test_time_is_what_the_test_says_and_sleeps_move_it() -> None:
    began = datetime(2030, 1, 1, tzinfo=UTC)

    async def waits(data: None, ctx: Context) -> list[str]:
        before = ctx.now
        await ctx.sleep("2d")
        assert ctx.now - before == timedelta(days=2)
        assert (ctx.topic, ctx.attempt, ctx.key, ctx.headers["a"]) == ("t", 2, "k", "b")
        assert ctx.deadline == began
        assert not ctx.replaying
        return [before.isoformat()]

    fields: dict[str, Any] = {"topic": "t", "attempt": 2, "key": "k", "headers": {"a": "b"}}
    played = await unit(waits, now=began, deadline=began, **fields)
    assert played.result == ["2030-01-01T00:00:00+00:00"]


async def test_children_return_what_the_test_says() -> None:
    async def parent(data: int, ctx: Context) -> list[Any]:
        one = await ctx.submit("double", data)
        two = await ctx.submit("fail", data)
        ends = await ctx.gather(one, two, return_exceptions=True)
        first = await ctx.first(one, two)
        return [ends[0], str(ends[1].__cause__), await ctx.run("fixed", type=int), len(first)]

    children = {"double": lambda n: n * 2, "fail": Rejected("no"), "fixed": 7}
    played = await unit(parent, 4, children=children)
    assert played.result == [8, "no", 7, 1]
    assert [(one.topic, one.data) for one in played.submitted] == [
        ("double", 4),
        ("fail", 4),
        ("fixed", None),
    ]

    async def strict(data: int, ctx: Context) -> Any:
        return await ctx.run("fail")

    with pytest.raises(ChildFailed):
        await unit(strict, 1, children=children)
    with pytest.raises(BadConfig, match="waits for a child of topic fail") as refused:
        await unit(strict, 1)
    assert refused.value.hint == 'say it: unit(handler, data, children={"fail": …})'


async def test_models_are_asked_whole_in_pieces_for_vectors_and_counts() -> None:
    async def asks(data: None, ctx: Context) -> list[Any]:
        whole = await ctx.llm.chat("Hi.", model="fast")
        pieces = [one async for one in ctx.llm.stream("one")]
        text = "".join(one.text for one in pieces if isinstance(one, Delta))
        assert isinstance(pieces[-1], End)
        vectors = await ctx.llm.embed(["a", "b"])
        counted = await ctx.llm.count("one two")
        return [whole.text, whole.model, text, len(vectors.vectors), counted.tokens]

    played = await unit(asks, replies=["Hello there.", "It rains."])
    assert played.result == ["Hello there.", "scripted/fast", "It rains.", 2, 2]
    model = ScriptedModel().answers(lambda request: request.model)
    assert (await unit(asks, replies=model)).result[0] == "fast"
    with pytest.raises(RequestRefused, match=r"asked for the 1\. time"):
        await unit(asks)
    with pytest.raises(RequestRefused, match="busy"):
        await unit(asks, replies=[RequestRefused("busy")])


@pytest.mark.parametrize("name", ["state", "resources", "budget", "registry", "memory"])
async def test_what_needs_a_bus_is_refused_with_the_cure(name: str) -> None:
    async def uses(data: None, ctx: Context) -> Any:
        return getattr(ctx, name)

    with pytest.raises(BadConfig, match=f"a unit call has no (ctx.)?{name}") as refused:
        await unit(uses)
    assert "await pepper.run(…)" in refused.value.hint


async def test_a_memory_is_what_the_test_gives() -> None:
    class Shelf:
        async def search(self, text: str) -> list[str]:
            return [f"of {text}"]

    async def recalls(data: str, ctx: Context) -> Any:
        return await ctx.step("recall", ctx.memory.search, data)

    assert (await unit(recalls, "otters", memory=Shelf())).result == ["of otters"]


async def test_what_only_the_provider_service_knows_is_refused() -> None:
    async def asks(data: None, ctx: Context) -> Any:
        return await ctx.llm.models()

    with pytest.raises(BadConfig, match="no provider service to ask for ModelsRequest"):
        await unit(asks)
