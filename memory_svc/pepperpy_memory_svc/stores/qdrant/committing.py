"""Storing all points of a change or none of them, though others may write to the same server.

One write is one operation of Qdrant's log. Alone with the data, that is all. With others, only what
is as it was read is written over; then it is read which points are ours. If one is not, or the
generations changed meanwhile, ours are taken back, and the change begins anew.

Points that stay the same version are replaced each for itself: none is taken back.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from pepperpy_bus.groups import outlast
from pepperpy_memory_svc.stores.qdrant.engine import Engine, Fields, Point
from pepperpy_memory_svc.stores.qdrant.filters import (
    NOTHING,
    Filter,
    Has,
    Lacks,
    Named,
    Within,
    every,
    some,
)
from pepperpy_memory_svc.stores.qdrant.points import place_in_history
from pepperpy_memory_svc.stores.qdrant.state import STATE_ID, State


class Change(msgspec.Struct, frozen=True):
    """What is to be stored.

    Attributes:
        points: Entries, each with a ``rev`` of its own.
        before: What is in their places, whole, by the point's id.
        past: Earlier versions, which nobody else writes otherwise.
    """

    points: Sequence[Point]
    before: Mapping[str, Point]
    past: Sequence[Point] = ()


async def commit(engine: Engine, state: State, change: Change) -> bool:
    """Stores a change; returns whether it is: if not, nothing of it is.

    Args:
        engine: Where the points are.
        state: The generations that the change was made for.
        change: See `Change`.
    """
    if engine.exclusive:
        await engine.write([*change.points, *change.past])
        return True
    # Whoever leaves must not leave half of it.
    task = asyncio.create_task(_commit(engine, state, change), name="qdrant-commit")
    await outlast(task)
    return task.result()


async def _commit(engine: Engine, state: State, change: Change) -> bool:
    try:
        await engine.write([*change.points, *change.past], over=_as_read(change))
        if await _is_whole(engine, state, change):
            return True
    except Exception:
        # Of a write in several parts some may be there. A server that is away keeps them.
        with contextlib.suppress(Exception):
            await _undo(engine, change)
        raise
    await _undo(engine, change)
    return False


async def replace(
    engine: Engine, points: Sequence[Point], before: Mapping[str, Point]
) -> frozenset[str]:
    """Stores points that stay the same version; returns the ids of those that are stored.

    What was changed, touched or deleted meanwhile stays so.

    Args:
        engine: Where the points are.
        points: What is stored, each with a ``rev`` of its own.
        before: What is in their places, by the point's id.
    """
    revs = {each.id: each.fields["rev"] for each in points}
    if engine.exclusive:
        await engine.write(points)
        return frozenset(revs)
    await engine.write(points, over=_untouched(before), insert=False)
    found = await engine.read(list(revs), ["rev"])
    return frozenset(each.id for each in found if each.fields["rev"] == revs[each.id])


def _untouched(before: Mapping[str, Point]) -> Filter:
    """Returns a filter that holds for what is as it was read; a touch keeps the ``rev``."""
    alike: dict[float | None, list[int]] = {}
    for each in before.values():
        alike.setdefault(each.fields.get("expires"), []).append(each.fields["rev"])
    return some(every([Has("rev", revs), _expiring(at)]) for at, revs in alike.items())


def _expiring(at: float | None) -> Filter:
    if at is None:
        return Lacks("expires")
    return Within(key="expires", gte=float(at), lte=float(at))


def _as_read(change: Change) -> Filter:
    revs = [each.fields["rev"] for each in change.before.values()]
    return Has("rev", revs) if revs else NOTHING


async def _is_whole(engine: Engine, state: State, change: Change) -> bool:
    ids = [each.id for each in change.points]
    found = await engine.read([*ids, STATE_ID], ["rev", "made"])
    there = {each.id: each.fields for each in found}
    if state.rev != there.pop(STATE_ID, {"rev": 0})["rev"]:
        return False
    others = [each for each in change.points if not _is_ours(each, there, change)]
    if not others:
        return True
    # Another may have built upon ours already: then ours is in the history.
    places = {place_in_history(each): each.fields["rev"] for each in others}
    past = await engine.read(list(places), ["made"])
    ours = [each for each in past if each.fields["made"] == places[each.id]]
    return len(ours) == len(others)


def _is_ours(point: Point, there: Mapping[str, Fields], change: Change) -> bool:
    fields = there.get(point.id)
    if fields is None:
        # What is new is stored in any case, and can have been deleted since.
        return point.id not in change.before
    ours: int = point.fields["rev"]
    return ours in {fields["rev"], fields["made"]}


async def _undo(engine: Engine, change: Change) -> None:
    ours = Has("rev", [each.fields["rev"] for each in change.points])
    new = [each.id for each in change.points if each.id not in change.before]
    if new:
        await engine.remove(every([Named(new), ours]))
    if change.before:
        await engine.write(list(change.before.values()), over=ours, insert=False)
