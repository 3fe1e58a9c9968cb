"""Points that say, of each namespace, the highest version of an entry that was removed."""

from typing import Final

from pepperpy_memory_svc.stores.qdrant.engine import Engine, Point
from pepperpy_memory_svc.stores.qdrant.filters import Within
from pepperpy_memory_svc.stores.qdrant.points import point_id

_KEY: Final = "gone"


def _place(namespace: str) -> str:
    # No entry has an empty id. Without the field ``ns`` no operation finds the point.
    return point_id(namespace, "")


async def highest_gone(engine: Engine, namespace: str) -> int:
    """Returns the highest version that was removed, 0 for none.

    Whoever read that nothing is in a place, and reads this after it, knows what was there.
    """
    found = await engine.read([_place(namespace)], [_KEY])
    return int(found[0].fields[_KEY]) if found else 0


async def note_gone(engine: Engine, namespace: str, version: int) -> None:
    """Notes, before entries are removed, the highest of their versions."""
    point = Point(_place(namespace), {_KEY: version})
    await engine.write([point], over=Within(key=_KEY, lt=float(version)))
