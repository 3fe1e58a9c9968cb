"""One MCP server in one event loop: started when needed, again when it has died, and ended."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pepperpy_agents.mcp.declared import MCPServer
from pepperpy_agents.mcp.described import LONGEST_WORD, Described, clean
from pepperpy_agents.mcp.listing import Pinned, listed
from pepperpy_agents.mcp.results import value_of
from pepperpy_bus.children import Crashes
from pepperpy_bus.logs import get_log
from pepperpy_bus.redaction import scrub
from pepperpy_bus.units import parse_duration
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import (
    BadConfig,
    NotFound,
    PepperError,
    ToolFailed,
    Unavailable,
)

if TYPE_CHECKING:
    from mcp import Client

log = get_log("pepperpy.mcp")

_SHOWN: Final = 500
_GONE: Final = ("Connection closed", "Session terminated")
"""What the library says of a session that has ended; its code is one that servers use, too."""

Tell = Callable[[float, str], Awaitable[None]]


class Connection:
    """The session with a server, which all agents of this loop share.

    Args:
        name: The server.
        server: Where it is.
    """

    def __init__(self, name: str, server: MCPServer) -> None:
        self.name = name
        self.server = server
        self.timeout = parse_duration(server.timeout)
        self._holders: set[object] = set()
        self._opening = asyncio.Lock()
        self._owner: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._over = asyncio.Event()
        self._crashes = Crashes()
        self._not_before = 0.0
        self._pinned = Pinned()
        self._said: set[str] = set()

    # --- life -----------------------------------------------------------------------------------

    def hold(self, holder: object) -> None:
        """Keeps the server up until everybody who holds it has left it."""
        self._holders.add(holder)

    async def leave(self, holder: object) -> None:
        """Ends the server when nobody else holds it."""
        self._holders.discard(holder)
        if not self._holders:
            await self.close()

    async def close(self) -> None:
        """Ends the server with its children; the next call would start it again."""
        owner, self._owner = self._owner, None
        self._over.set()
        if owner is not None:
            if self._client is None:
                owner.cancel()  # it has not answered, and may never do
            await asyncio.wait([owner])
        self._crashes, self._not_before, self._pinned = Crashes(), 0.0, Pinned()

    async def _opened(self) -> "Client":
        """The session, begun anew when there is none: later each time that it ended at once.

        Raises:
            Unavailable: The server does not start, or does not answer.
        """
        async with self._opening:
            if self._client is not None and not self._over.is_set():
                return self._client
            if self._owner is not None:
                self._over.set()
                await asyncio.wait([self._owner])
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            up: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
            self._over, self._client = asyncio.Event(), None
            self._crashes.begin()
            self._owner = asyncio.create_task(self._own(up, self._over), name=f"mcp-{self.name}")
            try:
                async with asyncio.timeout(parse_duration(self.server.connect_timeout)):
                    self._client = await up
            except TimeoutError:
                raise Unavailable(f"the MCP server {self.name} did not answer in time") from None
            finally:
                if self._client is None:
                    self._owner.cancel()
            return self._client

    async def _own(self, up: "asyncio.Future[Client]", over: asyncio.Event) -> None:
        """Opens the session and closes it: the library wants both from one task."""
        from pepperpy_agents.mcp.dialing import dialed

        try:
            async with dialed(self.name, self.server, over) as client:
                if not up.done():
                    up.set_result(client)
                await over.wait()
        except Exception as error:
            why = _leaf(error)
            log.warning("mcp.failed", server=self.name, error=f"{type(why).__name__}: {why}")
            if not up.done():
                up.set_exception(_unavailable(self.name, why))
        finally:
            over.set()
            self._not_before = time.monotonic() + self._crashes.add()
            up.cancel()

    # --- tools ----------------------------------------------------------------------------------

    async def tools(self) -> list[Described]:
        """Returns the server's tools, as it described them when this worker first asked.

        What it describes otherwise by now, and what is new, is left out and said in the log: an
        agent calls what somebody has looked at, and nothing that was put in its place.

        Raises:
            PepperError: The server does not answer.
        """
        async with self._asking() as client:
            found = await listed(self.name, client, self._say)
        return self._pinned.kept(found, self._say)

    async def call(self, tool: str, arguments: dict[str, Any], tell: Tell | None) -> Any:
        """Returns what a tool of the server returned.

        A call whose answer is lost is not made again: it may have done its work.

        Args:
            tool: Its name over there.
            arguments: Its arguments.
            tell: Tells how far it is, as the server says.

        Raises:
            ToolFailed: The tool, or its server, says that it failed.
            Unavailable: The server is not there, or has left during the call.
        """
        import mcp_types as types

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            if tell is not None:
                share = min(1.0, max(0.0, progress / total)) if total else 0.0
                await tell(share, clean(message or f"{progress:g}", LONGEST_WORD))

        request = types.CallToolRequest(
            params=types.CallToolRequestParams(name=tool, arguments=arguments)
        )
        # Not `call_tool`: that checks results by the server's own schema, with patterns that may
        # take for ever.
        async with self._asking() as client:
            result = await client.session.send_request(
                request, types.CallToolResult, progress_callback=progressed
            )
        return value_of(result)

    @contextlib.asynccontextmanager
    async def _asking(self) -> "AsyncIterator[Client]":
        """Gives the session, and makes what goes wrong there an error of ours."""
        from mcp import MCPError
        from pydantic import ValidationError

        client = await self._opened()
        over = self._over
        try:
            yield client
        except PepperError:
            raise
        except ValidationError:
            raise ToolFailed(
                f"the MCP server {self.name} answered with what the protocol does not have, "
                "or wants to be asked in another way"
            ) from None
        except MCPError as error:
            if error.message not in _GONE:
                said = scrub(clean(error.message, _SHOWN))
                raise ToolFailed(f"the MCP server {self.name} says: {said}") from None
            over.set()
            raise _unavailable(self.name, error) from None
        except Exception as error:
            over.set()
            raise _unavailable(self.name, _leaf(error)) from error

    def _say(self, fact: str, event: str, **more: Any) -> None:
        """Logs something once."""
        if fact not in self._said:
            self._said.add(fact)
            log.warning(event, server=self.name, **more)


_connections: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bytes, Connection]]" = (
    WeakKeyDictionary()
)


def connection_to(name: str, server: MCPServer) -> Connection:
    """Returns the connection to a server that everybody in this event loop shares."""
    known = _connections.setdefault(asyncio.get_running_loop(), {})
    return known.setdefault(encode([name, server]), Connection(name, server))


def _leaf(error: BaseException) -> BaseException:
    """The error within groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _unavailable(name: str, error: BaseException) -> PepperError:
    if isinstance(error, BadConfig | NotFound):
        return error
    return Unavailable(f"the MCP server {name} is away: {type(error).__name__}")
