"""A trace as lines for people: a tree of spans, with when each began and how long it took."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from pepperpy.commands._story import took_text
from pepperpy_bus.redaction import escape
from pepperpy_bus.tracing.spans import in_order
from pepperpy_bus.units import now

if TYPE_CHECKING:
    from pepperpy_bus.tracing.spans import Span, Trace

BAR = 24
"""Characters of the longest bar."""

_COLOURS = {
    "send": typer.colors.BLUE,
    "attempt": typer.colors.CYAN,
    "model": typer.colors.MAGENTA,
    "memory": typer.colors.GREEN,
    "tool": typer.colors.YELLOW,
}


def lines(trace: "Trace") -> list[str]:
    """Returns the lines that show a trace."""
    spans = trace.spans
    start = min(one.start for one in spans)
    end = max(one.end or now() for one in spans)
    state = "" if trace.ended else ", running"
    took = took_text((end - start).total_seconds())
    head = typer.style(f"trace {trace.trace_id}", bold=True)
    shown = [f"{head}  {len(spans)} spans in {took}{state}", ""]
    shown += [
        f"{_after(one, start):>10} {_took(one):>8}  {_bar(one, start, end)}  {_name(one, depth)}"
        for depth, one in in_order(spans)
    ]
    if trace.left_out:
        shown += ["", "not all could be read: tasks or calls are missing"]
    return shown


def _after(span: "Span", start: datetime) -> str:
    return f"+{took_text((span.start - start).total_seconds())}"


def _took(span: "Span") -> str:
    if span.what == "send":
        return ""
    return "…" if span.seconds is None else took_text(span.seconds)


def _bar(span: "Span", start: datetime, end: datetime) -> str:
    whole = (end - start).total_seconds() or 1.0
    first = int((span.start - start).total_seconds() / whole * BAR)
    last = int(((span.end or end) - start).total_seconds() / whole * BAR)
    first = min(first, BAR - 1)
    bar = "█" * (last - first) or "▏"
    text = f"{'':{first}}{bar}"[:BAR].ljust(BAR)
    return typer.style(text, fg="red" if span.error else _COLOURS.get(span.what))


def _name(span: "Span", depth: int) -> str:
    name = f"{'  ' * depth}{escape(span.name)}"
    if span.what == "send":
        name += f" {escape(span.task_id)}"
    about = "  ".join(_about(span))
    error = typer.style(f"  {escape(span.error)}", fg="red") if span.error else ""
    return name + error + (typer.style(f"  {about}", dim=True) if about else "")


def _about(span: "Span") -> Iterator[str]:
    values = span.attributes
    match span.what:
        case "send" if span.service:
            yield f"by {escape(span.service)}"
        case "attempt":
            yield f"attempt {values['pepperpy.task.attempt']}"
            if span.instance:
                yield f"on {escape(span.service)}/{escape(span.instance)}"
            if values["pepperpy.task.attempt.end"] == "suspended":
                yield "suspended"
        case "model":
            tokens = [values.get(f"gen_ai.usage.{one}_tokens") for one in ("input", "output")]
            if any(tokens):
                yield f"{tokens[0] or 0} + {tokens[1] or 0} tokens"
            if cost := values.get("pepperpy.gen_ai.cost"):
                yield f"{cost:.6g} usd"
        case "memory" if "pepperpy.memory.count" in values:
            yield f"{values['pepperpy.memory.count']} entries"
