"""`pepperpy memory ingest` and `reindex`: tasks of the stock agent, and the same from here."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy.commands.memory._progress import Bar
from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.loop_thread import LoopThread
from pepperpy_bus.memory import Memory
from pepperpy_bus.opening import connect
from pepperpy_bus.streams.reading import all_on
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.memory import Entry
from pepperpy_schemas.subjects import bucket_name
from tests.cli.command_line import Cli
from tests.cli.inline import Inline
from tests.memory_svc.archiving import archiving
from tests.memory_svc.memory_service import remembering

NONE = {
    "files": 0,
    "passages": 0,
    "new": 0,
    "moved": 0,
    "removed": 0,
    "skipped": [],
    "namespace": "main",
}


@pytest.fixture
def memory(broker: Broker, prefix: str) -> Iterator[None]:
    """A memory service beside the test."""
    with LoopThread(remembering(broker.url, prefix), name="memory"):
        yield


@pytest.fixture
def archivist(broker: Broker, prefix: str) -> Iterator[None]:
    """Who does the memory's long work."""
    with LoopThread(archiving(broker.url, prefix), name="archivist"):
        yield


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# Ferry\n\nThe ferry leaves at nine.\n")
    (folder / "b.md").write_text("\n\nThe train is late.\n")
    return folder


@pytest.fixture
def large(notes: Path) -> Path:
    """A folder with a file that is uploaded."""
    (notes / "large.md").write_text("word " * 20_000)
    return notes


def counts(**changed: int) -> dict[str, object]:
    return {**NONE, **changed}


@pytest.mark.usefixtures("memory", "archivist")
def test_a_folder_is_taken_in_once_and_follows_its_files(inline: Inline, notes: Path) -> None:
    both = str(notes)
    assert inline.json("memory", "ingest", both) == counts(files=2, passages=2, new=2)
    assert "ingesting: 100%\n" in inline.err
    assert inline.run("memory", "search", "ferry", "-k", "1") == 0
    assert "notes/a.md:1-3" in inline.out
    assert inline.json("memory", "ingest", both) == counts(files=2, passages=2)
    (notes / "b.md").write_text("The train is early.\n")
    assert inline.json("memory", "ingest", both) == counts(files=2, passages=2, new=1, removed=1)
    (notes / "a.md").unlink()
    assert inline.json("memory", "ingest", both) == counts(files=1, passages=1)
    assert inline.run("memory", "ingest", both, "--prune") == 0
    assert inline.out == "1 file, 1 passage in namespace main: 0 new, 0 moved, 1 removed\n"


@pytest.mark.usefixtures("memory", "archivist")
def test_files_that_cannot_be_taken_in_are_named_with_the_reason(
    inline: Inline, notes: Path, tmp_path: Path
) -> None:
    (notes / ".git").mkdir()
    (notes / ".git" / "config").write_text("hidden")
    (notes / "node_modules").mkdir()
    (notes / "node_modules" / "x.js").write_text("foreign")
    (notes / "empty.txt").touch()
    (notes / "picture.png").write_bytes(b"\x89PNG\0")
    (notes / "zero.bin").write_bytes(b"a\0b")
    (notes / "latin.txt").write_bytes("Käse".encode("latin-1"))
    (notes / "huge.csv").write_bytes(b"x" * (16 * 1024 * 1024 + 1))
    (notes / "loop").symlink_to("loop")
    (notes / "gone").symlink_to("nowhere.txt")
    (notes / "round").symlink_to(".")
    (notes / "inside").symlink_to("a.md")
    (tmp_path / "secret.txt").write_text("secret")
    (notes / "outside").symlink_to(tmp_path / "secret.txt")
    (notes / "above").symlink_to(tmp_path)
    os.mkfifo(notes / "pipe")
    (notes / "\udcff.txt").write_text("no name")
    expected = {
        "notes/empty.txt": "there is no text in it",
        "notes/picture.png": "it is no text: byte 0 is not UTF-8",
        "notes/zero.bin": "it is no text: character 1 is a NUL",
        "notes/latin.txt": "it is no text: byte 1 is not UTF-8",
        "notes/huge.csv": "it has 16777217 bytes, more than 16777216",
        "notes/loop": "it cannot be read: Too many levels of symbolic links",
        "notes/gone": "it cannot be read: No such file or directory",
        "notes/round": "it is a link to a folder",
        "notes/outside": "it is a link out of the folder",
        "notes/above": "it is a link out of the folder",
        "notes/pipe": "it is no regular file",
        "notes/?.txt": "its name is no text of at most 1024 characters",
    }
    if os.geteuid() != 0:
        (notes / "closed.txt").write_text("closed")
        (notes / "closed.txt").chmod(0)
        expected["notes/closed.txt"] = "it cannot be read: Permission denied"
    done = inline.json("memory", "ingest", str(notes))
    assert {one["file"]: one["reason"] for one in done["skipped"]} == expected
    assert (done["files"], done["passages"]) == (3, 3)
    assert inline.run("memory", "search", "secret", "--mode", "text") == 0
    assert inline.out == ""
    # What cannot be read now is no reason to forget what it was.
    (notes / "b.md").write_bytes(b"\xff")
    assert inline.run("memory", "ingest", str(notes), "--prune") == 0
    assert "left out: notes/b.md, notes/picture.png: it is no text: byte 0" in inline.err
    assert inline.run("memory", "search", "train", "--mode", "text") == 0
    assert "notes/b.md" in inline.out


@pytest.mark.usefixtures("memory", "archivist")
def test_one_large_file_travels_beside_the_task(inline: Inline, tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_text("".join(f"Line {n} of the large file.\n" for n in range(20_000)))
    done = inline.json("memory", "ingest", str(path), "--as", "book", "-m", "n=1")
    assert done["files"] == 1
    assert done["passages"] == done["new"] > 400
    hit = inline.json("memory", "search", "19999", "--mode", "text", "-k", "1")["hits"][0]["entry"]
    assert hit["source"].startswith("book:")
    assert (hit.get("trusted", False), hit["metadata"]["n"]) == (False, 1)


@pytest.mark.usefixtures("memory", "archivist")
def test_no_more_is_taken_than_asked_for_the_smallest_first(inline: Inline, notes: Path) -> None:
    (notes / "large.md").write_text("word " * 500)
    done = inline.json("memory", "ingest", str(notes), "--most", "1KiB")
    assert done["files"] == 2
    assert done["skipped"] == [
        {"file": "notes/large.md", "reason": "there is more than --most takes"}
    ]
    assert inline.json("memory", "ingest", str(notes))["new"] == 3


@pytest.mark.usefixtures("memory")
def test_it_is_done_from_here_as_well(inline: Inline, notes: Path) -> None:
    assert inline.json("memory", "ingest", str(notes), "--here", "--trusted") == counts(
        files=2, passages=2, new=2
    )
    hits = inline.json("memory", "search", "ferry", "--mode", "text")["hits"]
    assert [hit["entry"]["trusted"] for hit in hits] == [True]
    (notes / "a.md").unlink()
    done = inline.json("memory", "ingest", str(notes), "--here", "--trusted", "--prune")
    assert done == counts(files=1, passages=1, removed=1)
    assert inline.json("memory", "reindex", "hashing:32", "--here")["current"]
    assert inline.json("memory", "stats")["dims"] == 32


@pytest.mark.usefixtures("memory", "archivist")
def test_a_task_goes_on_without_the_one_who_began_it(inline: Inline, notes: Path) -> None:
    said = inline.json("memory", "ingest", str(notes), "--detach")
    assert said["topic"] == "memory-ingest"
    end = inline.json("result", said["id"], "--wait")
    assert end["data"]["new"] == 2
    assert inline.run("memory", "reindex", "hashing:32", "--detach") == 0
    assert inline.json("result", inline.out.strip(), "--wait")["data"]["embedder"] == "hashing:32@1"


@pytest.mark.usefixtures("memory", "archivist")
def test_vectors_are_made_anew_by_another_embedder(inline: Inline) -> None:
    inline.run("memory", "put", "one")
    assert inline.run("memory", "reindex", "hashing:32") == 0
    assert inline.out == "vectors of hashing:32@1 are searched now: 1 made\n"
    assert "embedding: 100%\n" in inline.err
    assert inline.json("memory", "stats")["dims"] == 32
    assert inline.json("memory", "reindex", "hashing:64")["done"] == 0
    assert inline.run("memory", "reindex", "no-such") == 1
    assert "'no-such'" in inline.err


def test_wrong_usage_is_said(inline: Inline, notes: Path) -> None:
    other = notes / "other" / "notes"
    other.mkdir(parents=True)
    for arguments, said in (
        ((str(notes), str(notes), "--as", "x"), "--as names one"),
        ((str(notes), "--here", "--detach"), "leave --detach out"),
        ((str(notes), "--trusted"), "add --here"),
        ((str(notes), str(other)), "two of these are 'notes': take them in one by one, with --as"),
        ((str(notes), f"{notes}/../notes"), "two of these are 'notes'"),
        ((str(notes), "--most", "many"), "many"),
        ((str(notes / "nope"),), "does not exist"),
    ):
        assert inline.run("memory", "ingest", *arguments) == 2
        assert said in inline.err
    assert inline.run("memory", "reindex", "e5", "--here", "--detach") == 2


@pytest.mark.usefixtures("archivist")
def test_who_interrupts_it_ends_the_task_and_is_told_how_to_go_on(cli: Cli, notes: Path) -> None:
    process = cli.start("memory", "ingest", str(notes))
    # Nobody remembers anything here: the task is tried again and again.
    tail = cli.start("tail", "task.retry.memory-ingest", "--since", "1h")
    assert tail.stdout is not None
    assert tail.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on there" in err
    ended = cli.run("tail", "task.canceled.memory-ingest", "--since", "1h", "--until-end", "--json")
    assert len(ended.stdout.splitlines()) == 1


def test_who_interrupts_it_here_stops_the_memory_and_leaves_no_upload(
    cli: Cli, broker: Broker, prefix: str, large: Path
) -> None:
    begun, stopped = threading.Event(), threading.Event()

    async def stand_still(*args: object, **kwargs: object) -> list[Entry]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return []

    with LoopThread(remembering(broker.url, prefix), name="memory") as memory:
        memory.owned.parts.store.put = stand_still  # type: ignore[method-assign]
        process = cli.start("memory", "ingest", str(large), "--here")
        assert begun.wait(30)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (
            130,
            "stopped; what is done stays: the same command goes on there\n",
        )
        assert stopped.wait(10)
    assert uploads(broker, prefix) == []


def uploads(broker: Broker, prefix: str) -> list[str]:
    """What was uploaded and is there."""

    async def found() -> list[str]:
        async with connect(broker.url, bus__prefix=prefix) as bus:
            subject = f"$O.{bucket_name(prefix, 'blobs')}.M.>"
            found = await all_on(bus.connection, f"OBJ_{bucket_name(prefix, 'blobs')}", subject)
            return [one.subject for one in found if b'"deleted":true' not in one.body]

    return asyncio.run(found())


async def interrupted() -> None:
    """What Ctrl-C does to whoever waits."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("end", [True, False, Unavailable("it is away")], ids=str)
def test_uploads_are_left_to_a_task_until_its_end_is_known(
    inline: Inline,
    broker: Broker,
    prefix: str,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: bool | Unavailable,
) -> None:
    async def watch(*_: object) -> AsyncIterator[None]:
        await interrupted()
        yield

    async def cancel(*_: object, **__: object) -> bool:
        if isinstance(end, Unavailable):
            raise end
        return end

    monkeypatch.setattr(Client, "watch", watch)
    monkeypatch.setattr(Client, "cancel", cancel)
    with pytest.raises(asyncio.CancelledError):
        inline.run("memory", "ingest", str(large))
    assert len(uploads(broker, prefix)) == (0 if end is True else 1)


def test_uploads_of_a_task_that_may_be_submitted_stay(
    inline: Inline, broker: Broker, prefix: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Client.submit

    async def submitted(self: Client, *arguments: Any) -> None:
        await submit(self, *arguments)
        await interrupted()

    monkeypatch.setattr(Client, "submit", submitted)
    with pytest.raises(asyncio.CancelledError):
        inline.run("memory", "ingest", str(large))
    assert len(uploads(broker, prefix)) == 1


@pytest.mark.parametrize("error", [Unavailable("it is away"), asyncio.CancelledError()], ids=repr)
def test_uploads_that_no_task_was_submitted_for_go(
    inline: Inline,
    broker: Broker,
    prefix: str,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    (large / "larger.md").write_text("word " * 40_000)
    upload = Memory.upload
    done: list[str] = []

    async def once(self: Memory, body: bytes) -> str:
        if done:
            raise error
        done.append(await upload(self, body))
        return done[0]

    monkeypatch.setattr(Memory, "upload", once)
    if isinstance(error, Unavailable):
        assert inline.run("memory", "ingest", str(large)) == 1
    else:
        with pytest.raises(asyncio.CancelledError):
            inline.run("memory", "ingest", str(large))
    assert len(done) == 1
    assert uploads(broker, prefix) == []


def test_who_has_nobody_for_it_is_told(cli: Cli, notes: Path) -> None:
    done = cli.run("memory", "ingest", str(notes), "--detach")
    assert done.returncode == 0
    assert "nobody does the memory's long work yet" in done.stderr
    assert "pepperpy_agents.memory.archivist:agent, or --here" in done.stderr


def test_a_terminal_sees_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = Bar("ingesting")
    bar.show(0.5, "notes/[red]\x1b[31m.md")
    bar.clear()
    bar.clear()
    err = capsys.readouterr().err
    assert "ingesting" in err
    assert " 50 %" in err
    assert "[red]" in err
    assert "\x1b[31m" not in err
