"""What a tool of an MCP server returned, as a model reads it. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pepperpy_agents.mcp.described import clean
from pepperpy_schemas.errors import ToolFailed

if TYPE_CHECKING:
    import mcp_types as types

_ERROR: Final = 2000
"""Characters of an error."""


def value_of(result: "types.CallToolResult") -> Any:
    """Returns a result's value: what it has as JSON, or else its text.

    What is no text is named, with its type and size, and not shown: models read text here.

    Raises:
        ToolFailed: The tool says that it failed.
    """
    texts = [one.text for one in result.content if one.type == "text"]
    others = [note for one in result.content if one.type != "text" for note in _note(one)]
    text = "\n".join((*texts, *others))
    if result.is_error:
        raise ToolFailed(clean(text, _ERROR) or "the tool failed, and did not say why")
    if result.structured_content is None:
        return text
    # The same stands in a text besides, for clients that read no JSON.
    if not others:
        return result.structured_content
    return {"result": result.structured_content, "besides": others}


def _note(part: Any) -> Iterable[str]:
    if part.type in ("image", "audio"):
        yield f"[{part.type}, {part.mime_type}, {_size(part.data)} bytes, not shown]"
    elif part.type == "resource_link":
        yield f"[a link to {part.uri}, not read]"
    elif part.type == "resource":
        held = part.resource
        kind = held.mime_type or "of unknown type"
        if hasattr(held, "text"):
            yield f"[{held.uri}, {kind}]\n{held.text}"
        else:
            yield f"[{held.uri}, {kind}, {_size(held.blob)} bytes, not shown]"


def _size(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
