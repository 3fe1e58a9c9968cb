"""A task as a worker received it: everything but the decoded body."""

from datetime import datetime

import msgspec

from pepperpy_bus.events import Heard
from pepperpy_bus.streams.clock import ServerClock, to_datetime
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.tasks.lanes import as_queued
from pepperpy_schemas.budgets import read_budget
from pepperpy_schemas.errors import BadHeader
from pepperpy_schemas.headers import ID, KEY, NO_HEADERS, TaskHeaders, read_task_headers
from pepperpy_schemas.tokens import TOKEN

_BARE_TOKENS = 3
_KEYED_TOKENS = 6
_AT_ONCE = 0.001
"""Seconds of a request past the deadline."""


class Task(msgspec.Struct, frozen=True):
    """One delivery of one task.

    Attributes:
        id: The task's id.
        topic: The topic it is handled under, without the lane.
        headers: What its headers say.
        chosen: Whether the caller chose the id, so that an earlier result must be looked for.
        delivery: The delivery, to settle it.
        key: Its key as it travels, when it is a keyed task, or empty.
        order: Its place among the tasks of its key, or 0: higher for later ones.
    """

    id: str
    topic: str
    headers: TaskHeaders
    chosen: bool
    delivery: Delivery
    key: str = ""
    order: int = 0

    @property
    def root(self) -> str:
        """Id of the first task of the family."""
        return self.headers.root or self.id

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, to anybody."""
        return self.delivery.deliveries > 1

    @property
    def in_shard(self) -> bool:
        """Whether it was handed out by its shard, which waits until it is settled."""
        return bool(self.key) and self.delivery.subject.count(".") + 1 == _KEYED_TOKENS

    @property
    def carrier(self) -> str:
        """The message that was delivered, as journals name it."""
        return f"{self.delivery.stream}-{self.delivery.seq}"

    @property
    def deadline(self) -> datetime | None:
        """When it must have ended, by the server's clock; None without a deadline."""
        nanoseconds = self.deadline_ns
        return None if nanoseconds is None else to_datetime(nanoseconds)

    @property
    def deadline_ns(self) -> int | None:
        """When it must have ended, nanoseconds by the server's clock; None without a deadline."""
        if not self.headers.timeout_ms:
            return None
        return self.delivery.time_ns + self.headers.timeout_ms * 1_000_000

    def seconds_left(self, clock: ServerClock) -> float | None:
        """Returns the seconds to the deadline, negative when it has passed; None without one."""
        deadline = self.deadline_ns
        return None if deadline is None else (deadline - clock.now_ns()) / 1e9

    def limited(self, seconds: float, clock: ServerClock) -> float:
        """Returns those of these seconds before the deadline; past it, hardly any."""
        left = self.seconds_left(clock)
        return seconds if left is None else max(_AT_ONCE, min(seconds, left))


def read_task(delivery: Delivery, topic: str) -> tuple[Task, BadHeader | None]:
    """Returns the task of a delivery, and what is wrong with its headers if anything is.

    The id is the header, else the subject's last token, else stream and sequence number. One that
    cannot travel in a subject falls back to the latter, so that the refusal has an address.
    """
    wrong: BadHeader | None = None
    headers = NO_HEADERS
    if delivery.headers:
        delivery = as_queued(delivery)
        try:
            headers = read_task_headers(delivery.headers)
            if headers.budget:
                read_budget(headers.budget)
        except BadHeader as error:
            wrong = error
    tokens = delivery.subject.split(".")
    if len(tokens) == _KEYED_TOKENS:
        return _keyed(delivery, topic, headers, tokens[-2:], wrong)
    by_sequence = f"{delivery.stream}-{delivery.seq}"
    if headers.id:
        if TOKEN.fullmatch(headers.id):
            return Task(headers.id, topic, headers, True, delivery), wrong
        wrong = wrong or BadHeader(
            f"{ID} {headers.id!r:.80} is not a valid id",
            hint="use 1 to 64 characters of A-Z a-z 0-9 _ -",
            context={"header": ID},
        )
        return Task(by_sequence, topic, headers, False, delivery), wrong
    if len(tokens) == _BARE_TOKENS:
        return Task(by_sequence, topic, headers, False, delivery), wrong
    if TOKEN.fullmatch(tokens[-1]):
        return Task(tokens[-1], topic, headers, False, delivery), wrong
    return Task(by_sequence, topic, headers, False, delivery), wrong or BadHeader(
        f"the id in subject {delivery.subject!r:.120} is not valid",
        hint="use 1 to 64 characters of A-Z a-z 0-9 _ -",
    )


def _keyed(
    delivery: Delivery,
    topic: str,
    headers: TaskHeaders,
    named: list[str],
    wrong: BadHeader | None,
) -> tuple[Task, BadHeader | None]:
    """A task of a shard: key and id are in its subject, and nowhere else."""
    key, task_id = named
    if not TOKEN.fullmatch(task_id):
        task_id = f"{delivery.stream}-{delivery.seq}"
    if headers.id not in ("", named[1]) or task_id != named[1] or not TOKEN.fullmatch(key):
        key = ""
        wrong = wrong or BadHeader(
            f"key or id in subject {delivery.subject!r:.120} is not valid, or {ID} differs",
            hint="use 1 to 64 characters of A-Z a-z 0-9 _ - for each",
        )
    chosen = bool(headers.id)
    if key and not headers.key:
        # As our own clients send it: so a letter and a journal tell it too.
        fields = {**delivery.headers, KEY.lower(): key}
        message = msgspec.structs.replace(delivery.message, headers=fields)
        delivery = msgspec.structs.replace(delivery, message=message)
        headers = msgspec.structs.replace(headers, key=key)
    return Task(task_id, topic, headers, chosen, delivery, key, delivery.seq), wrong


def event_task(event: Heard, delivery: Delivery) -> Task:
    """Returns an event in the form of a task, for the context of its listener."""
    headers = TaskHeaders(
        root=event.event.correlation, parent=event.id, priority=event.event.priority
    )
    return Task(event.id, event.scope, headers, False, delivery)
