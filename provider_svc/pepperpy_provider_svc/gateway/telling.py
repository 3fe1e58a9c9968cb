"""Telling what happened: an event for every answer, by default without a word of what was said."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from pepperpy_bus.services.service import Call
from pepperpy_bus.trace import told
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.gateway.said import Said
from pepperpy_provider_svc.routing.tokens import target_token
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas import headers as h
from pepperpy_schemas.chat import ChatItem, Delta, Reset, Try, Usage
from pepperpy_schemas.error import info_of
from pepperpy_schemas.tokens import TOKEN, new_id
from pepperpy_schemas.upstream_errors import NoTargetLeft

_ROOT: Final = h.ROOT.lower()
_PARENT: Final = h.PARENT.lower()


class Account:
    """What is told of one request at its end.

    Attributes:
        id: The request's id.
        values: What the event will say.
    """

    def __init__(self, parts: Parts, call: Call, model: str) -> None:
        self.id = call.id if TOKEN.fullmatch(call.id) else new_id()
        self._parts = parts
        self._call = call
        self._model = model
        self._began = parts.clock()
        self.values: dict[str, Any] = {
            "op": call.op,
            "model": model,
            "principal": call.principal,
        }

    def first(self) -> None:
        """Notes that the first piece of the answer is there."""
        self.values.setdefault("first_ms", self._ms())

    def answered(
        self, model: str, usage: Usage, usd: float | None, attempts: list[Try], **more: Any
    ) -> None:
        """Notes who answered, and what that took."""
        self.values |= {
            "target": model,
            "usage": msgspec.to_builtins(usage),
            "usd": usd,
            "attempts": [self._shown(one) for one in attempts],
            **more,
        }

    def content(self, **texts: object) -> None:
        """Notes what was said, where the declaration asks for that, with secrets hidden."""
        if self._parts.declaration.guards.log_content:
            hide = self._parts.redaction.hide
            plain = {name: msgspec.json.encode(value).decode() for name, value in texts.items()}
            self.values |= {name: hide(text) for name, text in plain.items()}

    @contextlib.contextmanager
    def hearing(self) -> Iterator[Callable[[ChatItem], None]]:
        """Has the items of a streamed answer told to it; what was said is noted at its end."""
        said = Said()
        wanted = self._parts.declaration.guards.log_content

        def hear(item: ChatItem) -> None:
            nonlocal said
            match item:
                case Delta() if wanted:
                    said.take(_piece(item))
                case Reset():
                    said = Said()

        try:
            yield hear
        finally:
            if said.size:
                self.content(answer=said.message)

    async def end(self, error: BaseException | None = None) -> None:
        """Tells of the end."""
        verb = "completed"
        if error is not None:
            canceled = isinstance(error, asyncio.CancelledError | GeneratorExit)
            verb = "canceled" if canceled else "failed"
            if not canceled:
                info = info_of(error)
                message = self._parts.redaction.hide(info.message)
                self.values |= {"code": info.code, "message": message}
            if isinstance(error, NoTargetLeft):
                self.values["attempts"] = self._tried(error)
        headers: Mapping[str, str] = self._call.headers
        await self._parts.emitter.emit(
            "llm",
            verb,
            scope=target_token(self._model),
            id=self.id,
            correlation=_token(headers.get(_ROOT, "")),
            causation=_token(headers.get(_PARENT, "")),
            data=self.values | {"ms": self._ms()},
            trace=told(headers),
        )

    def _tried(self, error: NoTargetLeft) -> list[Any]:
        """The calls that were made in vain."""
        tries = msgspec.convert(error.context.get("attempts", []), list[Try])
        return [self._shown(one) for one in tries]

    def _shown(self, one: Try) -> Any:
        """Providers repeat in their errors what they were asked."""
        message = self._parts.redaction.hide(one.message)
        return msgspec.to_builtins(msgspec.structs.replace(one, message=message))

    def _ms(self) -> int:
        return round((self._parts.clock() - self._began) * 1000)


def _piece(item: Delta) -> Chunk:
    return Chunk(
        text=item.text,
        reasoning=item.reasoning,
        signature=item.signature,
        data=item.data,
        tool_calls=tuple(item.tool_calls),
    )


def _token(text: str) -> str:
    return text if TOKEN.fullmatch(text) else ""
