"""Several worker processes from one command, and their restart when a source file changes."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pepperpy_agents.factory.watching import changes, check_can_watch
from pepperpy_agents.probing import Probes
from pepperpy_bus.children import Crashes, die_with_parent
from pepperpy_bus.logs import get_log
from pepperpy_bus.process.health import serve_health

log = get_log("pepperpy.pool")


class Pool:
    """Runs one command in several processes; crashed ones come back, the others drain at the end.

    Args:
        command: The command line of one process.
        size: How many.
        health: Host and port of ``/livez`` and ``/readyz``, which answer for all of them.
    """

    def __init__(
        self, command: Sequence[str], size: int, *, health: tuple[str, int] | None = None
    ) -> None:
        self._command = list(command)
        self._size = size
        self._health = health
        self._probes = Probes()
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._soon = asyncio.Event()
        self._reloading = False

    async def run(self, watch: Sequence[Path] = ()) -> int:
        """Runs until a signal arrives; returns the exit code. Call it in the main thread.

        A pool that is killed takes its processes along: they drain (on Linux).

        Args:
            watch: Folders whose changed files restart the processes: code, agents and templates.

        Returns:
            0 when every process drained, else the first code that was not 0.

        Raises:
            BadConfig: The port of the health checks is taken, or watchfiles is missing.
        """
        if watch:
            check_can_watch()
        async with contextlib.AsyncExitStack() as stack:
            if self._health is not None:
                host, port = self._health
                probes = self._probes
                port = await stack.enter_async_context(
                    serve_health(host, port, live=probes.live, ready=probes.ready)
                )
                log.info("pool.health", host=host, port=port)
            return await self._run(watch)

    async def _run(self, watch: Sequence[Path]) -> int:
        self._on_signals()
        keepers = [
            asyncio.create_task(self._keep(number), name=f"process-{number}")
            for number in range(self._size)
        ]
        watcher = asyncio.create_task(self._reload_on_change(watch), name="reload")
        try:
            codes = await asyncio.gather(*keepers)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            self._signal_all(signal.SIGKILL)
        return next((code for code in codes if code), 0)

    async def _keep(self, number: int) -> int:
        try:
            return await self._keep_running(number)
        finally:
            self._probes.dismiss(number)

    async def _keep_running(self, number: int) -> int:
        crashes = Crashes()
        while True:
            crashes.begin()
            if not self._stopping.is_set():
                self._soon.clear()
            own = self._probes.admit(number) if self._health else {}
            child = await asyncio.create_subprocess_exec(
                *self._command, env={**os.environ, **own}, preexec_fn=die_with_parent()
            )
            self._children[number] = child
            if self._stopping.is_set():
                child.send_signal(signal.SIGTERM)  # told to stop while it was being started
            code = await child.wait()
            del self._children[number]
            if self._stopping.is_set():
                # One that had not begun to work yet dies of the signal, and has lost nothing.
                return 0 if code == -signal.SIGTERM else abs(code)
            if code == 0 and not self._reloading:
                return 0  # it was drained by a command
            if code:
                wait = crashes.add()
                log.error("pool.process_died", number=number, code=code, restart_in=wait)
                if await self._rest(wait):
                    return abs(code)

    async def _rest(self, seconds: float) -> bool:
        """Waits before a process that died comes back; returns whether it is told to stop.

        Who has just mended what it died of does not wait for that.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        return self._stopping.is_set()

    async def _reload_on_change(self, folders: Sequence[Path]) -> None:
        if not folders:
            return
        async for changed in changes(folders):
            log.info("pool.reload", files=sorted(changed))
            self._reloading = True
            self._soon.set()
            children = list(self._children.values())
            self._signal_all(signal.SIGTERM)
            await asyncio.gather(*(child.wait() for child in children))
            self._reloading = False

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            # The second one is passed on too: the children end at once then.
            self._stopping.set()
            self._soon.set()
            self._signal_all(signal.SIGTERM if number == signal.SIGINT else number)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, number)
        # They read the settings again; the pool has none that may change.
        loop.add_signal_handler(signal.SIGHUP, self._signal_all, signal.SIGHUP)

    def _signal_all(self, number: signal.Signals) -> None:
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


def command_of_this_process(drop: Sequence[str]) -> list[str]:
    """Returns the command line that started this process, without some options.

    Args:
        drop: Options to leave out; those ending in ``=`` take a value.
    """
    kept: list[str] = []
    skip = False
    for argument in sys.argv[1:]:
        if skip:
            skip = False
        elif argument in drop:
            continue
        elif f"{argument}=" in drop:
            skip = True
        elif not any(one.endswith("=") and argument.startswith(one) for one in drop):
            kept.append(argument)
    return [sys.executable, "-m", "pepperpy", *kept]


def single_process_environment() -> None:
    """Makes children of this process run one process each, whatever the settings say."""
    os.environ["PEPPERPY_WORKER_PROCESSES"] = "1"
