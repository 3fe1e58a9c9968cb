"""Who wrote an entry, who vouches for it, and who may do what concerns everybody."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pepperpy_bus.memory import Memory
from pepperpy_schemas.errors import BadPayload, NotFound, PermissionDenied
from pepperpy_schemas.memory import LONGEST, Entry, Link
from tests.memory_svc.remembering.conftest import As, Clock, Serving

SHARED = """
[namespaces.common]
principals = ["*"]
vouchers = ["ana"]
"""


async def test_who_changes_an_entry_stands_for_it_and_its_history_tells_who_did(
    serving: Serving, by: As
) -> None:
    async with serving(SHARED):
        ana, bob = by("ana"), by("bob")
        await ana.put("Pay to account 111.", id="e", source="https://bank", trusted=True)
        changed = await bob.update("e", text="Pay to account 999.")
        assert (changed.by, changed.trusted) == ("bob", False)
        history = await ana.history("e")
        assert [(one.entry.by, one.entry.trusted) for one in history.earlier] == [("ana", True)]
        await ana.put("another", id="other")
        assert (await bob.link("other", "e")).by == "bob"


async def test_a_change_of_anything_but_what_it_says_leaves_the_trust(
    serving: Serving, by: As
) -> None:
    async with serving(SHARED):
        await by("ana").put("The earth is round.", id="e", trusted=True)
        assert (await by("bob").update("e", importance=0.9)).trusted
        assert not (await by("bob").update("e", source="elsewhere")).trusted
        assert (await by("ana").update("e", text="The earth is a globe.", trusted=True)).trusted
        assert (await by("ana").update("e", text="It is a globe.")).trusted


async def test_only_who_may_vouches(serving: Serving, by: As) -> None:
    async with serving(SHARED):
        bob = by("bob")
        with pytest.raises(PermissionDenied) as refused:
            await bob.put_many(["good", {"text": "x", "trusted": True}])
        assert refused.value.context["path"] == "$.entries[1].trusted"
        await bob.put("x", id="e")
        with pytest.raises(PermissionDenied, match=r"\$\.trusted"):
            await bob.update("e", trusted=True)
        with pytest.raises(PermissionDenied, match=r"\$\.trusted"):
            _ = [one async for one in bob.ingest("a.md", "text", trusted=True)]
        assert (await bob.stats()).namespaces[0].entries == 1


async def test_what_others_vouched_for_is_taken_over_without_their_word(
    serving: Serving, by: As
) -> None:
    async with serving(SHARED):
        await by("ana").put("x", id="e", trusted=True)
        entries = [one async for one in by("ana").export()]
        await by("bob").import_(entries)
        taken = await by("bob").get("e")
        assert (taken.by, taken.trusted) == ("bob", False)


async def test_only_who_is_named_makes_all_vectors_anew(serving: Serving, by: As) -> None:
    async with serving('reindexers = ["eve"]\n' + SHARED):
        with pytest.raises(PermissionDenied, match="ana may not re-index"):
            _ = [one async for one in by("ana").reindex("hashing:8")]
        assert (await by("ana").stats()).embedder.startswith("hashing:64")
        _ = [one async for one in by("eve").reindex("hashing:8")]
        assert (await by("ana").stats()).embedder.startswith("hashing:8")


# --- times ----------------------------------------------------------------------------------------


def exported(clock: Clock, **changed: Any) -> Entry:
    times = dict.fromkeys(("at", "created", "updated"), clock.now)
    return Entry(**{"id": "e", "namespace": "ana", "text": "x", **times, **changed})


async def test_no_time_of_an_import_makes_an_entry_that_cannot_be_read(
    ana: Memory, clock: Clock
) -> None:
    last = datetime(9999, 1, 1, tzinfo=UTC)
    await ana.import_([exported(clock, expires=last)])
    with pytest.raises(BadPayload, match=r"\$\.ttl"):
        await ana.update("e", refresh=True)
    assert (await ana.update("e", ttl=LONGEST, refresh=True)).ttl == LONGEST
    assert [one.id async for one in ana.export()] == ["e"]


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("updated", {"updated": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("expires", {"expires": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("seq", {"seq": 2**53, "session": "s"}),
    ],
)
async def test_an_import_that_cannot_have_been_is_refused(
    ana: Memory, clock: Clock, path: str, changed: dict[str, Any]
) -> None:
    good = exported(clock, id="good")
    with pytest.raises(BadPayload) as refused:
        await ana.import_([good, exported(clock, **changed)])
    assert refused.value.context["path"] == f"$.entries[1].{path}"
    assert (await ana.stats()).namespaces[0].entries == 0


async def test_history_forgets_what_was_to_be_forgotten(ana: Memory, clock: Clock) -> None:
    await ana.put("for a minute", id="e", ttl=60.0)
    await ana.update("e", text="for an hour", ttl=3600.0)
    assert len((await ana.history("e")).earlier) == 1
    clock.move(60)
    assert (await ana.history("e")).earlier == []


async def test_a_change_never_shortens_the_time_that_reading_gave(
    ana: Memory, clock: Clock
) -> None:
    await ana.put("e", id="e", ttl=10.0, refresh=True)
    for _ in range(5):
        clock.move(5)
        await asyncio.gather(ana.get("e"), ana.update("e", importance=0.5))
        left = await ana.get("e", touch=False)
        assert left.expires == clock.now + timedelta(seconds=10)


async def test_links_made_at_once_are_all_there(ana: Memory) -> None:
    await ana.put_many([msgspec.to_builtins({"text": "x", "id": f"e{n}"}) for n in range(9)])
    await asyncio.gather(*(ana.link("e0", f"e{n}") for n in range(1, 9)))
    linked = {one.to for one in (await ana.get("e0")).links}
    assert linked == {f"e{n}" for n in range(1, 9)}


async def test_an_id_with_a_line_feed_is_none(ana: Memory) -> None:
    await ana.put("x", id="e")
    with pytest.raises(BadPayload, match=r"links\[0\]\.to"):
        await ana.put("y", links=[Link("abc\n")])
    with pytest.raises(NotFound):
        await ana.link("e", "abc\n")
