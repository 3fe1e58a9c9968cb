"""Waiting without a slot: questions to people, children, and time."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from pepperpy_agents.durable.replay import Replay, Suspended
from pepperpy_agents.handler import decode_as
from pepperpy_bus.bodies import to_json
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import claim_check, redeem
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.tasks.journal import Journal, batches
from pepperpy_bus.tasks.waits import Over, Waits
from pepperpy_bus.units import Duration, now, parse_duration
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import (
    BadConfig,
    ChildFailed,
    HandlerError,
    NoAnswer,
    error_from_info,
)
from pepperpy_schemas.headers import BLOB
from pepperpy_schemas.jsonschema import schema_of
from pepperpy_schemas.messages import EndedEntry, JournalEntry, Result, WaitedEntry, WaitEntry


class _Missing:
    """No default: unlike None, which is an answer."""

    def __repr__(self) -> str:
        return "no default"


NO_DEFAULT: Final = _Missing()


class Waiting:
    """What one attempt may wait for.

    Args:
        replay: The attempt's way through the journal.
        client: The client.
        waits: Where outcomes are looked up.
        clock: The server's clock.
    """

    def __init__(self, replay: Replay, client: Client, waits: Waits, clock: ServerClock) -> None:
        self._replay = replay
        self._client = client
        self._waits = waits
        self._clock = clock
        self._questions = 0
        self._parking = asyncio.Lock()

    async def ask(
        self,
        text: str,
        *,
        choices: Sequence[Any] = (),
        deadline: Duration | datetime | None = None,
        default: Any = NO_DEFAULT,
        remind: Duration | None = None,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
    ) -> Any:
        """Asks people and returns the answer; see `Context.ask`."""
        n = self._replay.place()
        self._questions += 1
        allowed = list(choices)
        if default is not NO_DEFAULT and allowed and default not in allowed:
            raise BadConfig(f"default {default!r:.80} of {text!r:.80} is none of the choices")
        if default is not NO_DEFAULT and deadline is None:
            raise BadConfig(
                f"question {text!r:.80} has a default, which counts only from a deadline on",
                hint='give it one, for example deadline="2d"',
            )

        def wait() -> WaitEntry:
            return WaitEntry(
                self._replay.attempt,
                n,
                "answer",
                self._clock.now(),
                question=self._questions,
                text=text,
                choices=allowed,
                deadline=self._moment(deadline),
                default=msgspec.Raw(to_json(None if default is NO_DEFAULT else default)),
                has_default=default is not NO_DEFAULT,
                remind=0.0 if remind is None else parse_duration(remind),
                # What it is decoded into later: an answer that does not fit must end no wait.
                schema=None if type is Any else schema_of(type),
            )

        over = await self._wait(n, "answer", wait)
        if over.how == "deadline" and default is NO_DEFAULT:
            raise NoAnswer(f"nobody answered {text!r:.200} in time")
        return decode_as(over.data, type)

    async def children(
        self, ids: Sequence[str], *, first: bool = False, timeout: Duration | None = None
    ) -> list[Result | None]:
        """Returns the ends of children in the order of their ids.

        Args:
            ids: The children.
            first: Return as soon as one has ended, with None for the others.
            timeout: Return after this long at the latest, with None for those that have not ended.
        """
        n = self._replay.place()
        children = list(ids)

        def wait() -> WaitEntry:
            return WaitEntry(
                self._replay.attempt,
                n,
                "children",
                self._clock.now(),
                children=children,
                first=first,
                deadline=self._moment(timeout),
            )

        over = await self._wait(n, "children", wait)
        if over.how == "deadline":
            return [None] * len(children)
        return decode(over.data, list[Result | None])

    async def sleep(self, duration: Duration) -> None:
        """Waits for a time; see `Context.sleep`."""
        n = self._replay.place()
        seconds = parse_duration(duration)

        def wait() -> WaitEntry:
            start = self._clock.now()
            end = start + timedelta(seconds=seconds)
            return WaitEntry(self._replay.attempt, n, "time", start, deadline=end)

        await self._wait(n, "time", wait)

    async def _wait(self, n: int, what: Literal["answer", "children", "time"], begin: Any) -> Over:
        """Returns how the wait at a place ended; ends the attempt while it lasts."""
        replay, task = self._replay, self._replay.task
        there = replay.find(n, WaitEntry, what)
        ended = replay.history.outcome(n)
        if ended is not None:
            await replay.turn(n)
            return await self._read(ended)
        wait: WaitEntry = there or begin()
        with replay.doing(step=False):
            # What is there already costs no suspension: children may have been quick.
            over = await self._waits.outcome(task.id, task.topic, wait, replay.history)
            if over is not None:
                journal = await replay.journal()
                if there is None:
                    await journal.append(wait)
                await journal.append(await waited_entry(self._client, replay.attempt, wait, over))
                return over
        await self._park(wait)
        raise Suspended(wait)

    async def _park(self, wait: WaitEntry) -> None:
        """Writes what the task waits for as the last word of its attempt.

        Whoever may wake the task looks at the end of its journal: first comes what other branches
        are amid, and of several that wait, one is waited for. The others are come to again then.
        """
        replay = self._replay
        journal = await replay.journal()
        await replay.quiet()
        async with self._parking:
            if replay.suspended is not None:
                raise Suspended(replay.suspended)
            await journal.append(msgspec.structs.replace(wait, attempt=replay.attempt))
            replay.suspended = wait

    async def _read(self, ended: WaitedEntry) -> Over:
        data = bytes(ended.data)
        if ended.blob:
            client = self._client
            data = await redeem(client.connection, client.prefix, data, {BLOB.lower(): ended.blob})
        return Over(ended.how, data, ended.by)

    def _moment(self, deadline: Duration | datetime | None) -> datetime | None:
        if deadline is None or isinstance(deadline, datetime):
            return deadline
        return self._clock.now() + timedelta(seconds=parse_duration(deadline))


async def waited_entry(client: Client, attempt: int, wait: WaitEntry, over: Over) -> WaitedEntry:
    """Returns the line of the journal that ends a wait."""
    data, fields = await claim_check(
        client.connection, client.prefix, over.data, {}, client.settings.bus.blob_threshold
    )
    return WaitedEntry(
        attempt, wait.n, now(), over.how, msgspec.Raw(data), fields.get(BLOB, ""), over.by
    )


async def keep_ends(client: Client, waits: Waits, journal: Journal, wait: WaitEntry) -> None:
    """Writes down how children have ended whose results may expire before the wait is over.

    Raises:
        Fenced: Another worker has the task.
    """
    entries: list[JournalEntry] = []
    for child, result in (await waits.ends(wait, journal.history)).items():
        data, fields = await claim_check(
            client.connection, client.prefix, encode(result), {}, client.settings.bus.blob_threshold
        )
        entries.append(EndedEntry(wait.n, now(), child, msgspec.Raw(data), fields.get(BLOB, "")))
    for batch in batches(entries):
        await journal.adopt(batch)


def child_value(child_id: str, result: Result, type: Any = Any) -> Any:  # noqa: A002 - as above
    """Returns what a child returned.

    Raises:
        ChildFailed: It failed; the cause is its error.
    """
    if result.ok:
        return decode_as(bytes(result.data), type)
    if result.error is None:
        cause: Exception = HandlerError(f"task {child_id} failed and did not say why")
    else:
        cause = error_from_info(result.error)
    raise ChildFailed(f"child {child_id} failed: {cause}") from cause
