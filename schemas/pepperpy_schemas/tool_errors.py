"""What goes wrong when a model calls a tool, part of the tree in `errors`.

Models read these errors, so each says what was wrong with the call and what would be right.
"""

from pepperpy_schemas.error import PepperError


class UnknownTool(PepperError):
    """There is no tool of that name here; ``context.tools`` has the names of those there are."""

    code = "unknown_tool"
    category = "input"


class BadArguments(PepperError):
    """The arguments of a call are none that the tool takes; ``context.problems`` names each."""

    code = "bad_arguments"
    category = "input"
    hint = "call it again, with arguments that fit its schema"


class NotGranted(PepperError):
    """The call needs a scope that the caller was not granted; ``context.scopes`` names it."""

    code = "not_granted"
    category = "control"
    hint = "grant it: grants=[…] of the agent, or grants: in its file"


class ToolTimeout(PepperError):
    """The call took longer than its tool, or the task, has time."""

    code = "tool_timeout"
    category = "task"
    retryable = True


class ToolFailed(PepperError):
    """The tool says that it could not do what it was asked to."""

    code = "tool_failed"
    category = "task"
