"""Which of our errors a provider's status, code and text mean; pure."""

import re
from typing import Any, Final

from pepperpy_schemas.errors import (
    ContentFiltered,
    ContextTooLong,
    KeyRefused,
    PepperError,
    RateLimited,
    RequestRefused,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)

_BY_STATUS: Final[dict[int, type[PepperError]]] = {
    401: KeyRefused,
    402: KeyRefused,
    403: KeyRefused,
    404: UnknownModel,
    408: UpstreamTimeout,
    409: UpstreamFailed,
    413: ContextTooLong,
    425: UpstreamFailed,
    429: RateLimited,
}

_LONG_CONTEXT: Final = re.compile(
    r"context_length|context_window|maximum context|context length|context size|"
    r"exceed_context|prompt is too long|exceed context limit|too many tokens|"
    r"string_above_max_length|request_too_large"
)
_FILTERED: Final = re.compile(
    r"content_filter|content_policy|content filtering|content management policy|"
    r"responsibleaipolicy|safety system"
)
_NOT_PAID: Final = re.compile(r"insufficient_quota|billing_|credit balance")
_NO_MODEL: Final = re.compile(r"model_not_found|model .{0,100}(not found|does not exist)")

_STATUS_OF: Final = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def error_class(status: int, code: str, text: str) -> type[PepperError]:
    """Returns the class of an error.

    Args:
        status: HTTP status, or what `status_of` makes of an error that came with 200.
        code: The provider's code, or empty.
        text: What it says, or empty.
    """
    words = f"{code} {text}".lower()
    if status in (400, 413, 422, 500) and _LONG_CONTEXT.search(words):
        return ContextTooLong
    if status in (400, 403, 422) and _FILTERED.search(words):
        return ContentFiltered
    if status in (400, 429) and _NOT_PAID.search(words):
        return KeyRefused
    if status == 400 and _NO_MODEL.search(words):
        return UnknownModel
    return _BY_STATUS.get(status, UpstreamFailed if status >= 500 else RequestRefused)


def status_of(told: Any) -> int:
    """Returns the status that fits an error told inside an answer with 200; 500 when none does."""
    if not isinstance(told, dict):
        return 500
    for name in ("code", "status", "type"):
        word = told.get(name)
        if isinstance(word, int) and 400 <= word <= 599:
            return word
        if isinstance(word, str) and word in _STATUS_OF:
            return _STATUS_OF[word]
    return 500
