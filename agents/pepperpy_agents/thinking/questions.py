"""What an agent is asked: the body of its task, read as a question with what belongs to it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_schemas.chat import ChatMessage

_ROLES: Final = ("user", "assistant")
_NOT_ASKED: Final = ("session", "conversation", "handoff")
"""Fields that are no part of the question."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question.

    Attributes:
        text: What is asked, for the model.
        fields: The values of a question that is an object; empty for others.
        session: The conversation that it belongs to, as its sender says; or empty.
        before: What was said before it, when another agent hands it on.
        hops: The topics that have handed it on, the first one first.
    """

    text: str
    fields: dict[str, Any] = {}
    session: str = ""
    before: tuple[ChatMessage, ...] = ()
    hops: tuple[str, ...] = ()


def read_question(data: Any) -> Question:
    """Returns the question that a task's body is.

    A text is the question. Of an object the field ``text`` is, when nothing else is asked in it;
    ``session`` (a text or a whole number), ``conversation`` and ``handoff`` are no part of the
    question. Everything else is asked as JSON.
    """
    plain = data if isinstance(data, str | Mapping) else msgspec.json.decode(to_json(data))
    if isinstance(plain, str):
        return Question(text=plain)
    if not isinstance(plain, Mapping):
        return Question(text=_json(plain))
    asked = {name: value for name, value in plain.items() if name not in _NOT_ASKED}
    text = asked.get("text")
    alone = isinstance(text, str) and len(asked) == 1
    handed = plain.get("handoff")
    hops = handed.get("hops", ()) if isinstance(handed, Mapping) else ()
    session = plain.get("session", "")
    if isinstance(session, int) and not isinstance(session, bool):
        session = str(session)
    return Question(
        text=text if alone and isinstance(text, str) else _json(asked),
        fields=asked,
        session=session if isinstance(session, str) else "",
        before=_said(plain.get("conversation")),
        hops=tuple(one for one in hops if isinstance(one, str)) if isinstance(hops, list) else (),
    )


def _said(conversation: Any) -> tuple[ChatMessage, ...]:
    if not isinstance(conversation, list):
        return ()
    lines = [one for one in conversation if isinstance(one, Mapping)]
    return tuple(
        ChatMessage(one["role"], one["text"])
        for one in lines
        if one.get("role") in _ROLES and isinstance(one.get("text"), str) and one["text"]
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
