"""Requests to services and calls of tools as spans: names and values by the conventions."""

from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest

from pepperpy import Client
from pepperpy_agents.thinking import LLMAgent
from pepperpy_bus.events import Heard
from pepperpy_bus.trace import request_span
from pepperpy_bus.tracing.call_spans import call_span, parent_of
from pepperpy_schemas.messages import Event
from tests.agents.conftest import Working
from tests.agents.thinking.speaking import calls, says
from tests.monitor_svc.traces.conftest import whole
from tests.provider_svc.asking import Planned

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def told(entity: str, verb: str, trace: str = TRACEPARENT, **data: Any) -> Heard:
    event = Event(id="e1", ts=AT, data=data, trace=trace)
    return Heard(entity, verb, "main", "r1", event)


async def test_an_agent_that_thinks_shows_its_model_and_its_tools(
    client: Client, working: Working, services: Planned
) -> None:
    def weather(city: str) -> str:
        """Tells the weather of a city."""
        if city == "Atlantis":
            raise ValueError("no such city")
        return "sunny"

    services.plan = deque(
        [calls(("weather", {"city": "Rome"}), ("weather", {"city": "Atlantis"})), says("Sunny.")]
    )
    async with working(LLMAgent("guide", "Answer.", tools=[weather])):
        task_id = await client.submit("guide", "How is Rome?")
        await client.result(task_id, wait=20)
        trace = await whole(client, task_id, 10)
    by_id = {one.span_id: one for one in trace.spans}
    tools = [one for one in trace.spans if one.what == "tool"]
    assert [one.name for one in tools] == ["execute_tool weather"] * 2
    assert sorted(one.error for one in tools) == ["", "tool_failed"]
    for one in tools:
        assert by_id[one.parent_id].what == "step"
        assert one.attributes["gen_ai.operation.name"] == "execute_tool"
        assert one.attributes["gen_ai.tool.name"] == "weather"
        assert one.attributes["gen_ai.agent.name"] == "guide"
        assert one.end is not None
    models = [one for one in trace.spans if one.what == "model"]
    assert len(models) == 2
    for one in models:
        assert by_id[one.parent_id].what == "step"
        assert one.attributes["gen_ai.usage.input_tokens"] == 100
        assert one.attributes["gen_ai.usage.output_tokens"] == 20


def test_vectors_are_embeddings_by_the_conventions() -> None:
    usage = {"input_tokens": 7, "output_tokens": 0, "cached_tokens": 3}
    data: dict[str, Any] = {
        "op": "embed",
        "model": "embedding",
        "target": "openai/small",
        "usage": usage,
    }
    span = call_span(told("llm", "completed", ms=250, usd=0.5, **data))
    assert (span.name, span.kind, span.what) == ("embeddings embedding", "client", "model")
    assert (span.span_id, span.parent_id) == (request_span("r1"), "b7ad6b7169203331")
    assert span.seconds == 0.25
    assert span.end == AT
    assert span.attributes == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "embedding",
        "gen_ai.request.stream": False,
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "small",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "pepperpy.gen_ai.cost": 0.5,
    }


def test_a_failed_request_has_its_code() -> None:
    failed = call_span(told("llm", "failed", code="rate_limited", message="too many", op="chat"))
    assert (failed.error, failed.message) == ("rate_limited", "too many")
    assert call_span(told("llm", "canceled", op="stream")).error == "canceled"


def test_an_event_that_names_no_trace_has_no_parent() -> None:
    assert parent_of(told("llm", "completed", trace="")) == ""
    assert parent_of(told("llm", "completed", trace="00-junk")) == ""


@pytest.mark.parametrize("junk", [{"ms": "x"}, {"usage": 3}, {"usd": "x"}, {"model": None}, {}])
def test_values_that_are_none_are_left_out(junk: dict[str, Any]) -> None:
    span = call_span(told("llm", "completed", **junk))
    assert span.end == AT
    assert all(isinstance(value, str | bool | int | float) for value in span.attributes.values())


@pytest.mark.parametrize("ms", [1e300, 10**400, -5, "long", None])
@pytest.mark.parametrize("year", [1, 2026, 9999])
def test_a_request_that_took_whatever_time_is_a_span(ms: object, year: int) -> None:
    at = datetime(year, 1, 1, tzinfo=UTC)
    event = Event(id="e1", ts=at, data={"ms": ms, "first_ms": ms}, trace=TRACEPARENT)
    span = call_span(Heard("llm", "completed", "main", "r1", event))
    assert span.end == at
    assert span.start <= at
