"""Files taken in by the service: each passage once, and none that is gone from its file."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from pepperpy_bus.client import Client
from pepperpy_bus.memory import Memory
from pepperpy_bus.memory.taking_in import forget_others
from pepperpy_memory_svc.ingesting.passages import passages
from pepperpy_memory_svc.stores.rows import Row
from pepperpy_schemas.errors import BadPayload, NotFound, TooLarge
from pepperpy_schemas.memory import Entry, Eq
from pepperpy_schemas.memory_ingest import IngestProgress
from tests.memory_svc.remembering.conftest import As, Clock, Serving

SHARED = """
[namespaces.common]
principals = ["*"]
vouchers = ["ana"]
"""
SECTION = "# {}\n\n" + "Words of this section, which is long enough to stand alone. " * 6 + "\n\n"


def sections(*names: str) -> str:
    return "".join(SECTION.format(name) for name in names)


async def taken(memory: Memory, file: str, text: str = "", **options: object) -> IngestProgress:
    """The last progress, which counts all."""
    return [one async for one in memory.ingest(file, text, **options)][-1]  # type: ignore[arg-type]


async def known(memory: Memory, file: str) -> list[Entry]:
    found = [one async for one in memory.export(where=Eq("metadata.file", file))]
    return sorted(found, key=lambda one: one.metadata["line"])


async def test_a_file_is_found_by_its_passages_with_their_lines(ana: Memory) -> None:
    text = sections("Ferry", "Train") + "The otter sleeps.\n"
    done = await taken(ana, "docs/a.md", text, folder="docs", metadata={"by": "x"}, trusted=True)
    assert (done.done, done.passages, done.new, done.removed) == (2, 2, 2, 0)
    hit = (await ana.search("otter", mode="text")).hits[0].entry
    assert hit.source == "docs/a.md:5-9"
    values = {"file": "docs/a.md", "folder": "docs", "line": 5, "last_line": 9, "by": "x"}
    values["ingested"] = True
    assert hit.metadata == values
    assert (hit.trusted, hit.by, hit.namespace) == (True, "ana", "ana")


async def test_the_same_again_changes_nothing_and_a_change_only_what_it_touches(
    ana: Memory,
) -> None:
    text = sections("One", "Two", "Three")
    await taken(ana, "a.md", text)
    before = await known(ana, "a.md")
    again = await taken(ana, "a.md", text)
    assert (again.passages, again.new, again.moved, again.removed) == (3, 0, 0, 0)
    assert await known(ana, "a.md") == before

    done = await taken(ana, "a.md", "# New\n\nshort\n\n\n" + sections("One", "Other", "Three"))
    assert (done.new, done.moved, done.removed) == (2, 1, 2)
    after = await known(ana, "a.md")
    assert [one.text.split("\n")[0] for one in after] == ["# New", "# Other", "# Three"]
    kept = after[-1]
    # What only moved has its vector and words still.
    assert (kept.id, kept.version) == (before[-1].id, 2)
    assert kept.metadata["line"] == before[-1].metadata["line"] + 5
    assert kept.id in {hit.entry.id for hit in (await ana.search("Three")).hits}

    emptied = await taken(ana, "a.md", " \n")
    assert (emptied.passages, emptied.removed) == (0, 3)
    assert await known(ana, "a.md") == []


async def test_files_of_the_same_text_do_not_mix_nor_do_namespaces(
    serving: Serving, by: As
) -> None:
    async with serving():
        ana, bob = by("ana"), by("bob")
        for memory in (ana, bob):
            await taken(memory, "a.md", sections("One"))
        await taken(ana, "b.md", sections("One"))
        await taken(ana, "a.md", "")
        assert len(await known(ana, "b.md")) == 1
        assert len(await known(bob, "a.md")) == 1
        with pytest.raises(NotFound, match="no namespace 'bob'"):
            await taken(ana.within(namespace="bob"), "a.md", "x")


async def test_bytes_are_taken_in_by_reference_in_the_encodings_that_say_themselves(
    ana: Memory,
) -> None:
    large = "".join(f"Line {n} of a large file.\n" for n in range(10_000))
    for body, word in (
        (large.encode(), "9999"),
        ("\ufeffКамбала\r\n".encode(), "Камбала"),
        ("Flunder".encode("utf-16"), "Flunder"),
    ):
        reference = await ana.upload(body)
        done = await taken(ana, f"{word}.txt", blob=reference)
        assert done.done == done.passages > 0
        assert (await ana.search(word, mode="text")).hits[0].entry.metadata["file"] == f"{word}.txt"
        await ana.discard(reference)
        with pytest.raises(NotFound) as caught:
            await taken(ana, f"{word}.txt", blob=reference)
        assert "blob" in caught.value.context
    assert sum(len(one.text) for one in await known(ana, "9999.txt")) > len(large) * 0.9


async def test_what_is_no_text_is_refused_and_nothing_is_changed(ana: Memory) -> None:
    await taken(ana, "a.md", sections("One"))
    before = await known(ana, "a.md")
    for body, reason in (
        (b"fine\xff\xfe", "byte 4 is not UTF-8"),
        (b"\xff\xfea", "byte 2 is not UTF-16"),
        (b"a\0b", "character 1 is a NUL"),
    ):
        with pytest.raises(BadPayload, match=reason):
            await taken(ana, "a.md", blob=await ana.upload(body))
    with pytest.raises(BadPayload, match="is a NUL"):
        await taken(ana, "a.md", "a\0b")
    with pytest.raises(TooLarge):
        await taken(ana, "a.md", blob=await ana.upload(bytes(17 * 1024 * 1024)))
    with pytest.raises(BadPayload, match="say the text, or where it lies"):
        await taken(ana, "a.md", "text", blob=await ana.upload(b"text"))
    with pytest.raises(BadPayload):
        await taken(ana, "", "text")
    values = {"much": "x" * 2000}
    common = ana.within(namespace="common")
    with pytest.raises(BadPayload, match="metadata"):
        await taken(common, "b.md", "text", metadata=values)
    assert await known(ana, "a.md") == before
    assert await known(common, "b.md") == []


async def test_what_was_stopped_goes_on_where_it_was(
    serving: Serving, by: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sections(*(f"Section {n}" for n in range(30)))
    async with serving() as offer:
        store, ana = offer.parts.store, by("ana")
        put, puts = store.put, 0
        begun, stopped = asyncio.Event(), asyncio.Event()

        async def twice(namespace: str, rows: Sequence[Row], *, now: datetime) -> list[Entry]:
            nonlocal puts
            puts += 1
            if puts > 2:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    stopped.set()
            return await put(namespace, rows, now=now)

        monkeypatch.setattr(store, "put", twice)
        items = ana.ingest("a.md", text)
        async for one in items:
            if one.done == 12:
                break
        await asyncio.wait_for(begun.wait(), 5)
        await items.aclose()
        await asyncio.wait_for(stopped.wait(), 5)
        monkeypatch.undo()
        assert len(await known(ana, "a.md")) == 12
        done = await taken(ana, "a.md", text)
        assert (done.passages, done.new) == (30, 18)


async def test_a_file_that_is_taken_in_again_lasts_as_long_as_a_new_one(
    serving: Serving, by: As, clock: Clock
) -> None:
    async with serving(
        '[namespaces.ana]\nprincipals = ["ana"]\n[namespaces.ana.terms]\nlong = "1h"\n'
    ):
        ana = by("ana")
        await taken(ana, "a.md", "one")
        clock.move(1800)
        assert (await taken(ana, "a.md", "one")).moved == 1
        clock.move(1900)
        assert len(await known(ana, "a.md")) == 1


async def test_it_is_told_with_counts_and_without_a_word_of_the_file(
    ana: Memory, client: Client
) -> None:
    await taken(ana, "secret.md", sections("One"))
    await taken(ana, "secret.md", sections("One"))
    event = await anext(client.events("memory.ingested", since="1h"))
    ms = event.data["ms"]
    assert ms > 0
    assert event.data == {
        "principal": "ana",
        "op": "ingest",
        "ms": ms,
        "count": 1,
        "moved": 0,
        "removed": 0,
    }
    found = client.events("memory.ingested", since="1h", until_end=True)
    assert len([one async for one in found]) == 1


async def test_what_another_has_made_of_a_passage_is_no_part_of_the_file_and_not_vouched_for(
    serving: Serving, by: As
) -> None:
    async with serving(SHARED):
        ana, bob = by("ana"), by("bob")
        text = sections("One", "Two", "Three")
        await taken(ana, "a.md", text, trusted=True)
        whole = await known(ana, "a.md")
        await bob.update(whole[0].id, text="Pay to account 999.")
        await bob.put("Planted.", id=whole[1].id, scope="session", session="s", agent="b")
        done = await taken(ana, "a.md", text, trusted=True)
        assert (done.passages, done.new, done.moved, done.removed) == (3, 2, 0, 0)
        mended = await known(ana, "a.md")
        for before, after in zip(whole, mended, strict=True):
            same = ("id", "text", "scope", "session", "agent", "metadata", "source")
            assert [getattr(after, name) for name in same] == [
                getattr(before, name) for name in same
            ]
            assert (after.trusted, after.by) == (True, "ana")
        # It is found by what it says now, and by nothing that it said meanwhile.
        assert (await ana.search("account", mode="text")).hits == []
        found = (await ana.search("One", mode="text")).hits
        assert whole[0].id in {hit.entry.id for hit in found}


async def test_what_is_planted_in_the_place_of_a_passage_is_replaced_by_it(
    serving: Serving, by: As
) -> None:
    async with serving(SHARED):
        ana, bob = by("ana"), by("bob")
        [planned] = passages("a.md", "The ferry leaves at nine.")
        await bob.put("The ferry sank.", id=planned.id)
        done = await taken(ana, "a.md", planned.text, trusted=True)
        assert (done.new, done.moved) == (1, 0)
        entry = await ana.get(planned.id)
        assert (entry.text, entry.trusted, entry.by) == (planned.text, True, "ana")


async def test_notes_about_a_file_are_not_forgotten_with_its_passages(
    serving: Serving, by: As
) -> None:
    async with serving(SHARED):
        ana, bob = by("ana"), by("bob")
        values = {"file": "a.md", "folder": "notes", "line": 1, "last_line": 9}
        await bob.put("My note about it.", id="note", metadata=values)
        assert (await taken(ana, "a.md", sections("One", "Two"), folder="notes")).removed == 0
        assert (await taken(ana, "a.md", "", folder="notes")).removed == 2
        assert await forget_others(ana, "notes", []) == 0
        assert (await ana.get("note")).by == "bob"
