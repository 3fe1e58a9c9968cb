"""Runs the PostgreSQL to develop with, in the background; see scripts/db."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import msgspec

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.embedded.place import account, own_folder
from pepperpy_memory_svc.stores.postgres import migration_status
from pepperpy_memory_svc.stores.postgres.sessions import SCHEMA
from pepperpy_schemas.errors import PepperError

FOLDER = Path(os.environ.get("DB") or ".pepperpy/db").absolute()
DATA = FOLDER / "postgres"
RUNNING = FOLDER / "running"
"""What a running one says of itself; it holds the lock of this file as long as it lives."""
SAID = FOLDER / "said"
PATIENCE = 60.0
"""Seconds until it has to have started, or ended."""


class Running(msgspec.Struct, frozen=True):
    """A running one: its process and its URL."""

    pid: int
    url: str


def up() -> None:
    """Starts it unless it runs; the URL goes to stdout, so that it can be taken from there."""
    refuse_others()
    url = (running() or started()).url
    print(url)
    print("use it with:  export PEPPERPY_MEMORY_URL=$(scripts/db up)", file=sys.stderr)
    print("then:         pepperpy up, pepperpy memory migrate status, …", file=sys.stderr)
    print("stop it with: scripts/db down", file=sys.stderr)


def down() -> None:
    """Stops it if it runs; its data stay."""
    print("it is stopped; its data stay" if stopped() else "it does not run", file=sys.stderr)


def reset() -> None:
    """Forgets its data, and starts it with none; a folder with other things in it is refused.

    It asks before, but for ``--yes``; where nobody sits at a terminal, nothing is forgotten.
    """
    refuse_others()
    data = own_folder(DATA, account())
    if "--yes" not in sys.argv[2:]:
        if not sys.stdin.isatty():
            sys.exit(f"db: all data in {FOLDER} would be forgotten; say so with --yes")
        if input(f"Forget all data in {FOLDER}? [y/N] ").strip().lower() not in {"y", "yes"}:
            sys.exit("db: nothing was forgotten")
    stopped()
    shutil.rmtree(data)
    up()


def status() -> None:
    """Says whether it runs and what is in it; exits with 1 when it does not."""
    there = running()
    if there is None:
        print("it does not run: scripts/db up")
        sys.exit(1)
    print(there.url)
    print(asyncio.run(inside(there.url)))


async def inside(url: str) -> str:
    """Returns what is in it, in a line."""
    found = await migration_status(url)
    connection = await asyncpg.connect(url)
    size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size('postgres'))")
    entries = 0
    if found.version:
        entries = await connection.fetchval(f"SELECT count(*) FROM {SCHEMA}.entry")
    await connection.close()
    return f"version {found.version} of {found.newest}, {entries} entries, {size}"


def refuse_others() -> None:
    """Ends when there are other things in the folder than ours."""
    there = {each.name for each in FOLDER.iterdir()} if FOLDER.exists() else set()
    if others := sorted(there - {DATA.name, RUNNING.name, SAID.name}):
        named = ", ".join(others[:3])
        sys.exit(f"db: there are other things in the folder {FOLDER}: {named}; give one of its own")


def running() -> Running | None:
    """Returns what a running one says of itself."""
    if not RUNNING.exists():
        return None
    with RUNNING.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            # It holds the lock a moment before it has written, and then writes all at once.
            return msgspec.json.decode(file.read() or "null", type=Running | None)
    return None


def started() -> Running:
    """Starts it, and waits until it can be used."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with SAID.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, __file__, "serve"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    wait(lambda: running() or process.poll() is not None, "it does not start")
    there = running()
    if there is None:
        sys.exit(f"db: it did not start: {SAID.read_text().strip() or 'it said nothing'}")
    return there


def stopped() -> bool:
    """Stops it, and waits for its end; says whether it ran."""
    there = running()
    if there is None:
        return False
    os.kill(there.pid, signal.SIGTERM)
    wait(lambda: running() is None, "it does not end")
    return True


def wait(done: Callable[[], object], otherwise: str) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            sys.exit(f"db: {otherwise}; see {SAID}")
        time.sleep(0.05)


async def serve() -> None:
    """Is the process in the background: runs it until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with RUNNING.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        async with EmbeddedPostgres(DATA) as server:
            file.write(msgspec.json.encode(Running(os.getpid(), server.url)).decode())
            file.flush()
            await ended.wait()


def main() -> None:
    """Does what the first argument says."""
    commands = {"up": up, "down": down, "reset": reset, "status": status}
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case [name] | ["reset" as name, "--yes"] if name in commands:
            commands[name]()
        case _:
            sys.exit(f"usage: scripts/db {' | '.join(commands)}")


if __name__ == "__main__":
    try:
        main()
    except PepperError as error:
        sys.exit(f"db: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
    except BlockingIOError:
        sys.exit("db: another one is being started")
