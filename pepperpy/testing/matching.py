"""Which events were expected, and which came: compared in their order, and shown side by side."""

from collections.abc import Sequence
from difflib import ndiff
from fnmatch import fnmatchcase

from pepperpy_bus.events import Heard

_SHOWN = 60
"""Characters of an event's values that are shown."""


def places(expected: Sequence[str], heard: Sequence[Heard]) -> list[int]:
    """Returns where the expected events stand, as many of them as come in this order.

    Args:
        expected: Names such as ``task.completed``, with ``*`` for any part.
        heard: The events in their order; others may stand between the expected ones.
    """
    found: list[int] = []
    for place, one in enumerate(heard):
        if len(found) < len(expected) and fnmatchcase(one.name, expected[len(found)]):
            found.append(place)
    return found


def complaint(expected: Sequence[str], heard: Sequence[Heard], *, exact: bool) -> str:
    """Returns what is wrong with the events; empty when they are as expected.

    Args:
        expected: The names.
        heard: The events in their order.
        exact: Whether no other event may have come.
    """
    if exact:
        names = [one.name for one in heard]
        same = len(names) == len(expected) and all(map(fnmatchcase, names, expected))
        lines = [line.rstrip() for line in ndiff(expected, names)]
        return "" if same else "\n".join(["expected (-) and heard (+):", *_indented(lines)])
    found = places(expected, heard)
    if len(found) == len(expected):
        return ""
    missing = expected[len(found)]
    after = f" after {expected[len(found) - 1]}" if found else ""
    before = [n for n, one in enumerate(heard) if fnmatchcase(one.name, missing)]
    late = f"; it came before that, as number {before[-1] + 1}" if before else ""
    title = f"{missing} did not come{after}{late}"
    return "\n".join([title, *_indented(shown(heard, found))])


def shown(heard: Sequence[Heard], marked: Sequence[int] = ()) -> list[str]:
    """Returns a line for each event; those that are marked begin with ``>``."""
    if not heard:
        return ["(there were no events)"]
    return [
        f"{'>' if n in marked else ' '} {n + 1}. {one.name}  {one.scope}  {_values(one)}".rstrip()
        for n, one in enumerate(heard)
    ]


def _values(one: Heard) -> str:
    told = {name: value for name, value in one.data.items() if isinstance(value, str | int | float)}
    text = " ".join(f"{name}={value}" for name, value in told.items())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
