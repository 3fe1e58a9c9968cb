"""What states of graphs are stored as: LangGraph's own form, read back with care.

Only plain values, LangChain's messages and the types that were allowed are made of it: whoever can
write an agent's values can not make its workers run what they like.
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from pepperpy_schemas.errors import BadConfig

Typed = tuple[str, bytes]
"""A value as LangGraph's serializer writes it: of which kind, and its bytes."""


class Strict:
    """LangGraph's serializer, which reads back nothing but what was allowed, and says so at once.

    Its own would give the parts of a value that it may not make, as if they were the value.

    Args:
        allowed: Types besides plain ones and messages.
    """

    def __init__(self, allowed: Iterable[type] = ()) -> None:
        self._inner = JsonPlusSerializer(allowed_msgpack_modules=tuple(allowed) or None)

    def dumps_typed(self, value: Any) -> Typed:
        """Returns a value as it is stored, after it was read back from that.

        Raises:
            BadConfig: It has a value of a type that was not allowed.
        """
        dumped = self._inner.dumps_typed(value)
        self.loads_typed(dumped)
        return dumped

    def loads_typed(self, data: Typed) -> Any:
        """Returns a value as it was.

        Raises:
            BadConfig: It has a value of a type that was not allowed.
        """
        with _blocked() as names:
            value = self._inner.loads_typed(data)
        if names:
            raise BadConfig(
                f"the graph's state has a {names[0]}, which is not read back",
                hint="name the type: Checkpoints(allowed=[…])",
            )
        return value


_names: ContextVar[list[str] | None] = ContextVar("blocked", default=None)


def _note(event: SerdeEvent) -> None:
    names = _names.get()
    if names is not None and event["kind"] == "msgpack_blocked":
        names.append(f"{event['module']}.{event['name']}")


register_serde_event_listener(_note)


@contextlib.contextmanager
def _blocked() -> Iterator[list[str]]:
    """Collects the types that LangGraph refuses to make meanwhile."""
    names: list[str] = []
    token = _names.set(names)
    try:
        yield names
    finally:
        _names.reset(token)
