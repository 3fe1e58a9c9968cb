"""The dead letter of a task that is given up."""

import contextlib

import msgspec

from pepperpy_agents.attempt import Attempt
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import claim_check
from pepperpy_bus.tasks.deadletters import write_letter
from pepperpy_bus.units import now
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import ErrorInfo, NotFound, TooLarge
from pepperpy_schemas.messages import AttemptRecord
from pepperpy_schemas.states import TaskState

MAX_ERROR = 32 * 1024
"""Bytes above which an error is cut down to its code and the beginning of its message."""
MAX_MESSAGE = 2000
"""Characters of the message that are kept then."""


async def file_letter(client: Client, attempt: Attempt, error: ErrorInfo, instance: str) -> int:
    """Files the dead letter of a task; returns its place in their stream."""
    delivery = attempt.task.delivery
    letter = write_letter(
        attempt.task.id,
        attempt.task.topic,
        error,
        body=delivery.body,
        headers=delivery.headers,
        attempts=_attempts(attempt, error, instance),
        deliveries=delivery.deliveries,
    )
    try:
        return await client.dead_letters.put(letter)
    except TooLarge:
        # What fitted as a body need not fit inside JSON: it goes by reference.
        ours = {k: v for k, v in letter.headers.items() if k.startswith("pp-")}
        text, headers = await claim_check(client.connection, client.prefix, delivery.body, ours, 0)
        letter = msgspec.structs.replace(
            letter, body=text.decode(), body_base64=None, headers=headers
        )
        return await client.dead_letters.put(letter)


async def withdraw_letter(client: Client, task_id: str, seq: int) -> None:
    """Takes a dead letter back when the task has ended well after all.

    The letter is filed before the result, so that no failed task is without one. An attempt that
    was given up for lost may write the task's one result in between.
    """
    last = await client.results.get(task_id)
    if last is not None and last.result.state in (TaskState.COMPLETED, TaskState.CANCELED):
        with contextlib.suppress(NotFound):
            await client.dead_letters.drop(seq)


def shorten(info: ErrorInfo) -> ErrorInfo:
    """Returns an error that fits into a journal, an event and a dead letter."""
    if len(encode(info)) <= MAX_ERROR:
        return info
    message = info.message[:MAX_MESSAGE] + ("…" if len(info.message) > MAX_MESSAGE else "")
    return msgspec.structs.replace(info, message=message, hint="", context={}, cause=None)


def with_last(
    known: list[AttemptRecord], number: int, error: ErrorInfo, instance: str = ""
) -> list[AttemptRecord]:
    """Returns the attempts that left a trace, and the last one with what it ended with."""
    if known and known[-1].attempt == number and known[-1].error is not None:
        return known
    last = AttemptRecord(number, now(), instance, error)
    return [*(one for one in known if one.attempt != number), last]


def _attempts(attempt: Attempt, error: ErrorInfo, instance: str) -> list[AttemptRecord]:
    known = attempt.journal.history.attempts() if attempt.journal is not None else []
    return with_last(known, max(1, attempt.number), error, instance)
