"""Dead letters, the newest first, a page at a time."""

from typing import Any, Final

from aiohttp import web

from pepperpy_bus.client import Client
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import api
from pepperpy_bus.tasks.deadletters import Filed
from pepperpy_monitor_svc.http.answers import json_answer
from pepperpy_monitor_svc.web.parts import PARTS
from pepperpy_monitor_svc.web.queries import only, whole_number
from pepperpy_schemas.catalog.tasks import DEAD_LETTER
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import check_topic

_PAGE: Final = 50
_MOST: Final = 200
_STRETCH: Final = 500
"""Numbers of a stretch of the stream, which is read forwards."""
_READ: Final = 5_000
"""Letters that one request looks at: a rare word is found page by page."""
_BODY: Final = 4_096
"""Characters of a task's body that a list shows."""


async def letters(request: web.Request) -> web.StreamResponse:
    """Dead letters by topic and word."""
    only(request, ("topic", "q", "limit", "cursor"))
    topic = request.query.get("topic", "")
    if topic:
        check_topic(topic)
    client = request.app[PARTS].monitor.client
    limit = whole_number(request, "limit", _PAGE, _MOST)
    before = whole_number(request, "cursor", 1 << 40, 1 << 40) if "cursor" in request.query else 0
    word = request.query.get("q", "")[:_MOST].casefold()
    rows, following, total = await _newest(client, topic, word, limit, before)
    return json_answer(
        request,
        {"items": rows, "next": None if following is None else str(following), "total": total},
    )


async def _newest(
    client: Client, topic: str, word: str, limit: int, before: int
) -> tuple[list[dict[str, Any]], int | None, int]:
    stream = stream_name(client.prefix, "DLQ")
    subject = DEAD_LETTER.pattern(client.prefix, **({"topic": topic} if topic else {}))
    info = await api(client.connection, f"STREAM.INFO.{stream}", {"subjects_filter": subject})
    state = info["state"]
    total = sum((state.get("subjects") or {}).values())
    high = min(before, state["last_seq"] + 1) if before else state["last_seq"] + 1
    first, found, looked = max(1, state["first_seq"]), list[dict[str, Any]](), 0
    while high > first and looked < _READ:
        low = max(first, high - _STRETCH)
        read, stretch = await _stretch(client, stream, subject, word, low, high)
        looked += read
        for one in reversed(stretch):
            if len(found) == limit:
                return found, found[-1]["seq"], total
            found.append(one)
        high = low
    return found, high if high > first else None, total


async def _stretch(
    client: Client, stream: str, subject: str, word: str, low: int, high: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many letters a stretch has, and the rows of those with the word: whole ones are large."""
    read, rows = 0, list[dict[str, Any]]()
    async with follow(client.connection, stream, [subject], from_seq=low) as follower:
        async for delivery in follower.until_end():
            if delivery.seq >= high:
                break
            read += 1
            try:
                filed = Filed(delivery.seq, DEAD_LETTER.decode(delivery.body))
            except PepperError:
                continue  # somebody wrote it who does not know the form; the fleet counts it
            if not word or word in _words(filed):
                rows.append(_row(filed))
    return read, rows


def _words(filed: Filed) -> str:
    letter = filed.letter
    said = (letter.task_id, letter.topic, letter.reason, letter.error.message, letter.body or "")
    return "\n".join(said).casefold()


def _row(filed: Filed) -> dict[str, Any]:
    letter = filed.letter
    body = letter.body if letter.body is not None else (letter.body_base64 or "")
    return {
        "seq": filed.seq,
        "task": letter.task_id,
        "topic": letter.topic,
        "at": letter.ts,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "deliveries": letter.deliveries,
        "source": letter.source,
        "headers": letter.headers,
        "body": body[:_BODY],
        "body_size": len(body),
        "binary": letter.body is None,
    }
