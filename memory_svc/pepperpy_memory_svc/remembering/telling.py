"""Telling what happened to the memory: counts and ids, without a word of what is remembered."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pepperpy_bus.events import Emitter
from pepperpy_bus.services.service import Call
from pepperpy_schemas import headers as h
from pepperpy_schemas.tokens import TOKEN, new_id

_ROOT: Final = h.ROOT.lower()
_PARENT: Final = h.PARENT.lower()
_SHOWN: Final = 100
"""Ids that an event names; the count is that of all."""


async def tell(
    emitter: Emitter,
    verb: str,
    namespace: str,
    call: Call,
    *,
    ids: Sequence[str] = (),
    **values: Any,
) -> None:
    """Tells what a request did.

    Args:
        emitter: Sends it.
        verb: ``put``, ``updated``, ``deleted``, ``searched``, ``reindexed``, ``ingested``.
        namespace: In which namespace.
        call: The request.
        ids: The entries.
        **values: What else is told.
    """
    headers: Mapping[str, str] = call.headers
    await emitter.emit(
        "memory",
        verb,
        scope=namespace,
        id=call.id if TOKEN.fullmatch(call.id) else new_id(),
        correlation=_token(headers.get(_ROOT, "")),
        causation=_token(headers.get(_PARENT, "")),
        data={"principal": call.principal, "op": call.op, "ids": list(ids[:_SHOWN])} | values,
    )


def _token(text: str) -> str:
    return text if TOKEN.fullmatch(text) else ""
