"""The declaration, read again while the service runs."""

from pathlib import Path

import pytest

from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser
from pepperpy_schemas.errors import BadConfig, NotFound
from tests.memory_svc.remembering.conftest import DECLARED, As, Serving

SHARED = DECLARED.replace('principals = ["ana"]', 'principals = ["ana", "bob"]')


async def test_a_declaration_is_in_force_when_it_is_read_again(
    serving: Serving, by: As, tmp_path: Path
) -> None:
    async with serving() as offer:
        await by("ana").put("The parcel is in Lisbon.", id="e1")
        bob = by("bob").within(namespace="ana")
        with pytest.raises(NotFound):
            await bob.get("e1")
        (tmp_path / "memory.toml").write_text(SHARED)
        await offer.reload()
        assert (await bob.get("e1")).by == "ana"
        assert (await bob.search("parcel", mode="text")).hits[0].entry.id == "e1"


async def test_a_wrong_declaration_changes_nothing(
    serving: Serving, by: As, tmp_path: Path
) -> None:
    async with serving() as offer:
        await by("ana").put("The parcel is in Lisbon.", id="e1")
        before = offer.parts
        (tmp_path / "memory.toml").write_text("[namespaces.ana]\nprincipal = 3\n")
        with pytest.raises(BadConfig, match=r"namespaces\.ana\.principal = 3"):
            await offer.reload()
        assert offer.parts is before
        assert (await by("ana").get("e1")).text == "The parcel is in Lisbon."


async def test_words_that_are_made_otherwise_now_are_made_anew_of_all_entries(
    serving: Serving, by: As, tmp_path: Path
) -> None:
    async with serving(analyser=LanguageAnalyser()) as offer:
        ana = by("ana")
        await ana.put("Die Pakete liegen seit gestern beim Nachbarn.", id="e1")
        assert (await ana.search("Paket", mode="text")).hits
        (tmp_path / "memory.toml").write_text(
            DECLARED + '\n[namespaces.ana.words]\nroot = "none"\n'
        )
        await offer.reload()
        assert not (await ana.search("Paket", mode="text")).hits
        assert (await ana.search("Pakete", mode="text")).hits
        await ana.put("Ein Paket ist zurück.", id="e2")
        assert [hit.entry.id for hit in (await ana.search("Paket", mode="text")).hits] == ["e2"]
