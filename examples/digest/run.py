"""Digests a folder: one task per file, shared by all workers of the topic.

python examples/digest/run.py FOLDER [--json] [--kill-one]
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from agent import Digest
from agent import File as Input
from report import File, Killed, Report, show, summarize
from rich.console import Console
from view import View

from pepperpy import Client, PepperError, connect

TOPIC = "digest"
IN_FLIGHT = 200
SKIPPED = frozenset({"node_modules", "__pycache__"})
FEW = 12
INTERRUPTED = 130
NO_WORKER = 3.0  # seconds without a start after which we say what is missing


def main(arguments: Sequence[str] | None = None) -> int:
    """Digests a folder and returns the exit code: 1 when a result is missing."""
    options = parser().parse_args(arguments)
    folder = options.folder.resolve()
    root = (options.root or folder).resolve()
    paths = [path.relative_to(root).as_posix() for path in walk(folder)]
    console = Console(stderr=True)
    if not paths:
        console.print(f"no files in {folder}")
        return 1
    job = Job(paths, View(len(paths), console), options)
    try:
        report = asyncio.run(job.run())
    except PepperError as error:
        console.print(f"error: {error}\n  hint: {error.hint}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return INTERRUPTED
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        show(report, Console())
    return 1 if report.totals.missing else 0


def parser() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    about = argparse.ArgumentParser(description="Digest a folder: one task per file.")
    about.add_argument("folder", type=Path, help="the folder; the workers need DIGEST_ROOT=FOLDER")
    about.add_argument("--root", type=Path, help="DIGEST_ROOT of the workers, if not FOLDER")
    about.add_argument("--url", help="address of the broker (or PEPPERPY_NATS_URL)")
    about.add_argument("--json", action="store_true", help="print one JSON object")
    about.add_argument("--kill-one", action="store_true", help="kill -9 a worker midway")
    about.add_argument("--pause", type=float, default=0.0, help="seconds per file, to watch it")
    about.add_argument("--wait", default="5m", help="how long to wait for each result")
    return about


def walk(folder: Path) -> Iterator[Path]:
    """Yields every file below a folder, without hidden folders and foreign code."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED)
        for name in sorted(files):
            if name.isprintable():  # what is no text has no place in JSON
                yield Path(place, name)


class Job:
    """One run over a folder."""

    def __init__(self, paths: list[str], view: View, options: argparse.Namespace) -> None:
        self._paths = paths
        self._view = view
        self._options = options
        self._by_task: dict[str, str] = {}
        self._files: dict[str, File] = {}
        self._workers: dict[str, str] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._killed: Killed | None = None
        self._heard = asyncio.Event()
        self._told = asyncio.Event()

    async def run(self) -> Report:
        """Submits every file, waits for every result."""
        async with connect(self._options.url, source="digest") as bus:
            listening = asyncio.create_task(self._listen(bus), name="listen")
            hint = asyncio.create_task(self._hint(), name="hint")
            try:
                with self._view:
                    async with asyncio.TaskGroup() as files:
                        for path in self._paths:
                            files.create_task(self._digest(bus, path), name=path)
                    await self._last_events()
            finally:
                for task in (listening, hint):
                    task.cancel()
                await asyncio.gather(listening, hint, return_exceptions=True)
        ended = [self._files[path] for path in self._paths if path in self._files]
        for file in ended:
            file.worker = self._workers.get(file.task, "")
        if self._killed is not None:
            # Its last events came after the kill.
            self._killed.held = sorted(self._view.held[self._killed.worker].values())
        return Report(
            totals=summarize(ended, missing=len(self._paths) - len(ended)),
            workers=self._view.done,
            killed=self._killed,
            files=ended,
        )

    async def _digest(self, bus: Client, path: str) -> None:
        async with self._slots:
            task = await bus.submit(TOPIC, Input(path, self._options.pause))
            self._by_task[task] = path
            try:
                ended = await bus.ended(task, wait=self._options.wait)
            except TimeoutError:
                self._view.say(f"{path}: no result within {self._options.wait} (task {task})")
                return
        result = ended.result
        self._files[path] = File(
            path=path,
            task=task,
            digest=msgspec.json.decode(result.data, type=Digest) if result.ok else None,
            error=result.error.message if result.error else "",
            attempt=ended.attempt,
        )
        self._view.result()

    async def _listen(self, bus: Client) -> None:
        """Follows the events of our tasks: who begins and ends which."""
        async for event in bus.events(f"task.*.{TOPIC}", since="5s"):
            path = self._by_task.get(event.id)
            worker = str(event.data.get("instance", ""))
            if path is None or not worker:
                continue
            self._heard.set()
            if event.verb == "started":
                self._view.started(worker, event.id, path, event.event.attempt)
                if self._options.kill_one and self._killed is None:
                    await self._kill(bus, worker)
            elif event.verb in {"completed", "failed", "rejected"}:
                self._workers[event.id] = worker
                self._view.completed(worker, event.id)
                if len(self._workers) == len(self._paths):
                    self._told.set()

    async def _last_events(self) -> None:
        """Waits for the events behind the last results, which tell who did it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), 2.0)

    async def _kill(self, bus: Client, worker: str) -> None:
        """Kills a worker that has just begun with a file, once a third of the results is there.

        Of a few files, which are all in work at once, it takes the first.
        """
        if len(self._paths) >= FEW and self._view.ended < len(self._paths) // 3:
            return
        for one in await bus.registry.instances(topic=TOPIC):
            if f"{one.agent}/{one.instance}" == worker and one.host == socket.gethostname():
                os.kill(one.pid, signal.SIGKILL)
                held = list(self._view.held[worker].values())
                self._killed = Killed(worker, one.pid, held)
                self._view.killed(worker)
                self._view.say(
                    f"kill -9 {one.pid}: {worker} is gone with {', '.join(held)} in its hands; "
                    "in half a minute the broker gives them to another worker"
                )

    async def _hint(self) -> None:
        try:
            await asyncio.wait_for(self._heard.wait(), NO_WORKER)
        except TimeoutError:
            self._view.say(
                "no worker has begun yet; start one: "
                f"DIGEST_ROOT={self._options.root or self._options.folder} "
                "pepperpy worker examples/digest/agent.py:agent"
            )


if __name__ == "__main__":
    sys.exit(main())
