"""What runnables return, as JSON: messages, documents and models of pydantic among plain values."""

from collections.abc import Mapping
from typing import Any

import msgspec
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from pydantic import BaseModel

from pepperpy_agents.adapters.langchain.messages import conversation


def plain(value: Any) -> Any:
    """Returns a value that JSON can carry.

    A message is a `ChatMessage` of ours, a document an object with ``text``, ``metadata`` and
    ``id``; a prompt is a conversation, or the text that it consists of. What is none of LangChain's
    stays what it is.

    Raises:
        BadPayload: A message says what ours cannot.
    """
    match value:
        case BaseMessage() | PromptValue():
            return _said(value)
        case Document():
            told = {"text": value.page_content, "metadata": plain(value.metadata)}
            return {**told, "id": value.id} if value.id else told
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(one) for one in value]
    # The text of a message is of a class of its own.
    return str(value) if isinstance(value, str) else value


def _said(value: BaseMessage | PromptValue) -> Any:
    if isinstance(value, PromptValue):
        said = msgspec.to_builtins(conversation(value.to_messages()))
        match said:
            case [{"role": "user", "content": str(text)}]:
                return text
        return said
    return msgspec.to_builtins(conversation([value])[0])
