"""What a task gives to an agent of a framework: a text, or messages."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.errors import BadPayload

T = TypeVar("T")


def text_of(data: Any) -> str | None:
    """Returns the text that a task consists of, as it is or in the field ``text``."""
    if isinstance(data, Mapping) and data.keys() == {"text"}:
        data = data["text"]
    return data if isinstance(data, str) else None


def text_or_messages(data: Any, message: Callable[[Any], T], framework: str) -> str | list[T]:
    """Returns what a task asks: its text, or its messages as the framework has them.

    Args:
        data: The task's data: a text, an object with ``text``, a list of messages, or an object
            with ``messages``.
        message: Makes a message of the framework of one of these.
        framework: What it is called, for people.

    Raises:
        BadPayload: It is none of these, or there is no message.
    """
    if (text := text_of(data)) is not None:
        return text
    messages = data.get("messages") if isinstance(data, Mapping) else data
    if not isinstance(messages, list) or not messages:
        raise BadPayload(
            f"an agent of {framework} is asked with a text, or with messages",
            hint='"How is it?", {"text": "How is it?"} or {"messages": [{"role": "user", …}]}',
        )
    return [message(one) for one in messages]


def chat_message(said: Any) -> ChatMessage:
    """Returns a message as ours.

    Raises:
        BadPayload: It is none.
    """
    try:
        return msgspec.convert(said, ChatMessage)
    except msgspec.ValidationError as error:
        raise BadPayload(f"a message is none: {error}") from error
