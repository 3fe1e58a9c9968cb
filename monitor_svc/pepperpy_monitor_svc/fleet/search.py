"""Finding tasks: sieve by sieve, then the newest of those that are left."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from pepperpy_monitor_svc.fleet.record import Record
from pepperpy_monitor_svc.fleet.rows import row
from pepperpy_monitor_svc.fleet.tasks import Tasks
from pepperpy_schemas.monitor import TaskPage, TaskQuery

Records = list[Record]
Sieve = Callable[[Records], Records]
_Key = tuple[float, str]

_SEPARATOR: Final = "~"


def search(tasks: Tasks, query: TaskQuery) -> TaskPage:
    """Returns a page of the tasks that fit a query, those that came last first.

    The order is by when a task was first known, then by its id: it does not change while pages are
    turned, and tasks that come meanwhile stand before the first page. ``by_state`` counts what fits
    but for the state that is asked for.
    """
    fits = list(tasks)
    for sieve in _sieves(query):
        fits = sieve(fits)
    by_state = Counter([one.state for one in fits])
    if query.state:
        wanted = frozenset(query.state)
        fits = [one for one in fits if one.state in wanted]
    total = len(fits)
    if (after := _cursor(query.cursor)) is not None:
        fits = [one for one in fits if one.first <= after[0] and _key(one) < after]
    newest = _newest(fits, query.limit + 1)
    page = newest[: query.limit]
    more = len(newest) > len(page)
    return TaskPage(
        items=[row(record, tasks.children(record.id)) for record in page],
        next=_written(page[-1]) if more else None,
        total=total,
        by_state=dict(by_state),
    )


def _newest(records: Records, count: int) -> Records:
    """The first so many in the order of a page, without putting all of them in order."""
    if len(records) > count:
        # They come almost in order, so that their times are sorted in one go.
        oldest = sorted([one.first for one in records])[-count]
        records = [one for one in records if one.first >= oldest]
    return sorted(records, key=_key, reverse=True)[:count]


def _sieves(query: TaskQuery) -> list[Sieve]:
    """The conditions of a query, those that are cheap and let little through before the others."""
    sieves: list[Sieve] = []
    if root := query.root:
        sieves.append(lambda ones: [one for one in ones if root in (one.root, one.id)])
    if parent := query.parent:
        sieves.append(lambda ones: [one for one in ones if one.parent == parent])
    if fingerprint := query.fingerprint:
        sieves.append(lambda ones: [one for one in ones if one.fingerprint == fingerprint])
    if code := query.code:
        sieves.append(lambda ones: [one for one in ones if one.code == code])
    if source := query.source:
        sieves.append(lambda ones: [one for one in ones if one.source == source])
    if query.topic.endswith("*"):
        beginning = query.topic[:-1]
        sieves.append(lambda ones: [one for one in ones if one.topic.startswith(beginning)])
    elif topic := query.topic:
        sieves.append(lambda ones: [one for one in ones if one.topic == topic])
    if worker := query.agent:
        of_agent = _Known(lambda name: name == worker or name.startswith(f"{worker}/"))
        sieves.append(lambda ones: [one for one in ones if of_agent[one.worker]])
    if query.since is not None:
        since = query.since.timestamp()
        sieves.append(lambda ones: [one for one in ones if one.last >= since])
    if query.until is not None:
        until = query.until.timestamp()
        sieves.append(lambda ones: [one for one in ones if one.first < until])
    if text := query.text.casefold():
        sieves.append(_with_text(text))
    return sieves


class _Known(dict[str, bool]):
    """Whether a name fits, found out once for all tasks that have it."""

    def __init__(self, fits: Callable[[str], bool]) -> None:
        self._fits = fits

    def __missing__(self, name: str) -> bool:
        found = self[name] = self._fits(name)
        return found


def _with_text(text: str) -> Sieve:
    names = _Known(lambda name: text in name.casefold())
    return lambda ones: [
        one
        for one in ones
        if names[one.topic]
        or names[one.worker]
        or names[one.source]
        or names[one.code]
        or text in one.id.casefold()
        or (one.message and text in one.message.casefold())
    ]


def _key(record: Record) -> _Key:
    return record.first, record.id


def _written(record: Record) -> str:
    return f"{record.first.hex()}{_SEPARATOR}{record.id}"


def _cursor(text: str) -> _Key | None:
    """The place that a cursor names; None for the beginning, also where it cannot be read."""
    first, found, task_id = text.partition(_SEPARATOR)
    try:
        return (float.fromhex(first), task_id) if found else None
    except (ValueError, OverflowError):
        return None
