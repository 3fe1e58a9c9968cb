"""The memory for callers in another thread: scripts, and handlers that are no coroutines."""

from pepperpy_bus.facades import Facade, iterates, waits
from pepperpy_bus.memory.client import Memory


class SyncMemory(Facade[Memory]):
    """Remembers and finds; see `Memory`."""

    put = waits(Memory.put)
    put_many = waits(Memory.put_many)
    update = waits(Memory.update)
    delete = waits(Memory.delete)
    link = waits(Memory.link)
    import_ = waits(Memory.import_)
    get = waits(Memory.get)
    get_many = waits(Memory.get_many)
    search = waits(Memory.search)
    similar = waits(Memory.similar)
    history = waits(Memory.history)
    stats = waits(Memory.stats)
    export = iterates(Memory.export)
    reindex = iterates(Memory.reindex)
    ingest = iterates(Memory.ingest)
    upload = waits(Memory.upload)
    discard = waits(Memory.discard)

    def within(
        self, *, namespace: str | None = None, session: str | None = None, agent: str | None = None
    ) -> "SyncMemory":
        """Returns the same, with other defaults; see `Memory.within`."""
        inner = self._inner.within(namespace=namespace, session=session, agent=agent)
        return SyncMemory(self._thread, inner)
