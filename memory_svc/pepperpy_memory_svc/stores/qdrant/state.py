"""The point that says which generations there are, changed by comparing and setting."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from pepperpy_memory_svc.stores.qdrant.engine import Engine, Point
from pepperpy_memory_svc.stores.qdrant.filters import NOTHING, Has
from pepperpy_memory_svc.stores.qdrant.points import new_rev, point_id
from pepperpy_memory_svc.stores.rows import Generation
from pepperpy_schemas.errors import Unavailable

STATE_ID: Final = point_id("", "state")
"""No namespace has an empty name."""
TRIES: Final = 8
"""How often something is begun anew that other processes came in between of."""

T = TypeVar("T")


class State(msgspec.Struct, frozen=True):
    """The generations.

    Attributes:
        rev: Another one with every change; 0 before the first.
        next: The next number of a generation; one that was given is never used again.
        generations: All there are, by number.
    """

    rev: int = 0
    next: int = 1
    generations: list[Generation] = []


_decode: Final = msgspec.json.Decoder(State).decode


class StatePoint:
    """Reads and changes it.

    Args:
        engine: Where the point is.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: State | None = None

    async def read(self) -> State:
        """Returns it as it is, remembered while nobody else can change it."""
        if self._known is not None and self._engine.exclusive:
            return self._known
        found = await self._engine.read([STATE_ID], ["state"])
        self._known = _decode(found[0].fields["state"]) if found else State()
        return self._known

    async def change(self, make: Callable[[State], tuple[State, T]]) -> T:
        """Changes it; what another process changes meanwhile is taken in before.

        Args:
            make: Returns the next state for one, and what to return; the same state is no change.

        Raises:
            Unavailable: Others change it all the time.
        """
        for _ in range(TRIES):
            before = await self.read()
            after, made = make(before)
            if after is before or await self._set(before, after):
                return made
        raise Unavailable("other processes change the generations all the time")

    async def _set(self, before: State, after: State) -> bool:
        after = msgspec.structs.replace(after, rev=new_rev())
        fields = {"rev": after.rev, "state": msgspec.json.encode(after).decode()}
        over = Has("rev", [before.rev]) if before.rev else NOTHING
        self._known = None
        await self._engine.write([Point(STATE_ID, fields)], over=over)
        return (await self.read()).rev == after.rev
