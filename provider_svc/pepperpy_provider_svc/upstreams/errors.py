"""What goes wrong at a provider, in our words: the one border at which foreign errors end.

Nothing foreign is chained to what is raised: causes travel to callers, and their texts may hold a
key. Texts of providers are shortened, and the key that was used is taken out of them.
"""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import msgspec

from pepperpy_provider_svc.upstreams.reasons import error_class, status_of
from pepperpy_schemas.errors import PepperError, StreamBroken, UpstreamFailed, UpstreamTimeout

_LONGEST_TEXT: Final = 300
_KEY_LIKE: Final = re.compile(r"\b(?:sk|pk|rk)-[\w*.-]{6,}")
_REQUEST_IDS: Final = ("x-request-id", "request-id")


class Told(Exception):
    """A provider tells of an error inside an answer whose status says that all is well.

    Attributes:
        told: A mapping, or a text.
    """

    def __init__(self, told: object) -> None:
        super().__init__()
        self.told = told


def translated(
    error: Exception, *, provider: str, key: str, streaming: bool = False
) -> PepperError:
    """Returns what an exception of an SDK, of httpx2 or of a decoder means.

    Args:
        error: What was raised.
        provider: Whom errors name.
        key: The key that was used; it never gets into a message.
        streaming: Whether a streamed answer had begun.
    """
    if isinstance(error, PepperError):
        return error
    if isinstance(error, Told):
        return _made(status_of(error.told), error.told, provider, key, {})
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        told = _told(_content(response) if response.is_closed else getattr(error, "body", None))
        status = response.status_code
        status = status_of(told) if status < 300 else status
        return _made(status, told, provider, key, response.headers)
    return _of_transport(_below(error), provider, key, streaming)


def error_in(content: bytes) -> object:
    """Returns the error that a body tells of, or None."""
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None
    told = _told(body)
    return None if told is body else told


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that a provider asks to wait, however long, or None.

    It may say milliseconds, seconds, or a date.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return seconds * unit
    return _until(headers.get("retry-after", ""))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _until(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _below(error: BaseException) -> BaseException:
    """The transport's own error below one of an SDK."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, httpx2.HTTPError):
            return below
        below = below.__cause__
    return error


def _of_transport(error: BaseException, provider: str, key: str, streaming: bool) -> PepperError:
    # What could not be sent may be a header, and one of them is the key.
    silent = isinstance(error, httpx2.LocalProtocolError)
    text = type(error).__name__ if silent else _scrubbed(str(error) or type(error).__name__, key)
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return UpstreamFailed(f"{provider} cannot be reached: {text}")
        case httpx2.TimeoutException():
            return UpstreamTimeout(f"{provider} fell silent: {type(error).__name__}")
        case httpx2.HTTPError() if streaming:
            return StreamBroken(f"{provider} broke off its answer: {text}")
        case ValueError() if not isinstance(error, httpx2.HTTPError):
            return _unreadable(str(error), provider, key, streaming)
        case _:
            return UpstreamFailed(f"{provider} did not answer: {text}")


def _unreadable(why: str, provider: str, key: str, streaming: bool) -> PepperError:
    if streaming:
        return StreamBroken(f"{provider} sent a piece that cannot be read: {_scrubbed(why, key)}")
    text = f"{provider} sent an answer that cannot be read: {_scrubbed(why, key)}"
    return UpstreamFailed(text, context={"status": 200})


def _made(
    status: int, told: Any, provider: str, key: str, headers: Mapping[str, str]
) -> PepperError:
    code, text = _words(told)
    context: dict[str, Any] = {"status": status}
    if code:
        context["provider_code"] = _scrubbed(code, key)
    seconds = retry_after(headers)
    if seconds is not None:
        context["retry_after"] = seconds
    for name in _REQUEST_IDS:
        if name in headers:
            context["request_id"] = headers[name]
    message = f"{provider} answered {status}"
    if text:
        message += f": {_scrubbed(text, key)}"
    return error_class(status, code, text)(message, context=context)


def _words(told: Any) -> tuple[str, str]:
    """The provider's code and text of an error; the code is its finest word for it."""
    if not isinstance(told, dict):
        return "", told if isinstance(told, str) else ""
    code = told.get("code") or told.get("type") or ""
    text = told.get("message") or told.get("detail") or ""
    return str(code), text if isinstance(text, str) else str(text)


def _told(body: object) -> object:
    """The error inside a body, whichever of the common forms it has."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict | str):
        return body["error"]
    return body


def _content(response: httpx2.Response) -> object:
    try:
        return msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        html = "html" in response.headers.get("content-type", "")
        return "" if html else response.content.decode(errors="replace")
    except httpx2.StreamError:
        return None


def _scrubbed(text: str, key: str) -> str:
    hidden = text.replace(key, "***") if key else text
    hidden = " ".join(_KEY_LIKE.sub("***", hidden).split())
    return hidden if len(hidden) <= _LONGEST_TEXT else f"{hidden[:_LONGEST_TEXT]}…"
