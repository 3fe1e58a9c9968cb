"""Spans that a program opens itself with OpenTelemetry: below ours, and above what they submit."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pepperpy import Agent, Client, Context
from pepperpy_bus.trace import TraceContext, active, attempt_span, current, place_span
from tests.agents.conftest import Working
from tests.monitor_svc.traces.conftest import whole
from tests.provider_svc.asking import Planned

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


class Recorded:
    """What a program's own tracer recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("shop")

    def named(self, name: str) -> ReadableSpan:
        (found,) = (one for one in self._exporter.get_finished_spans() if one.name == name)
        return found

    def close(self) -> None:
        self._provider.shutdown()


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Its trace, its id, its parent's id."""
    context, parent = span.context, span.parent
    assert context is not None
    above = f"{parent.span_id:016x}" if parent is not None else ""
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", above


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    one = Recorded()
    yield one
    one.close()


async def test_spans_of_a_handler_are_below_its_attempt_and_above_what_it_submits(
    client: Client, working: Working, services: Planned, recorded: Recorded
) -> None:
    agent = Agent("shop")

    @agent.task("pack")
    async def pack(n: int) -> int:
        return n

    @agent.task("order")
    async def order(n: int, ctx: Context) -> int:
        async def reserve() -> int:
            with recorded.tracer.start_as_current_span("reserving"):
                await ctx.client.llm.chat("How are you?")
            return n

        with recorded.tracer.start_as_current_span("ordering"):
            await ctx.submit("pack", n)
        return int(await ctx.step("reserve", reserve))

    async with working(agent):
        task_id = await client.submit("order", 3)
        await client.result(task_id, wait=20)
        spans = await whole(client, task_id, 5)
    ordering, reserving = ids(recorded.named("ordering")), ids(recorded.named("reserving"))
    assert ordering[0] == reserving[0] == spans.trace_id
    assert ordering[2] == attempt_span(task_id, 1)
    assert reserving[2] == place_span(task_id, 1, 2)
    below = {one.name: one.parent_id for one in spans.spans}
    assert below["send pack"] == ordering[1]


async def test_a_plain_handler_in_a_thread_has_its_spans_there_too(
    client: Client, working: Working, recorded: Recorded
) -> None:
    agent = Agent("shop")

    @agent.task("order")
    def order(n: int) -> int:
        with recorded.tracer.start_as_current_span("ordering"):
            return n

    async with working(agent):
        task_id = await client.submit("order", 3)
        await client.result(task_id, wait=20)
    assert ids(recorded.named("ordering"))[2] == attempt_span(task_id, 1)


async def test_tasks_that_a_program_submits_are_below_its_span(
    client: Client, working: Working, office: Agent, services: Planned, recorded: Recorded
) -> None:
    async with working(office):
        with recorded.tracer.start_as_current_span("checkout"):
            task_id = await client.submit("child", 2)
        await client.result(task_id, wait=20)
        spans = await whole(client, task_id, 3)
    trace_id, span_id, _ = ids(recorded.named("checkout"))
    assert spans.trace_id == trace_id
    assert [one.parent_id for one in spans.spans if one.what == "send"] == [span_id]


@pytest.mark.parametrize("sampled", [True, False])
def test_samplers_that_follow_the_parent_do_as_it_says(recorded: Recorded, sampled: bool) -> None:
    with active(TraceContext(TRACE, SPAN, sampled=sampled, tracestate="rojo=1")):
        with recorded.tracer.start_as_current_span("inside") as span:
            assert span.is_recording() is sampled
            assert span.get_span_context().trace_state.to_header() == "rojo=1"
            now = current()
            assert now is not None
            assert (now.trace_id, now.sampled, now.tracestate) == (TRACE, sampled, "rojo=1")
        assert current() == TraceContext(TRACE, SPAN, sampled=sampled, tracestate="rojo=1")
    assert not trace.get_current_span().get_span_context().is_valid
    assert current() is None


def test_the_context_of_the_program_stays_what_it_was() -> None:
    token = attach(baggage.set_baggage("customer", "c42"))
    try:
        with active(TraceContext(TRACE, SPAN)):
            assert baggage.get_baggage("customer") == "c42"
        assert baggage.get_baggage("customer") == "c42"
    finally:
        detach(token)


def test_a_worker_that_does_not_use_opentelemetry_does_not_import_it() -> None:
    code = """
import sys
import pepperpy, pepperpy_agents.worker
from pepperpy_bus.trace import TraceContext, active, current
with active(TraceContext("0" * 31 + "1", "0" * 15 + "1")):
    assert current() is not None
assert not [name for name in sys.modules if name.startswith("opentelemetry")], "imported"
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
