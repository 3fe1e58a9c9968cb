"""The PostgreSQL of our own: unprivileged, in a folder of its own, gone with its parent."""

import asyncio
import importlib.util
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres, place, programs
from pepperpy_memory_svc.stores.embedded.place import Account
from pepperpy_schemas.errors import BadConfig, Unavailable
from tests.memory_svc.stores.making import server_folder

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root runs it as somebody else")


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
        assert folder.stat().st_uid == os.geteuid()
        assert folder.stat().st_mode & 0o777 == (0o710 if ROOT else 0o700)
        for own in (folder / "data", folder / "run"):
            assert own.stat().st_mode & 0o777 == 0o700
            assert own.stat().st_uid == process.uids().effective
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


@as_root
async def test_as_root_a_folder_that_nobody_can_reach_gives_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "ROOTS_FOLDER", folder / "roots")
    closed = folder.parent / "closed"
    closed.mkdir(mode=0o700)
    # Neither can it reach the programs: it takes a copy of them.
    for module in (place, programs):
        monkeypatch.setattr(module, "reachable", lambda path: path.is_relative_to(folder))
    for _ in range(2):
        async with EmbeddedPostgres(closed / "data") as server:
            connection = await asyncpg.connect(server.url)
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
    assert list(closed.iterdir()) == []
    (own,) = (folder / "roots").iterdir()
    assert sorted(each.name.partition("-")[0] for each in own.iterdir()) == [
        "data",
        "lock",
        "postgres.log",
        "programs",
    ]


def test_everybody_else_runs_it_as_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as somebody:
        somebody.setattr(os, "geteuid", lambda: 1000)
        who = place.account()
    assert who == Account()
    assert who.options() == {}
    assert place.own_folder(tmp_path / "a", who) == tmp_path / "a"
    assert programs.programs(tmp_path, who).name == "bin"


@pytest.mark.parametrize(
    "name",
    ["x" * 100, "ü" * 45, "a,b", os.fsdecode(b"\xff")],
    ids=["long", "wide", "comma", "byte"],
)
def test_a_socket_whose_path_nothing_would_take_is_elsewhere(tmp_path: Path, name: str) -> None:
    with place.socket_folder(tmp_path / name, Account()) as made:
        assert len(os.fsencode(made)) < 90
        assert made.parent == Path("/tmp")
        assert made.stat().st_mode & 0o777 == 0o700
    assert not made.exists()


@pytest.mark.parametrize("name", ["x" * 90, "ü" * 40, "a,b", 'a b:c"d%2Ce@f'])
async def test_any_path_works(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    async with EmbeddedPostgres(folder / name) as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()
        socket = server._socket
    assert not socket.exists()


async def test_data_of_another_major_version_are_refused(folder: Path) -> None:
    async with EmbeddedPostgres(folder):
        pass
    (folder / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(BadConfig, match="of PostgreSQL 9"):
        async with EmbeddedPostgres(folder):
            pass
    (folder / "data" / "PG_VERSION").unlink()
    with pytest.raises(BadConfig, match="of PostgreSQL no version"):
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
    monkeypatch.setattr("pepperpy_memory_svc.stores.embedded.data.USER", "pg_x")
    with pytest.raises(Unavailable, match="initdb failed"):
        async with EmbeddedPostgres(folder):
            pass
    assert not (folder / "data").exists()


def test_without_its_package_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadConfig, match="not installed") as caught:
        programs.programs(tmp_path, Account())
    assert "pip install" in caught.value.hint


# --- whose the folder is --------------------------------------------------------------------------


def as_server(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Runs a command as the user that the server runs as."""
    return subprocess.run(command, check=False, capture_output=True, **place.account().options())


@as_root
async def test_the_servers_user_can_change_nothing_that_root_opens(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.mkdir(mode=0o700)
    (secret / "file").write_text("important")
    async with EmbeddedPostgres(folder):
        for name in ("postgres.log", "run", "lock"):
            assert as_server("rm", "-rf", folder / name).returncode
            assert as_server("mv", folder / name, folder / "run" / "x").returncode
        assert as_server("ln", "-s", secret / "file", folder / "new").returncode
        assert as_server("cat", folder / "postgres.log").returncode
    assert secret.stat().st_uid == 0
    assert (secret / "file").read_text() == "important"


@pytest.mark.parametrize("name", ["postgres.log", "lock"])
async def test_what_is_opened_is_never_a_link(folder: Path, name: str) -> None:
    async with EmbeddedPostgres(folder):
        pass
    victim = folder.parent / "victim"
    victim.write_text("important")
    (folder / name).unlink()
    (folder / name).symlink_to(victim)
    with pytest.raises((Unavailable, OSError), match="symbolic links"):
        async with EmbeddedPostgres(folder):
            pass
    assert victim.read_text() == "important"


@as_root
@pytest.mark.parametrize("name", ["PG_VERSION", "postmaster.pid"])
async def test_what_the_servers_user_puts_into_its_data_is_not_read_as_root(
    folder: Path, name: str
) -> None:
    async with EmbeddedPostgres(folder):
        pass
    secret = folder.parent / "secret"
    secret.write_text("1\nimportant")
    secret.chmod(0o600)
    for make in (("ln", "-sf", secret), ("mkfifo",)):
        as_server("rm", "-f", folder / "data" / name)
        assert as_server(*make, folder / "data" / name).returncode == 0
        assert place.read_theirs(folder / "data" / name, place.account()) == ""
    (folder / "data" / name).unlink()
    os.link(secret, folder / "data" / name)
    assert place.read_theirs(folder / "data" / name, place.account()) == ""


async def test_a_folder_with_other_things_in_it_is_left_as_it_is(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    (folder / "mine.txt").write_text("x")
    before = folder.stat()
    with pytest.raises(BadConfig, match=r"other things in the folder .*: mine\.txt"):
        async with EmbeddedPostgres(folder):
            pass
    assert [each.name for each in folder.iterdir()] == ["mine.txt"]
    assert (folder.stat().st_mode, folder.stat().st_uid) == (before.st_mode, before.st_uid)


@as_root
async def test_somebody_elses_folder_is_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, pwd.getpwnam("daemon").pw_uid, -1)
    with pytest.raises(BadConfig, match="is somebody else's"):
        async with EmbeddedPostgres(folder):
            pass
    assert list(folder.iterdir()) == []
    assert folder.stat().st_uid == pwd.getpwnam("daemon").pw_uid


# --- more than one of them ------------------------------------------------------------------------


def test_of_several_that_begin_in_a_new_folder_each_gets_its_turn(folder: Path) -> None:
    code = CHILD.replace("(sys.argv[1])", "(sys.argv[1]), patience=60").replace(
        "await asyncio.Event().wait()", "pass"
    )
    command = [sys.executable, "-c", code, str(folder)]
    children = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]


async def test_a_second_one_is_refused_and_does_not_touch_the_first(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        (folder / "postgres.log").write_text("said before")
        with pytest.raises(Unavailable, match="another process has its PostgreSQL in"):
            async with EmbeddedPostgres(folder, patience=0):
                pass
        assert (folder / "postgres.log").read_text() == "said before"
        connection = await asyncpg.connect(server.url)
        await connection.close()


async def test_the_server_of_a_killed_process_is_waited_for(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, folder], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        # It cannot end before it goes on.
        server.suspend()
        parent.kill()
        parent.wait()
        with pytest.raises(Unavailable, match="another process"):
            async with EmbeddedPostgres(folder, patience=0):
                pass
        server.resume()
        async with EmbeddedPostgres(folder, patience=30) as own:
            assert own.pid != server.pid


async def test_the_number_of_a_crashed_server_may_be_anybodys_by_now(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        file = folder / "data" / "postmaster.pid"
        text, status = file.read_text(), file.stat()
        number = str(server.pid)
    with subprocess.Popen(["sleep", "600"], **place.account().options()) as other:
        file.write_text(text.replace(number, str(other.pid), 1))
        os.chown(file, status.st_uid, status.st_gid)
        async with EmbeddedPostgres(folder) as server:
            connection = await asyncpg.connect(server.url)
            await connection.close()
        other.kill()


async def test_it_is_started_again_when_what_was_in_the_way_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()
    async with EmbeddedPostgres(folder) as server:
        spawn = server._spawn

        def counted() -> None:
            tried.set()
            spawn()

        monkeypatch.setattr(server, "_spawn", counted)
        (folder / "postgres.log").unlink()
        (folder / "postgres.log").mkdir()
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        await asyncio.wait_for(tried.wait(), 10)
        (folder / "postgres.log").rmdir()
        await _answers(server.url, time.monotonic() + 10)
        assert server.pid != pid


async def test_it_is_ended_even_if_what_watches_it_is_not(folder: Path) -> None:
    server = await EmbeddedPostgres(folder).__aenter__()
    pid = server.pid

    async def failing() -> None:
        raise OSError("in the way")

    server._watching.cancel()
    server._watching = asyncio.create_task(failing())
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="in the way"):
        await server.__aexit__(None, None, None)
    assert not psutil.pid_exists(pid)
