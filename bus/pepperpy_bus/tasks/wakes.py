"""Wakes: how a suspended task is told that it may go on.

A wake carries nothing: whoever takes it reads the task's journal and looks whether what it waits
for is there. So a wake may come twice or in vain, and one that is lost is made good by a look from
time to time, which the server's schedules set off.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.consumers import resume_consumer
from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import last_as_stored
from pepperpy_bus.tasks.history import unfold
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.tasks.schedules import forget_wake
from pepperpy_schemas import headers as h
from pepperpy_schemas.catalog.tasks import RESUME, STEP
from pepperpy_schemas.errors import BadName, NotFound, WrongSequence
from pepperpy_schemas.messages import EndedEntry, ReleaseEntry, Resume, WaitEntry
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.waits")

_PAUSE: Final = 0.02
"""Seconds before a refused wake is stored again; each next pause is twice as long."""
_TRIES: Final = 8
"""With the pauses between them 2.5 s: longer than an acknowledgement takes in a cluster."""


async def wake(
    connection: Connection, prefix: str, *, topic: str, task_id: str, resume: Resume
) -> None:
    """Wakes a suspended task; one that is being woken is not woken a second time.

    A wake is refused while another one is in the queue. Whoever has that one looks again when it is
    acknowledged, so it stands for this one, unless it is acknowledged already: in a cluster a
    message leaves its work queue some time later. There it is tried again, until this wake is
    stored or another one has been since the first refusal.
    """
    subject = RESUME.of(prefix, topic=topic, id=task_id)
    body, stream = RESUME.encode(resume), stream_name(prefix, RESUME.stream)
    in_the_way = 0
    for one in range(_TRIES):
        if one:
            await asyncio.sleep(_PAUSE * 2 ** (one - 1))
        try:
            # On a work queue this says: no such message waits or is being worked on.
            await store(connection, subject, body, msg_id=new_id(), expect_last=0)
        except WrongSequence:
            there = await last_as_stored(connection, stream, subject)
            if there is None:
                continue
            if in_the_way and there.seq > in_the_way:
                break
            in_the_way = there.seq
            if await _will_be_looked_at(connection, prefix, topic, there.seq):
                break
        else:
            return
    log.debug("waits.woken_already", task_id=task_id)


async def _will_be_looked_at(connection: Connection, prefix: str, topic: str, seq: int) -> bool:
    """Whether a wake that is in the queue is certainly not acknowledged yet."""
    stream, consumer = stream_name(prefix, RESUME.stream), resume_consumer(prefix, topic)["name"]
    try:
        info = await api(connection, f"CONSUMER.INFO.{stream}.{consumer}")
    except NotFound:
        return True  # no worker of the topic has ever run
    return seq > int(info["delivered"]["stream_seq"]) or not _is_replicated(info)


def _is_replicated(consumer: Mapping[str, Any]) -> bool:
    return bool((consumer.get("cluster") or {}).get("replicas"))


async def wake_parent(
    connection: Connection, prefix: str, child_id: str, headers: Mapping[str, str]
) -> None:
    """Tells a task's end to its parent, if that waits for it.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        child_id: The task that has ended.
        headers: Its headers, names in lower case.
    """
    target = headers.get(h.REPLY_TO.lower(), "")
    if not target:
        return
    try:
        parent = RESUME.parse(prefix, target)
        wait = await current_wait(connection, prefix, parent["id"])
    except BadName:
        log.warning("waits.bad_reply_to", task_id=child_id, reply_to=target[:120])
        return
    if wait is not None and child_id in wait.children:
        resume = Resume("child", n=wait.n, child=child_id)
        await wake(connection, prefix, topic=parent["topic"], task_id=parent["id"], resume=resume)


async def current_wait(connection: Connection, prefix: str, task_id: str) -> WaitEntry | None:
    """Returns what a task waits for, as the leader of the journals knows it; None while it runs.

    Raises:
        BadName: There can be no task of this id.
    """
    # Its leader's: a replica may not have the wait yet.
    subject = STEP.of(prefix, id=task_id)
    last = await last_as_stored(connection, stream_name(prefix, "STEPS"), subject)
    # It waits as long as its journal ends with the wait, or with what is said of a wait.
    entry = unfold(STEP.decode(last.body))[-1] if last is not None else None
    if isinstance(entry, EndedEntry | ReleaseEntry):
        journal = Journal(connection, prefix, task_id, "")
        await journal.read()
        return journal.history.open_wait
    return entry if isinstance(entry, WaitEntry) else None


async def forget_task_wake(connection: Connection, prefix: str, task_id: str) -> None:
    """Takes the wake of a task back that needs none any more."""
    await forget_wake(connection, prefix, wake_name(task_id))


def wake_name(task_id: str) -> str:
    """Returns the name of a task's wake among the schedules; ids may be as long as a name."""
    return f"wake-{hashlib.blake2b(task_id.encode(), digest_size=16).hexdigest()}"
