"""A receiver of webhooks, for tests of notifications."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class Hook:
    """What was posted, and how it is answered.

    Attributes:
        url: Its address.
        posts: Headers and body of each post, as they came.
        answers: Statuses of the next answers; 200 when there is none left.
        open: Answers are given while it is set.
    """

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self._came = asyncio.Event()

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.posts]

    def told(self) -> list[tuple[str, list[str]]]:
        """Status and topics of each notification."""
        return [
            (one["status"], [a["labels"].get("topic", "") for a in one["alerts"]])
            for one in self.bodies()
        ]

    async def has(self, number: int) -> None:
        """Waits until so many have come."""
        async with asyncio.timeout(10):
            while len(self.posts) < number:
                self._came.clear()
                await self._came.wait()

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.posts.append((headers, await request.read()))
        self._came.set()
        await self.open.wait()
        status = self.answers.pop(0) if self.answers else 200
        moved = {"Location": "http://127.0.0.1:1/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=moved)


@asynccontextmanager
async def receiving() -> AsyncIterator[Hook]:
    """Receives while its context is open."""
    hook = Hook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    hook.url = f"http://{host}:{port}/hook/s3cret-path"
    try:
        yield hook
    finally:
        hook.open.set()
        await runner.cleanup()
