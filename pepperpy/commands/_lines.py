"""Events as lines: for people in colour, for programs as JSON."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from pepperpy.commands._output import json_text
from pepperpy_bus.redaction import escape

if TYPE_CHECKING:
    from pepperpy_bus.events import Heard

WIDEST_DATA = 160
"""Characters of an event's data that a line shows."""

_COLOURS = {
    "completed": typer.colors.GREEN,
    "failed": typer.colors.RED,
    "rejected": typer.colors.RED,
    "canceled": typer.colors.YELLOW,
    "retry": typer.colors.YELLOW,
    "input_required": typer.colors.MAGENTA,
    "started": typer.colors.CYAN,
}


def as_document(one: "Heard") -> dict[str, Any]:
    """Returns an event as one JSON object."""
    return {"event": one.name, "seq": one.seq, **one.fields(), "event_id": one.event.id}


def as_line(one: "Heard", *, colour: bool) -> str:
    """Returns an event as a line: time, name, scope, id, attempt, the beginning of its data."""
    clock = one.event.ts.astimezone().strftime("%H:%M:%S.%f")[:-3]
    attempt = f"#{one.event.attempt}" if one.event.attempt else ""
    data = short(one.data)
    name = f"{escape(one.name):<20}"
    if colour:
        clock, data = typer.style(clock, dim=True), typer.style(data, dim=True)
        name = typer.style(name, fg=_COLOURS.get(one.verb))
    parts = (clock, name, f"{escape(one.scope):<16}", escape(one.id), attempt, data)
    return "  ".join(filter(None, parts))


def short(data: dict[str, Any]) -> str:
    """Returns the beginning of an event's data, or nothing when it has none."""
    text = json_text(data) if data else ""
    return text if len(text) <= WIDEST_DATA else text[: WIDEST_DATA - 1] + "…"


def start_of(since: str | None, option: str = "--since") -> datetime | None:
    """Returns the moment of ``10m`` (ago) or of an RFC 3339 time.

    Raises:
        typer.BadParameter: It is neither.
    """
    from datetime import timedelta

    from pepperpy_bus.units import TIME_EXAMPLES, BadUnit, now, parse_duration, parse_time

    if since is None:
        return None
    try:
        if "T" in since.upper() and "-" in since:
            return parse_time(since)
        return now() - timedelta(seconds=parse_duration(since))
    except BadUnit as error:
        text = f"{error}; {error.hint} ago, or {TIME_EXAMPLES}"
        raise typer.BadParameter(text, param_hint=option) from None
