"""Answers of JSON, and of errors: encoded by msgspec, compressed where it helps."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from pepperpy_monitor_svc.http.statuses import LATER, status_of
from pepperpy_schemas.codec import encode
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.errors import ErrorInfo

_WORTH: Final = 1024
"""Bytes from which on compressing saves more than it costs."""
_LONG: Final = 64 << 10
"""Bytes from which on a thread compresses: megabytes would hold up all others."""
_OURS: Final = 500
"""The first status that is not the caller's to mend."""
_AGAIN: Final = "1"
"""Seconds after which what is refused for now may be tried again, unless somebody knows better."""


class Refused(PepperError):
    """An HTTP request that is answered with an error of its own status.

    Args:
        status: The status.
        code: Stable name of the fact.
        message: One sentence with the values that matter.
        hint: What to do about it.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retryable=status in LATER)
        self.status = status
        self.name = code
        self.headers = dict(headers or {})

    def info(self) -> ErrorInfo:
        """Returns the wire form; its code is the one that was given."""
        category = "input" if self.status < _OURS else "bus"
        return msgspec.structs.replace(super().info(), code=self.name, category=category)


def json_answer(
    request: web.Request,
    value: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Returns the answer with a value as JSON; bytes are JSON that is ready to send."""
    body = value if isinstance(value, bytes) else encode(value)
    more = {hdrs.CACHE_CONTROL: "no-store", **(headers or {})}
    answer = web.Response(
        body=body,
        status=status,
        headers=more,
        content_type="application/json",
        zlib_executor_size=_LONG,
    )
    if len(body) >= _WORTH and takes_gzip(request):
        answer.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        answer.enable_compression(web.ContentCoding.gzip)
    return answer


def error_answer(
    request: web.Request,
    error: PepperError | ErrorInfo,
    *,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Returns the answer that says an error, in the form in which the bus says it."""
    info = error if isinstance(error, ErrorInfo) else error.info()
    more = dict(headers or {})
    status = status_of(info)
    if isinstance(error, Refused):
        more |= error.headers
        status = error.status
    if status in LATER:
        more.setdefault(hdrs.RETRY_AFTER, _AGAIN)
    body: dict[str, dict[str, Any]] = {
        "error": {
            "code": info.code,
            "message": info.message,
            "hint": info.hint,
            "category": info.category,
            "retryable": info.retryable,
            "context": info.context,
        }
    }
    if info.cause is not None:
        body["error"]["cause"] = info.cause
    return json_answer(request, body, status=status, headers=more)


def takes_gzip(request: web.Request) -> bool:
    """Tells whether the client takes compressed bodies."""
    offered = request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(",")
    words = [one.strip().replace(" ", "") for one in offered]
    return any(one == "gzip" or (one.startswith("gzip;") and one != "gzip;q=0") for one in words)
