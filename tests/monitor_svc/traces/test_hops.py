"""What the broker itself did with a message, as part of the trace."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from pepperpy import Agent, Client, Context, connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.options import limits_of
from pepperpy_bus.streams.topology import hops_stream, streams
from pepperpy_bus.trace import TraceContext, active, send_span
from pepperpy_bus.tracing.hops import hop_span
from pepperpy_bus.tracing.reading import read_trace
from pepperpy_bus.trust.principals import ANONYMOUS
from pepperpy_bus.upgrading import apply
from pepperpy_monitor_svc.traces.exporting import TraceExport
from tests.agents.conftest import wait_until
from tests.monitor_svc.traces.receiver import Receiver, values

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture
def telling(broker_factory: Callable[..., Broker]) -> Broker:
    """A broker that tells what it did with messages of traces."""
    return broker_factory(
        logins=role_logins(anonymous=True), anonymous=ANONYMOUS, options={"hops": "pp.hop"}
    )


@pytest.fixture
async def operator(telling: Broker) -> AsyncIterator[Client]:
    async with connect(telling.url_for("operator")) as one:
        declared = streams("pp", limits_of(one.settings))
        await apply(one.connection, [*declared, hops_stream("pp")])
        yield one


@pytest.fixture
async def parcels(telling: Broker, operator: Client) -> AsyncIterator[None]:
    """A worker whose parcels have a child each."""
    agent = Agent("post")

    @agent.task("stamp")
    async def stamp(n: int) -> int:
        return n

    @agent.task("parcel")
    async def parcel(n: int, ctx: Context) -> int:
        return int(await ctx.run("stamp", n))

    async with connect(telling.url_for("worker")) as own:
        worker = Worker(agent, own, WorkerOptions(concurrency=4))
        running = asyncio.create_task(worker.run(), name="worker")
        await wait_until(lambda: worker.ready)
        yield
        worker.stop()
        await running


async def sent(telling: Broker, *, sampled: bool = True) -> str:
    """A parcel that an anonymous client sent within a trace, and that has arrived."""
    async with connect(telling.url) as client:
        with active(TraceContext(TRACE, SPAN, sampled=sampled)):
            task_id = await client.submit("parcel", 1)
        assert await client.result(task_id, wait=20) == 1
        return task_id


async def test_the_broker_tells_what_it_stored_below_what_was_sent(
    telling: Broker, operator: Client, parcels: None
) -> None:
    task_id = await sent(telling)

    async def told() -> object:
        trace = await read_trace(operator, task_id)
        return trace if sum(one.what == "hop" for one in trace.spans) >= 2 else None

    trace = await wait_until(told)
    hops = [one for one in trace.spans if one.what == "hop"]
    sends = {one.span_id: one for one in trace.spans if one.what == "send"}
    assert {one.name for one in hops} == {"store PP_TASKS"}
    assert {one.parent_id for one in hops} == set(sends)
    for one in hops:
        assert one.trace_id == TRACE
        assert (one.kind, one.service, one.instance) == ("server", "nats-server", "pepperpy")
        assert one.attributes["pepperpy.hop.to"] == ["PP_TASKS"]
        assert one.end is not None
    ids = [one.span_id for one in hops]
    assert [one.span_id for one in (await told()).spans if one.what == "hop"] == ids  # type: ignore[attr-defined]  # a trace


async def test_the_monitor_sends_them_too(telling: Broker, operator: Client, parcels: None) -> None:
    with Receiver() as receiver:
        async with (
            connect(telling.url_for("monitor")) as client,
            TraceExport(client, receiver.url, settles=0.0),
        ):
            sends: set[str] = set()
            while not receiver.named("store PP_TASKS"):
                sends.add(send_span(await sent(telling)))
        [hop, *_] = (
            one
            for one in receiver.named("store PP_TASKS")
            if values(one.attributes)["messaging.destination.name"].startswith("pp.task.parcel.")
        )
    assert hop.trace_id.hex() == TRACE
    assert hop.parent_span_id.hex() in sends


async def test_of_what_is_not_sampled_the_broker_tells_nothing(
    telling: Broker, operator: Client, parcels: None
) -> None:
    task_id = await sent(telling, sampled=False)
    await sent(telling)  # what is told of this one comes after
    trace = await read_trace(operator, task_id)
    assert not any(one.what == "hop" and one.task_id == task_id for one in trace.spans)


async def test_who_may_not_read_them_sees_the_trace_without(
    telling: Broker, operator: Client, parcels: None
) -> None:
    task_id = await sent(telling)
    async with connect(telling.url) as client:
        trace = await read_trace(client, task_id)
    assert {one.what for one in trace.spans} == {"send", "attempt", "wait"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"server":{},"request":{},"events":[]}',
        b'{"server":{},"request":{"header":{"traceparent":["x"]}},"events":[]}',
        b'{"server":1}',
        b'{"server":{},"request":{"header":{"traceparent":["00-%s-%s-01"]}},'
        b'"events":[{"type":"in","ts":"soon"}]}' % (TRACE.encode(), SPAN.encode()),
    ],
)
def test_what_is_no_hop_is_left_out(body: bytes) -> None:
    assert hop_span("pp", body) is None
