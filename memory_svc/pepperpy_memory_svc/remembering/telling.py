"""Telling what happened to the memory: by whom, where and how much, not what."""

from collections.abc import Mapping
from typing import Any, Final

from pepperpy_bus.events import Emitter
from pepperpy_bus.services.service import Call
from pepperpy_bus.trace import told
from pepperpy_schemas import headers as h
from pepperpy_schemas.tokens import TOKEN, new_id

_ROOT: Final = h.ROOT.lower()
_PARENT: Final = h.PARENT.lower()


async def tell(
    emitter: Emitter,
    verb: str,
    namespace: str,
    call: Call,
    **values: Any,
) -> None:
    """Tells what a request did.

    Events are for everybody who may hear those of tasks, so ids and texts, which belong to those
    who may use the namespace, are not among what is told.

    Args:
        emitter: Sends it.
        verb: ``put``, ``updated``, ``deleted``, ``searched``, ``reindexed``, ``ingested``.
        namespace: In which namespace.
        call: The request.
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
        data={"principal": call.principal, "op": call.op, "ms": call.ms} | values,
        trace=told(headers),
    )


def _token(text: str) -> str:
    return text if TOKEN.fullmatch(text) else ""
