"""The supervisor: keeps children running, and ends them in good order."""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from pepperpy.stack.child import Child, Run
from pepperpy.stack.output import Output
from pepperpy_bus.children import BACK_OFF, Crashes
from pepperpy_schemas.errors import BadConfig

EnvironmentOf = Callable[[Child], Mapping[str, str]]

_SAME_FAULT = 5.0  # seconds between the first copy's end and another's, for the same reason


class Supervisor:
    """Runs children until it is told to stop.

    Args:
        children: What to run.
        environment_of: Gives each child its variables.
        output: Where their lines and our notes go.
        grace: Seconds from SIGTERM to SIGKILL.
        back_off: See `BACK_OFF`.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        environment_of: EnvironmentOf,
        output: Output,
        grace: float,
        back_off: Sequence[float] = BACK_OFF,
    ) -> None:
        self._children = children
        self._environment_of = environment_of
        self._output = output
        self._grace = grace
        self._back_off = back_off
        self._runs: dict[str, Run] = {}
        self._up = False
        self._first_of = _first_copies(children)
        # Until all is up, only the first of several copies is heard: a slip is told once.
        self._unheard: dict[str, list[str]] = {name: [] for name in self._first_of}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failure.add_done_callback(_looked_at)
        output.align(*(child.name for child in children))

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each child that runs, by name."""
        return {name: run.pid for name, run in self._runs.items()}

    def start(self) -> None:
        """Start every child and keep it running."""
        for child in self._children:
            keeping = asyncio.create_task(self._keep(child), name=f"child-{child.name}")
            keeping.add_done_callback(self._kept)
            self._tasks[child.name] = keeping

    def came_up(self) -> None:
        """From now on a child that ends is started again, whatever its exit code."""
        self._up = True
        self._hear(*tuple(self._unheard))

    async def failed(self) -> None:
        """Wait for ever, or until a child cannot be kept running: raise why."""
        await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Let every child drain, kill what is left after the grace."""
        self._stopping.set()
        self._hear(*[name for name in self._unheard if not self._told_by_first(name)])
        for run in self._runs.values():
            run.signal(signal.SIGTERM)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=self._grace)
            if late:
                names = ", ".join(sorted(self._runs))
                self._output.note(f"{names} did not end within {self._grace:g} s: killed")
        await self.kill()

    async def kill(self) -> None:
        """End every child at once."""
        self._stopping.set()
        for run in self._runs.values():
            run.signal(signal.SIGKILL)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        if keeping.cancelled() or self._failure.done():
            return
        if (error := keeping.exception()) is not None:
            self._failure.set_exception(error)

    async def _keep(self, child: Child) -> None:
        crashes = Crashes(self._back_off)
        while not self._stopping.is_set():
            crashes.begin()
            code = await self._run(child)
            if self._stopping.is_set():
                return
            if code > 0 and not self._up:
                if await self._first_fails_too(child):
                    return
                self._hear(child.name)
                # What is wrong from the start is a slip of a person, who is there to mend it.
                raise BadConfig(
                    f"{child.name} ended with exit code {code}: its last lines say why",
                    hint=f"it was: {shlex.join(child.command)}",
                )
            self._hear(child.name)
            if code == 0:
                self._output.note(f"{child.name} has ended; it was told to, and stays down")
                return
            delay = crashes.add()
            self._output.note(f"{child.name} {_how(code)}; it starts again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _first_fails_too(self, child: Child) -> bool:
        """Whether a copy that has failed is no news, for the first of its kind says the same."""
        if child.name not in self._unheard:
            return False
        await asyncio.wait([self._tasks[self._first_of[child.name]]], timeout=_SAME_FAULT)
        return self._told_by_first(child.name)

    def _told_by_first(self, name: str) -> bool:
        first = self._tasks.get(self._first_of[name])
        return (
            first is not None
            and first.done()
            and not first.cancelled()
            and first.exception() is not None
        )

    def _hear(self, *names: str) -> None:
        for name in names:
            for line in self._unheard.pop(name, ()):
                self._output.line(name, line)

    async def _run(self, child: Child) -> int:
        def write(line: str) -> None:
            if child.name in self._unheard:
                self._unheard[child.name].append(line)
            else:
                self._output.line(child.name, line)

        run = Run(child, {**self._environment_of(child), **child.environment}, write)
        await run.start()
        self._runs[child.name] = run
        if self._stopping.is_set():  # told to stop while it was starting
            run.signal(signal.SIGTERM)
        try:
            return await run.ended()
        except BaseException:
            run.signal(signal.SIGKILL)
            raise
        finally:
            del self._runs[child.name]


@contextlib.asynccontextmanager
async def supervised(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    """Drain the children that were started inside the block; kill them when it is cancelled."""
    hurried = False
    try:
        yield supervisor
    except asyncio.CancelledError:
        hurried = True
        raise
    finally:
        try:
            if not hurried:
                await supervisor.stop()
        finally:
            await asyncio.shield(supervisor.kill())


def _first_copies(children: Sequence[Child]) -> dict[str, str]:
    """Return, for each child that has the same command as an earlier one, the first of them."""
    first: dict[tuple[str, ...], str] = {}
    for child in children:
        first.setdefault(child.command, child.name)
    return {c.name: first[c.command] for c in children if first[c.command] != c.name}


def leader_of(pid: int) -> int | None:
    """Return the leader of a process's group, which is how children's children are known."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _looked_at(failure: asyncio.Future[None]) -> None:
    """Nobody may wait for it any more when the stack is stopping."""
    if not failure.cancelled():
        failure.exception()


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
