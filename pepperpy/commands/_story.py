"""A task's story as lines for people: a head, a timeline, the children below."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from pepperpy.commands._output import json_text
from pepperpy_bus.redaction import escape
from pepperpy_bus.units import format_size

if TYPE_CHECKING:
    from pepperpy_bus.tasks.explanation import (
        Explanation,
        Happening,
        Moment,
        ToldAttempt,
        ToldChild,
        ToldStep,
        ToldWait,
    )

WIDEST = 120
"""Characters of an answer, an error or an event's data that a line shows."""

_COLOURS = {
    "submitted": typer.colors.BLUE,
    "working": typer.colors.CYAN,
    "input-required": typer.colors.MAGENTA,
    "completed": typer.colors.GREEN,
    "failed": typer.colors.RED,
    "rejected": typer.colors.RED,
    "canceled": typer.colors.YELLOW,
}


def lines(story: "Explanation", indent: str = "") -> list[str]:
    """Returns the lines that tell of a task."""
    moments = story.timeline()
    start = moments[0].at if moments else None
    told = [f"{indent}{line}" for line in _head(story)]
    for moment in moments:
        after = _after(moment.at, start)
        told += [
            f"{indent}{after:>10}  {line}" if not n else f"{indent}{'':>10}  {line}"
            for n, line in enumerate(_moment(story, moment))
        ]
    for child in story.children:
        if child.explanation is not None:
            told += ["", *lines(child.explanation, indent + "    ")]
    return told


def _head(story: "Explanation") -> Iterator[str]:
    state = typer.style(str(story.state), fg=_COLOURS.get(str(story.state)), bold=True)
    took = "" if story.seconds is None else f" in {took_text(story.seconds)}"
    attempts = f", {len(story.attempts)} attempts" if len(story.attempts) > 1 else ""
    yield f"{escape(story.topic) or 'task'} {escape(story.id)}  {state}{took}{attempts}"
    about = {
        "submitted": _moment_text(story.submitted),
        "by": escape(story.source),
        "due": _moment_text(story.due),
        "deadline": _moment_text(story.deadline),
        "parent": escape(story.parent),
        "root": escape(story.root),
        "repeats": _repeats(story),
        "key": escape(story.key),
        "priority": "" if story.priority == "normal" else escape(story.priority),
        "cost": ", ".join(f"{amount:,.9g} {unit}" for unit, amount in story.cost.items()),
        "letter": f"{story.letter}: pepperpy dlq show {story.letter}" if story.letter else "",
    }
    for name, text in about.items():
        if text:
            yield f"  {name:<9}  {text}"


def _repeats(story: "Explanation") -> str:
    if not story.replay_of:
        return ""
    place = f" from place {story.from_step} on" if story.from_step else ""
    return f"{escape(story.replay_of)}{place}"


def _moment(story: "Explanation", moment: "Moment") -> Iterator[str]:
    of: Any = moment.of
    match moment.what:
        case "submitted":
            yield "submitted" + (f" by {escape(of.source)}" if of.source else "")
        case "started":
            on = f" on {escape(of.instance)}" if of.instance else ""
            yield typer.style(f"attempt {of.number}{on}", fg=typer.colors.CYAN)
        case "attempt_ended":
            yield from _attempt_end(story, of)
        case "step":
            yield _step(story, of)
        case "child":
            yield _child(of)
        case "waits":
            yield from _wait(of)
        case "waited":
            yield f"  {of.n:>3}  {_waited(of)}"
        case "happened":
            yield _happening(of)
        case "ended":
            yield from _end(of)


def _attempt_end(story: "Explanation", attempt: "ToldAttempt") -> Iterator[str]:
    last = attempt is story.attempts[-1]
    if last and story.ended is not None and attempt.end != "suspended":
        return  # the task's end says the same
    ran = "" if attempt.seconds is None else f" after {took_text(attempt.seconds)}"
    if attempt.end == "suspended":
        yield typer.style(f"attempt {attempt.number} suspended{ran}", dim=True)
        return
    again = "" if attempt.again_after is None else f"; again in {took_text(attempt.again_after)}"
    error = attempt.error
    yield typer.style(f"attempt {attempt.number} {attempt.end}{ran}{again}", fg="red")
    if error is not None:
        yield f"       {_short(f'{error.code}: {error.message}')}"


def _step(story: "Explanation", step: "ToldStep") -> str:
    how = f"{took_text(step.ms / 1e3)}, {format_size(step.size)}"
    if step.copied:
        how = f"done by {escape(story.replay_of)}, {format_size(step.size)}"
    return f"  {step.n:>3}  step {escape(step.name)}  {typer.style(how, dim=True)}"


def _child(child: "ToldChild") -> str:
    state = "forgotten" if child.state is None else str(child.state)
    shown = typer.style(state, fg=_COLOURS.get(state))
    return f"  {child.n:>3}  child {escape(child.topic)} {escape(child.id)}  {shown}"


def _wait(wait: "ToldWait") -> Iterator[str]:
    until = f", until {_moment_text(wait.deadline)}" if wait.deadline and not wait.ended else ""
    match wait.what:
        case "answer":
            choices = f" {json_text(wait.choices)}" if wait.choices else ""
            text = f"asks: {_short(wait.text)}{_short(choices)}"
        case "children":
            number = len(wait.children)
            text = f"waits for {number} children" if number > 1 else "waits for a child"
        case _:
            text = "sleeps"
    yield typer.style(f"  {wait.n:>3}  {text}{until}", fg=typer.colors.MAGENTA)
    if wait.copied:
        yield f"       {_waited(wait)}"


def _waited(wait: "ToldWait") -> str:
    lasted = "" if wait.seconds is None or wait.copied else f" after {took_text(wait.seconds)}"
    if wait.how == "answer":
        by = f" by {escape(wait.by)}" if wait.by else ""
        return f"answered{by}{lasted}: {_short(json_text(wait.answer))}"
    if wait.how == "deadline" and wait.what == "answer":
        return f"nobody answered{lasted}: {_short(json_text(wait.answer))}"
    return f"goes on{lasted}"


def _happening(one: "Happening") -> str:
    data = f"  {_short(json_text(one.data))}" if one.data else ""
    return f"       {escape(one.name)}{typer.style(data, dim=True)}"


def _end(story: "Explanation") -> Iterator[str]:
    last = story.attempts[-1] if story.attempts else None
    ran = (
        f" after {took_text(last.seconds)}" if last is not None and last.seconds is not None else ""
    )
    in_attempt = f" in attempt {last.number}{ran}" if last is not None else ""
    yield typer.style(f"{story.state}{in_attempt}", fg=_COLOURS.get(str(story.state)), bold=True)
    if story.error is not None:
        yield f"       {_short(f'{story.error.code}: {story.error.message}')}"
        if story.error.hint:
            yield f"       hint: {_short(story.error.hint)}"
    elif story.state == "completed":
        yield f"       {_short(json_text(story.data))}"


# --- values ---------------------------------------------------------------------------------------


def _short(text: str) -> str:
    text = escape(text)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _moment_text(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _after(moment: datetime, start: datetime | None) -> str:
    return f"+{took_text((moment - (start or moment)).total_seconds())}"


def took_text(seconds: float) -> str:
    """Returns a duration with three digits or so, which is enough to read."""
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms" if seconds >= 0.0005 else f"{seconds * 1e3:.1f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return str(timedelta(seconds=round(seconds)))
