"""Hearing the inputs of a topic while workers pull them: copies, which nobody settles."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import msgspec

from pepperpy_bus.client import Client
from pepperpy_bus.link.message import Message
from pepperpy_bus.streams.reading import read_directly
from pepperpy_schemas.catalog.tasks import KEYED_TASK, TASK, TASK_BARE
from pepperpy_schemas.errors import BadHeader
from pepperpy_schemas.headers import ID, NO_HEADERS, TaskHeaders, read_task_headers
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import HIGH_LANE, TOKEN

_ID: Final = ID.lower()
_BARE_TOKENS: Final = 3


class LiveInput(msgspec.Struct, frozen=True):
    """A task as it was published.

    Attributes:
        topic: Its topic, without the lane.
        id: Its id; empty when only the server knows it.
        subject: The subject it was published on.
        body: Its body.
        headers: Its headers, names in lower case.
    """

    topic: str
    id: str
    subject: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def said(self) -> TaskHeaders:
        """What its headers say; nothing when they cannot be read."""
        try:
            return read_task_headers(self.headers)
        except BadHeader:
            return NO_HEADERS

    def sampled(self, share: float) -> bool:
        """Whether it belongs to a share of all tasks; the same ones each time."""
        digest = hashlib.blake2b(self.id.encode() or self.body, digest_size=8).digest()
        return int.from_bytes(digest) < share * 2**64


@contextlib.asynccontextmanager
async def hearing(
    client: Client, topic: str, on_input: Callable[[LiveInput], None]
) -> AsyncIterator[None]:
    """Hands every task that is published under a topic to a function, while its context is open.

    Tasks that a schedule submits are published within the server and heard by nobody.

    Args:
        client: The client; it must be allowed to hear tasks, as workers and operators are.
        topic: The topic.
        on_input: Called with each task; it must not block.

    Raises:
        PermissionDenied: It is not.
    """

    def take(message: Message) -> None:
        tokens = message.subject.split(".")
        last = "" if len(tokens) == _BARE_TOKENS else tokens[-1]
        task_id = message.headers.get(_ID) or last
        if not task_id or TOKEN.fullmatch(task_id):
            on_input(LiveInput(topic, task_id, message.subject, message.body, message.headers))

    subjects = [KEYED_TASK.pattern(client.prefix, topic=topic)]
    for lane in (topic, topic + HIGH_LANE):
        subjects.append(TASK_BARE.of(client.prefix, topic=lane))
        subjects.append(TASK.pattern(client.prefix, topic=lane))
    async with contextlib.AsyncExitStack() as stack:
        for subject in subjects:
            heard = await client.connection.subscribe(subject, take, live=True)
            stack.push_async_callback(heard.stop)
        yield


async def id_of(client: Client, live: LiveInput) -> str:
    """Returns a task's id, asking the server when the task does not say it; empty in vain.

    A bare task has its place in the queue for an id. While it is the last one there it can be seen.
    """
    if live.id:
        return live.id
    stream = stream_name(client.prefix, "TASKS")
    last = await read_directly(client.connection, stream, {"last_by_subj": live.subject})
    return f"{stream}-{last.seq}" if last is not None and last.body == live.body else ""
