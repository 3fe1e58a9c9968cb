"""A learner that remembers all it was told, and a process that tells it: `collecting.py URL …`."""

import asyncio
import json
import sys
from datetime import UTC, datetime

from pepperpy import connect
from pepperpy_bus.link.connection import Connection
from pepperpy_capabilities.learning.states import Keeper, Once
from pepperpy_schemas.errors import BadExample


class Collected:
    """All it was told, in the order in which it heard it."""

    def __init__(self, state: bytes | None = None) -> None:
        self.words: list[str] = json.loads(state) if state else []

    def save(self) -> bytes:
        return json.dumps(self.words).encode()

    def add(self, word: str) -> int:
        if not word:
            raise BadExample("it is empty")
        self.words.append(word)
        return len(self.words)


def keeping(connection: Connection, prefix: str, *, inline: int = 1 << 16) -> Keeper[Collected]:
    return Keeper(
        connection, prefix, "collected", load=Collected, save=Collected.save, inline=inline
    )


def once(name: str, *, asked: datetime | None = None) -> Once:
    now = datetime.now(UTC)
    return Once(name, asked or now, now)


async def main(url: str, prefix: str, name: str, inline: str, *words: str) -> None:
    """Adds words, some at a time, and prints each that is stored; begins when its input ends."""
    async with (
        connect(url, bus__prefix=prefix) as client,
        keeping(client.connection, prefix, inline=int(inline)) as keeper,
    ):

        async def add(word: str) -> None:
            changed = await keeper.change(name, lambda one: one.add(word), once=once(word))
            print(word, changed.version, changed.before, flush=True)

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for at in range(0, len(words), 3):
            await asyncio.gather(*(add(word) for word in words[at : at + 3]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
