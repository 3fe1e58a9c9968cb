"""What a model gets of a call: the tool's value as text, or an error that it can act upon."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from pepperpy_bus.bodies import to_json
from pepperpy_bus.redaction import escape, scrub
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadPayload, PepperError, ToolFailed

_LONGEST: Final = 2000
"""Characters of an error."""


def content_of(value: Any, most: int) -> str:
    """Returns a tool's value as the text that the model reads.

    Args:
        value: A text, or what JSON can carry.
        most: Characters above which it is cut, with a note.

    Raises:
        ToolFailed: JSON cannot carry it.
    """
    text = _text(value)
    # File names may hold what is no text; a lone surrogate would break the request to the model.
    shown = text[:most].encode("utf-8", "replace").decode()
    if len(text) <= most:
        return shown
    return f"{shown}\n[cut here: these are the first {most} of {len(text)} characters]"


def failure(call: ToolCall, error: PepperError) -> ToolResult:
    """Returns what a model is told of a call that was refused or failed."""
    hint = f" ({error.hint})" if error.hint and error.category == "input" else ""
    text = _scrubbed(f"{error.message}{hint}")
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} […]"
    return ToolResult(call.id, f"{error.code}: {cut}", error=True)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Makes an error that is none of ours a ToolFailed with its words, secrets hidden."""
    try:
        yield
    except PepperError:
        raise
    except Exception as error:
        name = type(error).__name__
        said = str(error)
        raise ToolFailed(_scrubbed(f"{name}: {said}" if said else name)) from error


def _scrubbed(text: str) -> str:
    """The text without secrets; of a long one as much as is shown, and as much again.

    The worker waits while secrets are looked for: 58 s in an error of thirty million characters.
    """
    return scrub(escape(text[: 2 * _LONGEST]))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    try:
        return to_json(value).decode()
    except BadPayload as error:
        raise ToolFailed(f"what it returned {error}") from None
