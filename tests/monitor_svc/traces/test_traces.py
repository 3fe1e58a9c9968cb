"""A task's trace: everything that it set off, in one tree."""

from datetime import UTC, datetime

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_bus.streams.jetstream import purge
from pepperpy_bus.trace import TraceContext, active, attempt_span, send_span
from pepperpy_bus.tracing import reading
from pepperpy_bus.tracing.reading import read_trace
from pepperpy_bus.tracing.spans import Span, Trace, in_order
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.messages import Event
from pepperpy_schemas.subjects import stream_name
from tests.agents.conftest import Working
from tests.monitor_svc.traces.conftest import whole
from tests.provider_svc.asking import Planned

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
WHOLE = """\
send report
  process report
    think
      memory put main
      chat default
    step 2
      chat default
  process report
    look
      chat default
    send child
      process child
        chat default
  wait children
  process report
"""


def tree(trace: Trace) -> str:
    return "".join(f"{'  ' * depth}{one.name}\n" for depth, one in in_order(trace.spans))


def named(trace: Trace, name: str) -> list[Span]:
    return [one for one in trace.spans if one.name == name]


async def test_everything_that_a_task_set_off_is_one_trace(
    client: Client, working: Working, services: Planned, office: Agent
) -> None:
    async with working(office):
        task_id = await client.submit("report", "otters")
        assert await client.result(task_id, wait=20) == "otters Fine. 8"
        trace = await whole(client, task_id, 15)
    assert tree(trace) == WHOLE
    assert {one.trace_id for one in trace.spans} == {trace.trace_id}
    assert (trace.ended, trace.left_out) == (True, False)
    assert len({one.span_id for one in trace.spans}) == len(trace.spans)
    [root] = [one for one in trace.spans if not one.parent_id]
    assert (root.name, root.kind) == ("send report", "producer")
    first, second, third = sorted(named(trace, "process report"), key=lambda one: one.start)
    assert {one.kind for one in (first, second, third)} == {"consumer"}
    assert (first.error, first.message) == ("handler_error", "ValueError: no luck")
    assert (second.error, third.error) == ("", "")
    assert first.attributes["messaging.message.id"] == task_id
    assert [mark.name for mark in second.marks][:1] == ["task.progress"]
    model = named(trace, "chat default")[0]
    assert model.kind == "client"
    assert model.attributes["gen_ai.provider.name"] == "script"
    assert model.attributes["gen_ai.response.model"] == "any"
    for one in trace.spans:
        assert one.end is not None
        assert one.end >= one.start


async def test_a_child_asked_for_shows_the_same_trace(
    client: Client, working: Working, services: Planned, office: Agent
) -> None:
    async with working(office):
        task_id = await client.submit("report", "otters")
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 15)
        [child] = named(trace, "send child")
        again = await whole(client, child.task_id, 15)
    assert again.root == trace.root == task_id
    assert again.task_id == child.task_id
    assert [one.span_id for one in again.spans] == [one.span_id for one in trace.spans]


async def test_a_trace_goes_on_from_its_sender_in_any_letter_case(
    client: Client, working: Working, office: Agent, services: Planned
) -> None:
    async with working(office):
        header = {"TraceParent": f"00-{TRACE}-{SPAN}-00"}
        task_id = await client.submit("child", 2, headers=header)
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 3)
    assert trace.trace_id == TRACE
    [root] = [one for one in trace.spans if one.what == "send"]
    assert (root.parent_id, root.span_id) == (SPAN, send_span(task_id))
    assert {one.trace_id for one in trace.spans} == {TRACE}
    assert not any(one.sampled for one in trace.spans)


async def test_what_is_submitted_in_a_trace_belongs_to_it(
    client: Client, working: Working, office: Agent, services: Planned
) -> None:
    async with working(office):
        with active(TraceContext(TRACE, SPAN)):
            task_id = await client.submit("child", 2)
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 3)
    assert [one.parent_id for one in trace.spans if one.what == "send"] == [SPAN]


async def test_an_event_with_whatever_times_hides_none_that_follow(
    client: Client, working: Working, office: Agent, services: Planned
) -> None:
    ahead = Event(
        id="e1",
        ts=datetime(9999, 12, 31, tzinfo=UTC),
        data={"ms": 1e300},
        trace=f"00-{TRACE}-{SPAN}-01",
    )
    subject = EVENT.of(client.prefix, entity="llm", verb="completed", scope="fast", id="r1")
    async with working(office):
        await client.connection.request(subject, EVENT.encode(ahead))
        with active(TraceContext(TRACE, SPAN)):
            task_id = await client.submit("child", 2)
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 3)
    assert len(named(trace, "chat default")) == 1


async def test_what_a_handler_says_of_models_is_a_mark_of_its_attempt(
    client: Client, working: Working
) -> None:
    agent = Agent("says")

    @agent.task("said")
    async def said(n: int, ctx: Context) -> int:
        await ctx.emit("llm.called", event_id="once", tokens=n)
        return n

    async with working(agent):
        task_id = await client.submit("said", 2)
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 2)
    [attempt] = named(trace, "process said")
    assert [one.name for one in attempt.marks] == ["llm.called"]
    assert {one.what for one in trace.spans} == {"send", "attempt"}


async def test_ids_are_the_same_when_the_events_have_expired(
    client: Client, working: Working, services: Planned, office: Agent
) -> None:
    async with working(office):
        task_id = await client.submit("report", "otters")
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 15)
        await purge(client.connection, stream_name(client.prefix, "EVENTS"), ">")
        left = await whole(client, task_id, 1)
    ids = {one.span_id: one.parent_id for one in trace.spans}
    assert len(left.spans) > 5
    assert all(ids[one.span_id] == one.parent_id for one in left.spans)
    assert attempt_span(task_id, 2) in {one.span_id for one in left.spans}


async def test_of_a_large_family_as_much_is_read_as_can_be_and_that_is_said(
    client: Client, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("crowd")

    @agent.task("one")
    async def one(n: int) -> int:
        return n

    @agent.task("many")
    async def many(count: int, ctx: Context) -> int:
        return len(await ctx.gather(*[await ctx.submit("one", n) for n in range(count)]))

    async with working(agent):
        task_id = await client.submit("many", 40)
        assert await client.result(task_id, wait=20) == 40
        assert not (await read_trace(client, task_id)).left_out
        monkeypatch.setattr(reading, "MOST_TASKS", 20)
        trace = await read_trace(client, task_id)
        last = max(named(trace, "send one"), key=lambda span: span.start)
    assert trace.left_out
    assert 20 <= len({span.task_id for span in trace.spans}) < 40
    assert last.trace_id == trace.trace_id
