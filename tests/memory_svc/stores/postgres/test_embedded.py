"""The PostgreSQL of our own: unprivileged, in a folder of its own, gone with its parent."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres, place
from pepperpy_memory_svc.stores.embedded.place import Account
from pepperpy_schemas.errors import BadConfig, Unavailable
from tests.memory_svc.stores.making import server_folder

ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as made:
        # Like most folders that programs are started in: anybody may go through it.
        made.chmod(0o755)
        yield made / "own"


async def test_it_keeps_its_data_over_restarts_in_a_folder_that_only_it_enters(
    folder: Path,
) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE EXTENSION vector; CREATE TABLE kept AS SELECT 7 AS n")
        await connection.close()
        process = psutil.Process(server.pid)
        assert process.uids().effective != 0
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_uid == process.uids().effective
        assert not any(each.laddr for each in process.net_connections("inet"))
        pid = server.pid
    assert not psutil.pid_exists(pid)
    begun = time.monotonic()
    async with EmbeddedPostgres(folder) as server:
        assert time.monotonic() - begun < 5
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT n FROM kept") == 7
        await connection.close()


async def test_it_comes_back_at_the_same_address_when_it_is_killed(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        url, pid = server.url, server.pid
        os.kill(pid, signal.SIGKILL)
        await _answers(url, time.monotonic() + 5)
        assert server.pid != pid


async def _answers(url: str, deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.02)
        else:
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
            return
    pytest.fail("it did not come back")


CHILD = """
import asyncio, sys
from pathlib import Path
from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_it_ends_with_its_parent_and_its_folder_can_be_used_again(folder: Path) -> None:
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, folder], stdout=subprocess.PIPE
        ) as parent:
            assert parent.stdout is not None
            server = psutil.Process(int(parent.stdout.readline()))
            parent.kill()
            parent.wait()
        server.wait(10)


@pytest.mark.skipif(not ROOT, reason="only root runs it as somebody else")
async def test_as_root_a_folder_that_nobody_can_reach_gives_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "ROOTS_FOLDER", folder / "roots")
    closed = folder.parent / "closed"
    closed.mkdir(mode=0o700)
    # Neither can it reach the programs: it takes a copy of them.
    monkeypatch.setattr(place, "reachable", lambda path: path.is_relative_to(folder))
    for _ in range(2):
        async with EmbeddedPostgres(closed / "data") as server:
            connection = await asyncpg.connect(server.url)
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
    assert list(closed.iterdir()) == []
    (own,) = (folder / "roots").iterdir()
    assert sorted(each.name.partition("-")[0] for each in own.iterdir()) == [
        "data",
        "postgres.log",
        "programs",
        "run",
    ]


def test_everybody_else_runs_it_as_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    who = place.account()
    assert who == Account()
    assert who.options() == {}
    assert place.own_folder(tmp_path / "a", who) == tmp_path / "a"
    assert place.programs(tmp_path, who).name == "bin"


def test_a_socket_with_too_long_a_path_is_elsewhere(tmp_path: Path) -> None:
    made = place.socket_folder(tmp_path / ("x" * 100), Account())
    try:
        assert len(str(made)) < 90
        assert made.stat().st_mode & 0o777 == 0o700
    finally:
        made.rmdir()


async def test_a_long_path_works(folder: Path) -> None:
    async with EmbeddedPostgres(folder / ("x" * 90)) as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()
        socket = server._socket
    assert not socket.exists()


async def test_data_of_another_major_version_are_refused(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(BadConfig, match="of PostgreSQL 9"):
        async with EmbeddedPostgres(folder):
            pass


async def test_what_it_said_last_is_in_the_error(folder: Path) -> None:
    with pytest.raises(Unavailable, match="no_such_setting"):
        async with EmbeddedPostgres(folder, settings={"no_such_setting": "1"}):
            pass
    (folder / "data" / "global" / "pg_control").unlink()
    with pytest.raises(Unavailable, match="pg_control"):
        async with EmbeddedPostgres(folder):
            pass


async def test_a_database_that_cannot_be_made_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_memory_svc.stores.embedded.server.USER", "pg_x")
    with pytest.raises(Unavailable, match="initdb failed"):
        async with EmbeddedPostgres(folder):
            pass
    assert not (folder / "data").exists()


def test_without_its_package_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadConfig, match="not installed") as caught:
        place.programs(tmp_path, Account())
    assert "pip install" in caught.value.hint
