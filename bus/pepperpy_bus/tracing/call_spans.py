"""From what services and tools tell of their calls to spans.

Names follow OpenTelemetry's conventions for generative AI 1.41: ``chat {model}``,
``embeddings {model}``, ``execute_tool {name}``.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pepperpy_bus.events import Heard
from pepperpy_bus.tasks.explanation import Explanation, Happening
from pepperpy_bus.trace import TraceContext, attempt_span, carried, request_span, span_of
from pepperpy_bus.tracing.spans import Span, Value
from pepperpy_schemas.headers import TRACEPARENT

SERVICES: Final = {"llm": "provider", "memory": "memory"}
"""Events that tell of requests to services, and the services."""

_OPERATIONS: Final = {"chat": "chat", "stream": "chat", "embed": "embeddings"}
_TOKENS: Final = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
_ENDS: Final = frozenset({"completed", "failed"})
_LONGEST_MS: Final = 366 * 86_400e3
"""Whatever anybody says, nothing takes longer."""


def trace_of(text: str) -> TraceContext | None:
    """Returns the context that the ``trace`` of an event names, or None."""
    return carried({TRACEPARENT: text}) if text else None


def is_call(told: Heard) -> bool:
    """Returns whether a service tells of a request; what a handler says of such is a mark of it."""
    return told.entity in SERVICES and not told.event.attempt


def parent_of(call: Heard) -> str:
    """Returns the span that asked; empty when the event does not say."""
    context = trace_of(call.event.trace)
    return "" if context is None else context.span_id


def call_span(call: Heard, *, task_id: str = "") -> Span:
    """Returns the span of a request to the provider or memory service, from its event."""
    context = trace_of(call.event.trace) or TraceContext("", "")
    data, ended = call.data, call.event.ts
    model = call.entity == "llm"
    code = str(data.get("code", "")) or ("canceled" if call.verb == "canceled" else "")
    return Span(
        trace_id=context.trace_id,
        span_id=request_span(call.id),
        parent_id=context.span_id,
        name=_model_name(data) if model else f"memory {call.verb} {call.scope}",
        what="model" if model else "memory",
        kind="client",
        start=_before(ended, _number(data.get("ms"))),
        end=ended,
        error=code,
        message=str(data.get("message", "")),
        service=SERVICES.get(call.entity, call.entity),
        task_id=task_id,
        attributes=_model(data) if model else _memory(call),
        sampled=context.sampled,
    )


def _model_name(data: Mapping[str, Any]) -> str:
    operation = str(data.get("op", "chat"))
    return f"{_OPERATIONS.get(operation, operation)} {data.get('model', '')}"


def _model(data: Mapping[str, Any]) -> dict[str, Value]:
    operation, target = str(data.get("op", "chat")), str(data.get("target", ""))
    provider, _, model = target.rpartition("/")
    found: dict[str, Value] = {
        "gen_ai.operation.name": _OPERATIONS.get(operation, operation),
        "gen_ai.request.model": str(data.get("model", "")),
        "gen_ai.request.stream": operation == "stream",
    }
    if target:
        found |= {"gen_ai.provider.name": provider, "gen_ai.response.model": model}
    usage = data.get("usage")
    for name, attribute in _TOKENS.items():
        count = usage.get(name) if isinstance(usage, dict) else None
        if isinstance(count, int) and count:
            found[attribute] = count
    if isinstance(usd := data.get("usd"), int | float):
        found["pepperpy.gen_ai.cost"] = float(usd)
    if first := _number(data.get("first_ms")):
        found["gen_ai.response.time_to_first_chunk"] = first / 1e3
    for name in ("principal", "cached"):
        if isinstance(value := data.get(name), str | bool):
            found[f"pepperpy.{name}"] = value
    return found


def _memory(call: Heard) -> dict[str, Value]:
    found: dict[str, Value] = {"pepperpy.memory.namespace": call.scope}
    for name in ("op", "count", "mode", "principal"):
        if isinstance(value := call.data.get(name), str | int):
            found[f"pepperpy.memory.{name}"] = value
    return found


def tool_spans(story: Explanation, service: str) -> list[Span]:
    """Returns the spans of the tools that a task called."""
    called: dict[str, Happening] = {}
    spans = []
    for one in story.happenings:
        entity, _, verb = one.name.partition(".")
        if entity != "tool":
            continue
        fact = one.event_id.rpartition(":")[0]
        if verb == "called":
            called[fact] = one
        elif verb in _ENDS or verb == "refused":
            spans.append(_tool(story, service, fact, called.pop(fact, one), one))
    return spans + [_tool(story, service, fact, one, None) for fact, one in called.items()]


def _tool(
    story: Explanation, service: str, fact: str, began: Happening, ended: Happening | None
) -> Span:
    context = trace_of(began.trace)
    own = story.trace or TraceContext("", "")
    tool = str(began.data.get("tool", ""))
    data = ended.data if ended is not None else {}
    start = began.ts
    if ended is not None and (ms := _number(data.get("ms"))):
        start = min(start, _before(ended.ts, ms))
    return Span(
        trace_id=own.trace_id,
        span_id=span_of(fact, "tool"),
        parent_id=(
            context.span_id if context is not None else attempt_span(story.id, began.attempt)
        ),
        name=f"execute_tool {tool}",
        what="tool",
        start=start,
        end=None if ended is None else max(start, ended.ts),
        error=str(data.get("code", "")),
        service=service,
        task_id=story.id,
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": str(began.data.get("call", "")),
            "gen_ai.agent.name": str(began.data.get("agent", "")),
        },
        sampled=own.sampled,
    )


def _number(value: object) -> float:
    return float(min(max(value, 0), _LONGEST_MS)) if isinstance(value, int | float) else 0.0


def _before(moment: datetime, ms: float) -> datetime:
    try:
        return moment - timedelta(milliseconds=ms)
    except OverflowError:  # the moment is one of the first year
        return moment
