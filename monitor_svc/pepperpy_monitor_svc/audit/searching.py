"""Which records are wanted, page by page from the newest back. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pepperpy_bus.units import BadUnit, format_time, now, parse_duration, parse_time
from pepperpy_schemas.audit import AuditPage, AuditQuery, ChainedRecord
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.monitor import AuditRow

_MOST: Final = 1000


class Search:
    """Takes records from the newest back, and keeps what is wanted until a page is full.

    Attributes:
        done: Whether it wants no more.
        place: Where in the stream the records are that it is handed now.

    Args:
        query: What is wanted.
        most: Records to look at for one page.

    Raises:
        BadPayload: The cursor is none.
    """

    def __init__(self, query: AuditQuery, *, most: int) -> None:
        self.done = False
        self._query = query
        before, _, place = (query.cursor or "0-0").partition("-")
        self._before, self.place = _number(before, "cursor"), _number(place, "cursor")
        self._since = format_time(query.since) if query.since else ""
        self._until = format_time(query.until) if query.until else ""
        self._text = query.text.casefold()
        self._left = most
        self._rows: list[AuditRow] = []
        self._next: str | None = None
        self._last = 0

    def take(self, record: ChainedRecord) -> bool:
        """Takes the next older record; returns whether it wants another."""
        if self.done or (self._before and record.seq >= self._before):
            return not self.done
        if len(self._rows) == self._query.limit or self._left == 0:
            self._next, self.done = f"{self._last}-{self.place}", True
            return False
        self._left -= 1
        self._last = record.seq
        if self._wants(record):
            self._rows.append(row_of(record))
        return True

    def page(self, records: int) -> AuditPage:
        """Returns what was found.

        Args:
            records: Records in the whole log.
        """
        query = self._query
        whole = not (query.cursor or self._next)
        total = len(self._rows) if whole else None if query.narrow else records
        return AuditPage(self._rows, self._next, total, records)

    def _wants(self, record: ChainedRecord) -> bool:
        query = self._query
        return (
            _fits(query.by, record.by)
            and _fits(query.action, record.action)
            and _fits(query.target, record.target)
            and (not self._since or record.at >= self._since)
            and (not self._until or record.at < self._until)
            and (not self._text or self._text in _words(record))
        )


def row_of(record: ChainedRecord) -> AuditRow:
    """Returns a record as lists show it."""
    return AuditRow(
        seq=record.seq,
        at=parse_time(record.at),
        by=record.by,
        claimed=record.claimed,
        action=record.action,
        target=record.target,
        data=dict(record.data),
        hash=record.hash,
    )


def read_query(said: Mapping[str, str]) -> AuditQuery:
    """Returns the query that texts say, as they stand in an address.

    Raises:
        BadPayload: A number is none, or a time is neither one nor a duration before now.
    """
    limit = _number(said["limit"], "limit") if said.get("limit") else 50
    return AuditQuery(
        by=said.get("by", ""),
        action=said.get("action", ""),
        target=said.get("target", ""),
        text=said.get("text") or said.get("q", ""),
        since=_moment(said.get("since", "")),
        until=_moment(said.get("until", "")),
        limit=max(1, min(limit, _MOST)),
        cursor=said.get("cursor", ""),
    )


def _fits(wanted: str, value: str) -> bool:
    if wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    return not wanted or value == wanted


def _words(record: ChainedRecord) -> str:
    values = msgspec.json.encode(record.data).decode()
    return f"{record.by}\n{record.action}\n{record.target}\n{values}".casefold()


def _moment(text: str) -> datetime | None:
    """The moment of ``1h`` (ago) or of an RFC 3339 time."""
    if not text:
        return None
    try:
        if text[:1].isdigit() and "T" not in text.upper():
            return now() - timedelta(seconds=parse_duration(text))
        return parse_time(text)
    except BadUnit as error:
        raise BadPayload(f"{text!r:.40} is no time", hint="write 1h, or a time") from error


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadPayload(f"{what} {text!r:.40} is no number")
    return int(text)
