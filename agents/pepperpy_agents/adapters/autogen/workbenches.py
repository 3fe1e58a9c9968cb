"""The tools inside of agents and teams, guarded.

AutoGen tells of a call when it runs already, and in a team later still. So the workbenches of an
agent are exchanged for such as ask first whether a call may be made, in the run that it is in.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any

from autogen_core import CancellationToken
from autogen_core.tools import (
    StaticStreamWorkbench,
    StaticWorkbench,
    TextResultContent,
    ToolResult,
    ToolSchema,
    Workbench,
)

from pepperpy_agents.adapters.autogen.tools import OurTool
from pepperpy_agents.adapters.autogen.watching import watching
from pepperpy_schemas.errors import BadConfig


def guard(runner: Any, needs: Iterable[str]) -> None:
    """Guards the tools of an agent, of a team, and of what these have inside.

    Args:
        runner: The agent or team; what is guarded already stays so.
        needs: Names of the tools of which it is said what they need.

    Raises:
        BadConfig: A tool that needs something is none that can be guarded.
    """
    known: set[str] = set()
    changing = False
    for agent in _within(runner, set()):
        benches = getattr(agent, "_workbench", None)
        if not isinstance(benches, list):
            continue
        benches[:] = [_guarded(one) for one in benches]
        known.update(tool.name for one in benches for tool in _static(one))
        changing = changing or any(not isinstance(one, StaticWorkbench) for one in benches)
    unknown = sorted(set(needs) - known)
    if unknown and not changing:
        raise BadConfig(
            f"no agent here has a tool {', '.join(unknown)} that can be guarded",
            hint=f"there are: {', '.join(sorted(known)) or 'none'}",
        )


def _within(runner: Any, seen: set[int]) -> Iterator[Any]:
    """An agent or a team, and all agents inside of it."""
    if runner is None or id(runner) in seen:
        return
    seen.add(id(runner))
    yield runner
    inner = [getattr(runner, name, None) for name in ("_team", "_wrapped_agent")]
    inner += getattr(runner, "_participants", ())
    for bench in getattr(runner, "_workbench", None) or ():
        inner += [getattr(tool, "_task_runner", None) for tool in _static(bench)]
    for one in inner:
        yield from _within(one, seen)


def _static(bench: Any) -> list[Any]:
    return list(bench._tools) if isinstance(bench, StaticWorkbench) else []


def _guarded(bench: Workbench) -> Workbench:
    if isinstance(bench, GuardedTools | GuardedWorkbench):
        return bench
    if isinstance(bench, StaticWorkbench):
        return GuardedTools(bench)
    return GuardedWorkbench(bench)


class GuardedTools(StaticStreamWorkbench):
    """Tools that an agent has once and for all.

    Args:
        bench: What held them.
    """

    component_provider_override = "autogen_core.tools.StaticStreamWorkbench"

    def __init__(self, bench: StaticWorkbench) -> None:
        super().__init__(bench._tools, bench._tool_overrides)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Calls a tool, when it may be called."""
        result: ToolResult | None = None
        async for piece in self.call_tool_stream(name, arguments, cancellation_token, call_id):
            result = piece
        assert isinstance(result, ToolResult), "the last piece is the result"
        return result

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Calls a tool, when it may be called, and yields what it tells and last its result.

        A tool may have another name for models; what it needs is said of its own.
        """
        name = self._override_name_to_original.get(name, name)
        calling = super().call_tool_stream(name, arguments, cancellation_token, call_id)
        watched = watching()
        if watched is None:
            async for piece in calling:
                yield piece
            return
        ours = any(one.name == name and isinstance(one, OurTool) for one in self._tools)
        try:
            async with (
                contextlib.aclosing(calling) as calls,
                watched.call(name, arguments or {}, call_id, ours=ours) as call,
            ):
                async for piece in calls:
                    if isinstance(piece, ToolResult):
                        call.failed = piece.is_error
                    yield piece
        except Exception as error:
            yield _failed(name, str(error))
        except asyncio.CancelledError:
            if cancellation_token is None or not cancellation_token.is_cancelled():
                raise
            yield _failed(name, "it was canceled")


class GuardedWorkbench(Workbench):
    """Tools that are found while an agent works: those of a server.

    Args:
        bench: What has them.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    async def list_tools(self) -> list[ToolSchema]:
        """Returns what tools there are now."""
        return await self._bench.list_tools()

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Calls a tool, when it may be called."""
        watched = watching()
        if watched is None:
            return await self._bench.call_tool(name, arguments, cancellation_token, call_id)
        try:
            async with watched.call(name, arguments or {}, call_id, ours=False) as call:
                result = await self._bench.call_tool(name, arguments, cancellation_token, call_id)
                call.failed = result.is_error
                return result
        except Exception as error:
            return _failed(name, str(error))
        except asyncio.CancelledError:
            if cancellation_token is None or not cancellation_token.is_cancelled():
                raise
            return _failed(name, "it was canceled")

    async def start(self) -> None:
        """Begins what the tools need."""
        await self._bench.start()

    async def stop(self) -> None:
        """Ends it."""
        await self._bench.stop()

    async def reset(self) -> None:
        """Makes it what it was at first."""
        await self._bench.reset()

    async def save_state(self) -> Mapping[str, Any]:
        """Returns its state."""
        return await self._bench.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state."""
        await self._bench.load_state(state)


def _failed(name: str, said: str) -> ToolResult:
    # Whatever a workbench raises lets AutoGen's agent wait for ever, a cancellation, too. After
    # one, it ends at its next question to a model: the token is canceled there as well.
    return ToolResult(name=name, result=[TextResultContent(content=said)], is_error=True)
