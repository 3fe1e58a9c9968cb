"""What is shown of what was found."""

from datetime import datetime

import pytest

from pepperpy_memory_svc.stores.rows import Brief, Candidates, Wanted
from pepperpy_schemas.memory import Eq
from tests.memory_svc.remembering.conftest import As, Serving


async def test_what_goes_while_it_is_found_makes_room_for_the_next(
    serving: Serving, by: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as offer:
        ana, store = by("ana"), offer.parts.store
        for number in range(5):
            text = "parcel " + "of somebody " * number
            await ana.put(text, id=f"e{number}", metadata={"n": 1})
        where = Eq("metadata.n", 1)
        before = [hit.entry.id for hit in (await ana.search("parcel", where=where)).hits]
        assert len(before) == 5
        whole = store.candidates

        async def fleeting(wanted: Wanted, *, now: datetime) -> Candidates:
            """Finds, in brief; then the best is deleted, and the second is no longer meant."""
            found = await whole(wanted, now=now)
            await store.delete("ana", [before[0]], now=now)
            await ana.update(before[1], metadata={"n": 2})
            briefs = {
                id_: Brief(id_, one.lang, one.session, one.seq, (), one.importance)
                for id_, one in found.entries.items()
            }
            return Candidates(found.vector, found.words, {}, briefs)

        monkeypatch.setattr(store, "candidates", fleeting)
        reply = await ana.search("parcel", where=where, limit=2)
        assert [hit.entry.id for hit in reply.hits] == before[2:4]
        assert all(hit.snippet.startswith("**parcel**") for hit in reply.hits)
        assert reply.more
