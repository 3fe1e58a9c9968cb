"""Calls of tools that programs offer on the bus."""

from typing import Final

from pepperpy_schemas.subjects import Subject
from pepperpy_schemas.tools import ToolRequest

TOOL_SERVICE: Final = "tool"
"""The service that all of them are operations of."""
TOOL_CALL: Final = Subject(
    "ToolRequest",
    "{p}.svc.tool.{tool}.{principal}",
    ToolRequest,
    "A tool is called; those that there are say in `$SRV.INFO.tool` what they take.",
    examples=('{"arguments":{"city":"Lisbon"},"agent":"concierge","task":"PP_TASKS-7"}',),
)
