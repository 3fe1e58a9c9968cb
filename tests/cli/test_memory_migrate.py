"""`pepperpy memory migrate`, on a server and on a folder of our own; no broker is needed."""

import asyncio
import json
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy.__main__ import main
from pepperpy_bus.loop_thread import LoopThread
from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.postgres.steps import migrations
from tests.cli.inline import logs_as_they_were
from tests.memory_svc.stores.making import NOW, entry, filled, server_folder

NEWEST = migrations()[-1].number


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with server_folder() as folder:
        postgres = EmbeddedPostgres(folder)
        with LoopThread(postgres, name="postgres"):
            yield postgres.url


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A database of one's own."""

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute("CREATE DATABASE own"))
    yield server.replace("/postgres?", "/own?")
    asyncio.run(execute("DROP DATABASE own WITH (FORCE)"))


class Migrate:
    """`pepperpy memory migrate` within this process."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        self._captured.readouterr()
        with logs_as_they_were():
            code = main(["memory", "migrate", *arguments])
        self.out, self.err = self._captured.readouterr()
        return code


@pytest.fixture
def migrate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Migrate:
    monkeypatch.delenv("PEPPERPY_MEMORY_URL", raising=False)
    return Migrate(capsys)


async def put(url: str, *texts: str) -> None:
    async with open_store(url) as store:
        memory = await filled(store)
        for text in texts:
            await memory.put(entry(text=text))


async def texts(url: str) -> list[str]:
    async with open_store(url) as store:
        return [each.text for each in await store.scan("ours", now=NOW)]


def test_steps_are_told_made_and_taken_back(
    migrate: Migrate, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_MEMORY_URL", url)
    assert migrate.run("status") == 0
    assert migrate.out.startswith(
        "STEP  NAME         MADE  ABOUT\n   1  entries        no  Entries"
    )
    assert migrate.err == f"version 0 of {NEWEST}: pepperpy memory migrate up\n"
    assert migrate.run("up", "--dry-run") == 0
    assert migrate.err == f"version 0 would become {NEWEST}\n"
    assert migrate.run("up", "--to", "2", "--json") == 0
    done = json.loads(migrate.out)
    assert (done["version"], done["before"], done["dry_run"]) == (2, 0, False)
    assert [each["name"] for each in done["steps"]] == ["entries", "generations"]
    assert migrate.run("up") == 0
    assert migrate.err == f"version 2 became {NEWEST}\n"
    assert migrate.run("up") == 0
    assert migrate.err == f"version {NEWEST}: nothing to do\n"
    assert migrate.run("status", "--json") == 0
    found = json.loads(migrate.out)
    assert (found["version"], found["newest"]) == (NEWEST, NEWEST)
    assert all(each["made"] for each in found["steps"])
    # Nothing is in them: there is nothing to be asked.
    assert migrate.run("down", "--to", "0") == 0
    assert migrate.err == f"version {NEWEST} became 0\n"


def test_data_are_lost_only_when_that_is_said(
    migrate: Migrate, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(put(url, "one", "two"))
    assert migrate.run("down", "--to", "2", "--url", url, "--dry-run") == 0
    assert migrate.err == f"version {NEWEST} would become 2 and lose 1 row of history\n"
    assert migrate.run("down", "--to", "2", "--url", url) == 1
    assert "3 history: Loses the earlier versions of entries.\n" in migrate.err
    assert "error: 1 row of history would be lost\n  hint: say with --yes" in migrate.err

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda text, **options: asked.append(text))
    assert migrate.run("down", "--to", "2", "--url", url) == 0
    assert asked == ["Lose 1 row of history?"]
    assert migrate.err.endswith(f"version {NEWEST} became 2 and lost 1 row of history\n")
    assert migrate.run("down", "--to", "0", "--url", url, "--yes", "--json") == 0
    assert json.loads(migrate.out)["lost"]["entry"] == 1
    assert asyncio.run(texts(url)) == []


def test_who_is_asked_may_say_no(
    migrate: Migrate, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(put(url, "one"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: "n\n", raising=False)
    assert migrate.run("down", "--to", "0", "--url", url) == 1
    assert "aborted" in migrate.err
    assert asyncio.run(texts(url)) == ["one"]


def test_the_folder_of_a_stopped_stack_does_as_well(migrate: Migrate) -> None:
    with server_folder() as folder:
        url = f"embedded:{folder}"
        assert migrate.run("status", "--url", url) == 1
        assert f"there is no PostgreSQL in {folder}" in migrate.err
        assert list(folder.iterdir()) == []
        asyncio.run(put(url, "one"))
        assert migrate.run("down", "--to", "2", "--url", url) == 0
        assert migrate.run("status", "--url", url) == 0
        assert migrate.err == f"version 2 of {NEWEST}: pepperpy memory migrate up\n"
        assert asyncio.run(texts(url)) == ["one"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "which tables? give --url, or set PEPPERPY_MEMORY_URL"),
        (("--url", "memory://"), 1, "migrations are for PostgreSQL only"),
        (("--url", "redis://h/0"), 1, "such a store needs none"),
        (("--url", "embedded:"), 1, "'embedded' names no PostgreSQL"),
        (("--url", "postgresql://x@/x?host=/nowhere"), 1, "PostgreSQL cannot be reached"),
    ],
)
def test_what_names_no_tables_is_refused(
    migrate: Migrate, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert migrate.run("status", *arguments) == code
    assert said in migrate.err


def test_a_step_that_is_not_there_is_refused(migrate: Migrate, url: str) -> None:
    assert migrate.run("up", "--to", "99", "--url", url) == 1
    assert f"there is no step 99\n  hint: give a number from 0 to {NEWEST}" in migrate.err


def test_a_step_that_lies_the_other_way_is_refused(migrate: Migrate, url: str) -> None:
    assert migrate.run("up", "--to", "2", "--url", url) == 0
    assert migrate.run("up", "--to", "1", "--url", url) == 1
    assert "1 is below version 2\n  hint: go down: down --to 1" in migrate.err
    assert migrate.run("down", "--to", "3", "--url", url) == 1
    assert "3 is above version 2\n  hint: go up: up --to 3" in migrate.err
    assert migrate.run("up", "--to", "2", "--url", url) == 0
    assert "nothing to do" in migrate.err


def test_a_missing_library_is_named(migrate: Migrate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "asyncpg", None)
    assert migrate.run("status", "--url", "postgresql://x") == 1
    assert "needs the package asyncpg" in migrate.err
    assert "pip install" in migrate.err
