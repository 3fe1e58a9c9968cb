from pathlib import Path

import pytest
from research import Claim

pytestmark = pytest.mark.pepper("research/reader.yaml", "research:agent")

PAPERS = Path(__file__).with_name("papers")
PAY = "To the keeper, 38 crowns a month and oil for one lamp."
ACCOUNTS, LETTER = "papers/accounts.md:1-8", "papers/letter.md:1-6"


async def take_in(memory):
    for paper in sorted(PAPERS.glob("*.md")):
        text = paper.read_text("utf-8")
        async for _ in memory.within(namespace="papers").ingest(
            f"papers/{paper.name}", text=text, folder="papers"
        ):
            pass


async def test_only_what_is_quoted_where_it_stands_is_told(pepper, remembering):
    await take_in(await remembering("hashing:64"))
    claims = [
        Claim("He was paid 38 crowns.", ACCOUNTS, PAY.replace(" and ", "\nand ").upper()),
        Claim("He had a free house.", ACCOUNTS, "The keeper lives in the house for free."),
        Claim("He wrote that he is paid.", LETTER, PAY),
        Claim("He was paid.", ACCOUNTS, "crowns a"),
        Claim("The lamp went out.", LETTER, "The lamp did go out, on the night of 2 August"),
    ]
    pepper.model.calls_tool("memory.search", text="lamp", namespace="papers")
    pepper.model.replies({"claims": claims})
    report = await pepper.run("research", {"text": "What is known of the keeper?"})
    assert report.text == "He was paid 38 crowns. [1] The lamp went out. [2]"
    assert report.sources == [ACCOUNTS, LETTER]
    assert [claim.text for claim in report.unsupported] == [
        "He had a free house.",
        "He wrote that he is paid.",
        "He was paid.",
    ]
    first = pepper.model.requests[0]
    assert any(PAY in message.text for message in first.messages)  # recalled before the question


async def test_nothing_is_claimed_of_an_empty_memory(pepper, remembering):
    await remembering("hashing:64")
    pepper.model.replies({"claims": []})
    report = await pepper.run("research", {"text": "What is known of the keeper?"})
    assert (report.text, report.sources, report.unsupported) == ("", [], [])
