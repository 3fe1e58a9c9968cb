"""A graph as lines for people: layers from top to bottom, each node below what it needs."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

import typer

from pepperpy_bus.redaction import escape

if TYPE_CHECKING:
    from pepperpy_bus.graphs.picture import NodePicture, Picture

_MARKS: Final = {
    "waiting": ("○", None),
    "running": ("●", typer.colors.CYAN),
    "completed": ("✓", typer.colors.GREEN),
    "failed": ("✗", typer.colors.RED),
    "skipped": ("-", typer.colors.YELLOW),
    "compensated": ("↩", typer.colors.YELLOW),
}
_DEEPEST: Final = 12
"""Levels that are indented; a longer chain goes straight down."""


def picture_lines(picture: "Picture", now: datetime, *, colour: bool) -> list[str]:
    """Returns the lines of a graph: a head, then each node with mark, state, time and needs."""
    nodes = picture.nodes
    over = sum(node.ended is not None for node in nodes.values())
    spent = _spent(picture.started, picture.ended, now)
    head = f"{picture.name or 'graph'}  {picture.id}  {picture.state}  {over}/{len(nodes)}  {spent}"
    lines = [escape(head.rstrip()), ""]
    layers = _layers(nodes)
    names = {name: "  " * min(layers[name], _DEEPEST) + name for name in nodes}
    width = max(map(len, names.values()), default=0)
    widest = max((len(node.state) for node in nodes.values()), default=0)
    for name in sorted(nodes, key=layers.__getitem__):
        node = nodes[name]
        mark, paint = _MARKS.get(node.state, ("?", None))
        label = f"{mark} {names[name]:<{width}}"
        state = f"{node.state:<{widest}}"
        if colour and paint:
            label, state = typer.style(label, fg=paint), typer.style(state, fg=paint)
        rest = [_spent(node.started, node.ended, now).rjust(8), *_notes(name, node)]
        lines.append("  ".join([label, state, *rest]).rstrip())
    if picture.error:
        lines += ["", f"error: {escape(picture.error)}"]
    return lines


def _notes(name: str, node: "NodePicture") -> list[str]:
    notes = []
    if node.elements:
        notes.append(f"{node.elements_ended}/{node.elements}")
    if node.topic and node.topic != name:
        notes.append(escape(node.topic))
    if node.needs:
        some = ", ".join(node.needs[:4]) + (", …" if len(node.needs) > 4 else "")
        notes.append(f"← {some}")
    if node.error:
        notes.append(f"({escape(node.error)[:100]})")
    return notes


def _layers(nodes: "dict[str, NodePicture]") -> dict[str, int]:
    found: dict[str, int] = {}
    for name, node in nodes.items():  # each comes after those that it needs
        found[name] = max((found[one] + 1 for one in node.needs if one in found), default=0)
    return found


def _spent(started: datetime | None, ended: datetime | None, now: datetime) -> str:
    if started is None:
        return ""
    from pepperpy_bus.units import format_duration

    seconds = max(0.0, ((ended or now) - started).total_seconds())
    return format_duration(round(seconds, 2 if seconds < 10 else 0))
