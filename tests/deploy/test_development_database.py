"""`scripts/db`: the database to develop with comes, stays, goes, and begins anew."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.opening import open_store
from tests.memory_svc.stores.making import NOW, entry, filled, server_folder

ROOT = Path(__file__).parents[2]
Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own."""
    with server_folder() as one:
        one.chmod(0o711)
        yield one


@pytest.fixture
def db(folder: Path) -> Iterator[Run]:
    """`scripts/db` in that folder."""

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / "db", *command.split()],
            env={**os.environ, "DB": str(folder / "db"), "PGPORT": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    yield run
    run("down")


async def test_it_keeps_its_data_until_it_is_reset(db: Run) -> None:
    stopped = db("status")
    assert (stopped.returncode, stopped.stdout) == (1, "it does not run: scripts/db up\n")
    begun = db("up")
    assert begun.returncode == 0, begun.stderr
    url = begun.stdout.strip()
    assert "export PEPPERPY_MEMORY_URL=$(scripts/db up)" in begun.stderr
    assert db("up").stdout.strip() == url
    async with open_store(url) as store:
        await (await filled(store)).put(entry())
    assert "1 entries" in db("status").stdout

    assert "its data stay" in db("down").stderr
    with pytest.raises(OSError):
        await asyncpg.connect(url)
    assert db("down").stderr == "it does not run\n"
    assert db("up").stdout.strip() == url
    async with open_store(url) as store:
        assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}

    unasked = db("reset")
    assert (unasked.returncode, unasked.stdout) == (1, "")
    assert "would be forgotten; say so with --yes" in unasked.stderr
    async with open_store(url) as store:
        assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}

    assert db("reset --yes").stdout.strip() == url
    assert "version 0 of" in db("status").stdout


async def test_one_that_was_killed_is_seen_not_to_run_and_starts_again(db: Run) -> None:
    url = db("up").stdout.strip()
    connection = await asyncpg.connect(url)
    postmaster = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).parent()
    holder = postmaster.parent()
    os.kill(holder.pid, signal.SIGKILL)
    postmaster.wait(30)
    assert db("status").returncode == 1
    assert db("up").stdout.strip() == url
    await (await asyncpg.connect(url)).close()
    connection.terminate()


def test_a_folder_with_other_things_in_it_is_not_reset(db: Run, folder: Path) -> None:
    theirs = folder / "db" / "postgres" / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")
    refused = db("reset --yes")
    assert refused.returncode == 1
    assert "there are other things in the folder" in refused.stderr
    assert "thesis.txt" in refused.stderr
    assert theirs.read_text() == "years of work"
    assert db("status").returncode == 1


@pytest.mark.parametrize("command", ["up", "reset --yes"])
def test_a_folder_of_somebody_is_not_taken(db: Run, folder: Path, command: str) -> None:
    (folder / "db").mkdir()
    (folder / "db" / "main.py").write_text("years of work")
    refused = db(command)
    assert refused.returncode == 1
    assert "there are other things in the folder" in refused.stderr
    assert [each.name for each in (folder / "db").iterdir()] == ["main.py"]


def test_another_command_is_refused(db: Run) -> None:
    wrong = db("sideways")
    assert (wrong.returncode, wrong.stderr) == (1, "usage: scripts/db up | down | reset | status\n")
