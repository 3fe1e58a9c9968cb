"""How far the events of a composite have been read, kept where the next reader finds it.

The matches follow from the events alone. So whoever goes on at a checkpoint, at any of them and
any number at once, finds the same matches as everybody else.
"""

from pepperpy_bus.composites.composite import Composite
from pepperpy_bus.state.cells import Cells
from pepperpy_schemas.catalog.state import COMPOSITE
from pepperpy_schemas.composites import CompositeState
from pepperpy_schemas.errors import WrongSequence


class Checkpoint:
    """The stored state of one composite event.

    Args:
        cells: The bucket.
        composite: The composite event.
        scope: Who raises it: the agent or rule.
    """

    def __init__(self, cells: Cells, composite: Composite, scope: str) -> None:
        self._bucket = cells.bucket
        self._key = cells.key(COMPOSITE, scope=scope, entity=composite.entity, verb=composite.verb)
        self.declaration = composite.fingerprint()

    async def begin(self, time: int) -> None:
        """Stores that events count from this time on, unless something is stored already."""
        first = CompositeState(self.declaration, time)
        try:
            await self._bucket.create(self._key, COMPOSITE.encode(first))
        except WrongSequence:
            return

    async def read(self, time: int) -> CompositeState:
        """Returns where to go on; at this time when nothing is stored any more."""
        entry = await self._bucket.get(self._key)
        if entry is None:
            return CompositeState(self.declaration, time)
        stored = COMPOSITE.decode(entry.value)
        if stored.declaration == self.declaration:
            return stored
        return CompositeState(self.declaration, stored.time, stored.seq)

    async def write(self, state: CompositeState) -> None:
        """Stores how far the reading is."""
        await self._bucket.put(self._key, COMPOSITE.encode(state))
