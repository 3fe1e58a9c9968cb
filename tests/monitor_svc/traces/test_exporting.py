"""The monitor sends traces as tasks end: each once, whole, and only those that may be sent."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from pepperpy import Agent, Client
from pepperpy_bus.events import Heard
from pepperpy_bus.tracing.spans import Trace
from pepperpy_bus.units import now
from pepperpy_monitor_svc.traces import exporting
from pepperpy_monitor_svc.traces.exporting import TraceExport
from pepperpy_monitor_svc.traces.recent import Recent
from pepperpy_schemas.messages import Event
from tests.agents.conftest import Working, wait_until
from tests.monitor_svc.traces.conftest import whole
from tests.monitor_svc.traces.receiver import Receiver
from tests.provider_svc.asking import Planned

UNSAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


async def hear_all(client: Client, export: TraceExport) -> None:
    """Tells it of every event, as the fleet does."""
    async for one in client.events(since="1h", until_end=True):
        export("event", one)


async def ran(client: Client, **options: object) -> Trace:
    """The trace of a report that has ended."""
    task_id = await client.submit("report", "otters", **options)  # type: ignore[arg-type]  # options
    await client.result(task_id, wait=20)
    return await whole(client, task_id, 15)


async def test_a_receiver_gets_the_same_trace_that_the_command_shows(
    client: Client, working: Working, services: Planned, office: Agent, receiver: Receiver
) -> None:
    export = TraceExport(client, receiver.url, settles=0.0)
    async with working(office), export:
        trace = await ran(client)
        await hear_all(client, export)
        await wait_until(lambda: export.counts.sent >= len(trace.spans))
    ours = {one.span_id: one.parent_id for one in trace.spans}
    assert {key: one.parent_span_id.hex() for key, one in receiver.spans.items()} == ours
    assert export.counts.sent == len(trace.spans)
    assert (export.counts.refused, export.counts.dropped) == (0, 0)


@pytest.mark.parametrize("case", ["unsampled", "not leading", "no share"])
async def test_what_may_not_be_sent_is_not(
    client: Client,
    working: Working,
    services: Planned,
    office: Agent,
    receiver: Receiver,
    case: str,
) -> None:
    headers = UNSAMPLED if case == "unsampled" else {}
    export = TraceExport(
        client,
        receiver.url,
        settles=0.0,
        share=0.0 if case == "no share" else 1.0,
        leads=lambda: case != "not leading",
    )
    async with working(office), export:
        await ran(client, headers=headers)
        await hear_all(client, export)
        await wait_until(lambda: not export._ended)
    assert not receiver.spans
    assert export.counts.sent == 0


async def test_a_share_is_of_whole_traces_and_as_large_as_it_says(client: Client) -> None:
    export = TraceExport(client, "http://127.0.0.1:1", share=0.25)
    chosen = [f"{n * 0x9E3779B97F4A7C15 % (1 << 128):032x}" for n in range(4000)]
    kept = [one for one in chosen if export._chosen(one)]
    assert 800 < len(kept) < 1200
    assert kept == [one for one in kept if export._chosen(one)]


async def test_history_is_not_sent_again(client: Client) -> None:
    export = TraceExport(client, "http://127.0.0.1:1")
    event = Event(id="e1", ts=now(), attempt=1)
    ended = Heard("task", "completed", "echo", "t1", event)
    long_ago = now() - timedelta(seconds=exporting.LATEST + 1)
    old = msgspec.structs.replace(event, ts=long_ago)
    export("event", msgspec.structs.replace(ended, event=old))
    assert not export._ended
    export("event", ended)
    assert [one.id for _, one in export._ended] == ["t1"]


async def test_more_than_there_is_room_for_is_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_TASKS", 2)
    export = TraceExport(client, "http://127.0.0.1:1")
    for n in range(5):
        event = Event(id=f"e{n}", ts=now(), attempt=1)
        export("event", Heard("task", "failed", "echo", f"t{n}", event))
    assert export.counts.dropped == 3


async def test_a_receiver_that_refuses_holds_nobody_up(
    client: Client, working: Working, services: Planned, office: Agent, receiver: Receiver
) -> None:
    receiver.refuses = True
    export = TraceExport(client, receiver.url, settles=0.0)
    async with working(office), export:
        await ran(client)
        await hear_all(client, export)
        await wait_until(lambda: export.counts.refused)
        receiver.refuses = False
        trace = await ran(client)
        await hear_all(client, export)
        await wait_until(lambda: {span.span_id for span in trace.spans} <= set(receiver.spans))


async def test_of_a_task_that_began_before_anybody_listened_everything_is_read(
    client: Client, working: Working, services: Planned, office: Agent, receiver: Receiver
) -> None:
    export = TraceExport(client, receiver.url, settles=0.0)
    async with working(office), export:
        trace = await ran(client)
        async for one in client.events("task.completed.>", since="1h", until_end=True):
            export("event", one)
        wanted = {one.span_id for one in trace.spans if one.what not in ("model", "memory")}
        await wait_until(lambda: export.counts.sent >= len(wanted))
    assert set(receiver.spans) == wanted


def test_what_was_heard_first_is_forgotten_first() -> None:
    recent = Recent(most=4)
    for n in range(3):
        event = Event(id=f"e{n}", ts=now(), attempt=1)
        for _ in range(2):
            recent.add(f"t{n}", Heard("task", "started", "echo", f"t{n}", event))
    assert [len(recent.of(f"t{n}")) for n in range(3)] == [0, 2, 2]
    recent.forget("t1")
    recent.forget("t1")
    assert len(recent) == 2
