"""What every request is answered with."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from pepperpy_bus.events import Emitter
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_memory_svc.declared.models import Declaration
from pepperpy_memory_svc.remembering.index import Index
from pepperpy_memory_svc.stores.store import Store


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the service.

    Attributes:
        declaration: Who may remember what.
        store: Where entries are.
        kind: The kind of the store, as its address begins.
        index: What makes entries findable.
        emitter: Tells what happened.
        blobs: Where files lie that came by reference.
        clock: The time that entries expire by.
    """

    declaration: Declaration
    store: Store
    kind: str
    index: Index
    emitter: Emitter
    blobs: Blobs
    clock: Callable[[], datetime]
