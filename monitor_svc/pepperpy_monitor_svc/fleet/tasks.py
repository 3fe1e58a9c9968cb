"""The tasks that are kept: found by id, weighed, and let go when they weigh too much."""

import sys
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

from pepperpy_monitor_svc.fleet.record import ENDS, FAILURES, OPEN, Record

_BASE: Final = 640
"""Bytes of a record with its numbers and its place in the tables, as measured."""
_SPENT: Final = 240
_UNDERWAY: Final = 320
_TOPIC: Final = 720
_TEXT: Final = 49
_PLACED: Final = 1 << 6
"""In `Record.counted`, beside what facts count: its topic is known, and has it in its sums."""


class Shelf:
    """Tasks of one kind; those that were put there first, or not touched for longest, go first.

    Attributes:
        tasks: The tasks by id.
        bytes: Their size, estimated.
        evicted: How many had to go.
    """

    __slots__ = ("bytes", "evicted", "tasks")

    def __init__(self) -> None:
        self.tasks: OrderedDict[str, Record] = OrderedDict()
        self.bytes = 0
        self.evicted = 0

    def put(self, record: Record) -> None:
        """Takes a task in."""
        self.tasks[record.id] = record
        self.bytes += record.cost

    def take(self, record: Record) -> None:
        """Gives a task away."""
        del self.tasks[record.id]
        self.bytes -= record.cost


class Sums:
    """How many tasks of a topic are kept.

    Attributes:
        states: How many are in which state.
        letters: How many lie among the dead letters.
    """

    __slots__ = ("letters", "states")

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.letters = 0

    def shown(self) -> dict[str, int]:
        """Returns the states that any task is in."""
        return {state: count for state, count in self.states.items() if count}


class Tasks:
    """All tasks that are kept, no more than a number of bytes.

    A quarter of the room is for tasks that completed, or were canceled, and a quarter for those
    that failed or were rejected; either may use what the others leave. So failures, which are few,
    stay far longer than successes. Tasks without an end go last.

    Args:
        limit: Most bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open, self.done, self.failed = Shelf(), Shelf(), Shelf()
        self.states = dict.fromkeys((*OPEN, *ENDS.values()), 0)
        self.letters = 0
        self.topics: dict[str, Sums] = {}
        self._children: Counter[str] = Counter()
        self._shelves = {
            **dict.fromkeys(OPEN, self.open),
            **{end: self.failed if end in FAILURES else self.done for end in ENDS.values()},
        }

    @property
    def bytes(self) -> int:
        """What is kept, estimated."""
        records = self.open.bytes + self.done.bytes + self.failed.bytes
        return records + _TOPIC * len(self.topics)

    def __len__(self) -> int:
        return len(self.open.tasks) + len(self.done.tasks) + len(self.failed.tasks)

    def __iter__(self) -> Iterator[Record]:
        for shelf in (self.open, self.done, self.failed):
            yield from shelf.tasks.values()

    def get(self, task_id: str) -> Record | None:
        """Returns a task, or None."""
        return (
            self.open.tasks.get(task_id)
            or self.done.tasks.get(task_id)
            or self.failed.tasks.get(task_id)
        )

    def children(self, task_id: str) -> int:
        """Returns how many tasks that are kept were submitted by this one."""
        return self._children.get(task_id, 0)

    def seen(self, task_id: str, at: float) -> Record:
        """Returns a task, a new one if need be, that something is stored of since this time.

        Whoever takes it changes it, and says so by `changed`; only then it is weighed.
        """
        record = self.get(task_id)
        if record is None:
            record = Record(id=task_id, first=at, last=at)
            self.open.put(record)
            self.states[record.state] += 1
        elif at < record.first:
            record.first = at
        elif at > record.last:
            record.last = at
        return record

    def changed(self, record: Record, before: str, *, parent: str, letter: bool) -> None:
        """Puts a task in its place after something happened to it.

        Args:
            record: The task.
            before: The state that it had before.
            parent: The parent that it had before.
            letter: Whether it had a dead letter before.
        """
        state, weight = record.state, _weight(record)
        shelf, place = self._shelves[before], self._shelves[state]
        grown = weight - record.cost
        if shelf is place:
            record.cost = weight
            shelf.bytes += grown
            if shelf is self.open:
                shelf.tasks.move_to_end(record.id)
        else:
            shelf.take(record)
            record.cost = weight
            place.put(record)
        if state != before:
            self.states[before] -= 1
            self.states[state] += 1
        if record.parent != parent:
            self._children[record.parent] += 1
        if record.letter != letter:
            self.letters += record.letter - letter
        if record.topic and not record.counted & _PLACED:
            self._place(record)
            grown += _TOPIC  # it may be the first of its topic
        elif record.topic and (state != before or record.letter != letter):
            sums = self.topics[record.topic]
            sums.states[before] -= 1
            sums.states[state] += 1
            sums.letters += record.letter - letter
        if grown > 0 and self.bytes > self._limit:
            self._make_room()

    def _place(self, record: Record) -> None:
        """Adds a task to the sums of its topic, which is known from now on."""
        record.counted |= _PLACED
        sums = self.topics.get(record.topic)
        if sums is None:
            sums = self.topics[record.topic] = Sums()
        sums.states[record.state] += 1
        sums.letters += record.letter

    def _make_room(self) -> None:
        while self.bytes > self._limit:
            self._evict(self._fullest())

    def _fullest(self) -> Shelf:
        quarter = self._limit // 4
        for shelf in (self.done, self.failed):
            if shelf.bytes > quarter:
                return shelf
        if self.open.tasks:
            return self.open
        # Each task has a topic of its own, and it is those that take the room.
        return max(self.done, self.failed, key=lambda one: one.bytes)

    def _evict(self, shelf: Shelf) -> None:
        _, record = shelf.tasks.popitem(last=False)
        shelf.bytes -= record.cost
        shelf.evicted += 1
        self.states[record.state] -= 1
        self.letters -= record.letter
        if record.counted & _PLACED:
            sums = self.topics[record.topic]
            sums.states[record.state] -= 1
            sums.letters -= record.letter
            if not sums.states.total():
                del self.topics[record.topic]
        if record.parent:
            self._children[record.parent] -= 1
            if not self._children[record.parent]:
                del self._children[record.parent]


def _weight(record: Record) -> int:
    weight = _BASE + len(record.id) + len(record.parent) + len(record.root)
    if record.message:
        weight += sys.getsizeof(record.message)
    if record.parent:
        weight += 2 * _TEXT
    if record.spent is not None:
        weight += _SPENT
    if record.underway is not None:
        weight += _UNDERWAY + sys.getsizeof(record.underway.asks)
    return weight
