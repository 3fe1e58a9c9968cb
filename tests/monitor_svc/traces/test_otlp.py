"""Traces as a receiver of OTLP decodes them: ids, parents, kinds, names, values."""

import datetime

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pepperpy import Agent, Client
from pepperpy_bus.tracing import otlp
from pepperpy_bus.tracing.spans import Span as Ours
from pepperpy_schemas.errors import BadConfig, Unavailable
from tests.agents.conftest import Working
from tests.monitor_svc.traces.conftest import whole
from tests.monitor_svc.traces.receiver import Receiver, values
from tests.provider_svc.asking import Planned

AT = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
SPAN = Ours(
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    name="process echo",
    what="attempt",
    kind="consumer",
    start=AT,
    end=AT + datetime.timedelta(microseconds=1_500_001),
)


async def test_a_receiver_decodes_the_whole_trace(
    client: Client, working: Working, services: Planned, office: Agent
) -> None:
    async with working(office) as worker:
        task_id = await client.submit("report", "otters")
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 15)
        with Receiver() as receiver:
            assert await otlp.send(receiver.url, trace.spans) == len(trace.spans)
            # Whoever sends it again, sends the same.
            again = await whole(client, task_id, 15)
            await otlp.send(receiver.url + "/", again.spans)
    assert len(receiver.spans) == len(trace.spans)
    assert {one.trace_id.hex() for one in receiver.spans.values()} == {trace.trace_id}
    parents = {one.span_id: one.parent_id for one in trace.spans}
    assert {key: one.parent_span_id.hex() for key, one in receiver.spans.items()} == parents
    [sent] = receiver.named("send report")
    assert (sent.kind, sent.parent_span_id) == (Span.SPAN_KIND_PRODUCER, b"")
    first, second, _ = receiver.named("process report")
    assert first.kind == second.kind == Span.SPAN_KIND_CONSUMER
    assert first.parent_span_id == sent.span_id
    assert (first.status.code, second.status.code) == (
        Status.STATUS_CODE_ERROR,
        Status.STATUS_CODE_UNSET,
    )
    assert first.status.message == "ValueError: no luck"
    told = values(first.attributes)
    assert told["messaging.system"] == "nats"
    assert told["messaging.operation.name"] == told["messaging.operation.type"] == "process"
    assert told["messaging.destination.name"] == "report"
    assert told["messaging.message.id"] == told["pepperpy.task.id"] == task_id
    assert told["error.type"] == "handler_error"
    assert [one.name for one in second.events] == ["task.progress"]
    assert receiver.services[first.span_id.hex()] == worker.agent.name == "office"
    model = receiver.named("chat default")[0]
    assert model.kind == Span.SPAN_KIND_CLIENT
    assert receiver.services[model.span_id.hex()] == "provider"
    said = values(model.attributes)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.request.model"] == "default"
    assert said["gen_ai.provider.name"] == "script"
    [memory] = receiver.named("memory put main")
    assert receiver.services[memory.span_id.hex()] == "memory"
    [think] = receiver.named("think")
    assert memory.parent_span_id == think.span_id


async def test_times_are_exact_to_the_microsecond() -> None:
    with Receiver() as receiver:
        await otlp.send(receiver.url, [SPAN])
    [got] = receiver.spans.values()
    assert got.start_time_unix_nano == int(AT.timestamp()) * 10**9
    assert got.end_time_unix_nano - got.start_time_unix_nano == 1_500_001_000


async def test_what_is_not_sampled_or_has_not_ended_is_not_sent() -> None:
    import msgspec

    unsampled = msgspec.structs.replace(SPAN, sampled=False)
    running = msgspec.structs.replace(SPAN, end=None)
    with Receiver() as receiver:
        assert await otlp.send(receiver.url, [unsampled, running]) == 0
    assert not receiver.spans


async def test_a_receiver_that_refuses_is_said() -> None:
    with Receiver() as receiver:
        receiver.refuses = True
        with pytest.raises(Unavailable, match="did not take"):
            await otlp.send(receiver.url, [SPAN])


async def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(BadConfig, match="no receiver"):
        await otlp.send("127.0.0.1:4318", [SPAN])


async def test_a_span_of_an_impossible_time_keeps_no_others_from_being_sent() -> None:
    odd = []
    for n, year in enumerate((1, 9999), 1):
        at = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
        odd.append(msgspec.structs.replace(SPAN, span_id=f"{n:016x}", start=at, end=at))
    with Receiver() as receiver:
        assert await otlp.send(receiver.url, [*odd, SPAN]) == 3
    assert len(receiver.spans) == 3
