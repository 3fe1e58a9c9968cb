"""Which HTTP status says what an error says."""

from collections.abc import Mapping
from typing import Final

from pepperpy_schemas.errors import ErrorInfo

_BY_CODE: Final[Mapping[str, int]] = {
    "bad_config": 400,  # of a request: what the operator sets is refused at the start
    "not_found": 404,
    "unknown_topic": 404,
    "unknown_model": 404,
    "unknown_tool": 404,
    "permission_denied": 403,
    "not_granted": 403,
    "conflict": 409,
    "canceled": 409,
    "too_large": 413,
    "unsupported_type": 415,
    "rejected": 422,
    "rate_limited": 429,
    "queue_full": 429,
    "budget_exceeded": 429,
    "timeout": 504,
    "deadline_exceeded": 504,
    "tool_timeout": 504,
    "upstream_timeout": 504,
}
_BY_CATEGORY: Final[Mapping[str, int]] = {
    "input": 400,
    "task": 500,
    "control": 409,
    "bus": 503,
    "config": 500,
    "upstream": 502,
}
LATER: Final = frozenset({429, 503})
"""Statuses that say: not now."""


def status_of(error: ErrorInfo) -> int:
    """Returns the status of an error: by its code, else by whose it is to mend."""
    return _BY_CODE.get(error.code) or _BY_CATEGORY.get(error.category, 500)
