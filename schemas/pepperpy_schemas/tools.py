"""Tools on the bus: how a program of any language is asked to do something for a model."""

from typing import Annotated, Any

import msgspec

Short = Annotated[str, msgspec.Meta(max_length=200)]


class ToolRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool is called.

    Who calls is the last token of the subject, true by permission; what stands here is said by the
    caller.

    Attributes:
        arguments: The arguments, as the tool's schema has them.
        call: Id of the call, for logs.
        agent: The agent whose model calls.
        task: Id of the task on whose behalf it is called.
    """

    arguments: dict[str, Any] = {}
    call: Short = ""
    agent: Short = ""
    task: Short = ""


class ToolReply(msgspec.Struct, frozen=True):
    """What a tool returned; one that could not do what it was asked to answers with an error.

    Attributes:
        result: A text, or any JSON, which the model reads as it is.
    """

    result: Any
