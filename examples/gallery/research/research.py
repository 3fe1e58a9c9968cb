"""Research with citations that were checked: no claim without a quote that is in the documents.

A model reads and claims (reader.yaml). This agent asks it, looks each quote up in the memory, and
keeps what is really there. What was made up is in the report as well, under its own name.
"""

from typing import Any

from msgspec import Struct

from pepperpy import Agent, Context

WORDS = 3  # a shorter quote is in many a document, and proves nothing

agent = Agent("research", version="1.0.0")


class Question(Struct):
    text: str


class Claim(Struct):
    """What the reader says.

    Attributes:
        text: The claim.
        source: File and lines, as the memory knows them.
        quote: What the source says, word for word.
    """

    text: str
    source: str
    quote: str


class Draft(Struct):
    claims: list[Claim]


class Report(Struct):
    """The answer.

    Attributes:
        text: The claims that hold, each with the number of its source.
        sources: The sources by number, from 1.
        unsupported: The claims whose quote is not where they say that it is.
    """

    text: str
    sources: list[str]
    unsupported: list[Claim]


@agent.task("research", retries=2, timeout="10m")
async def research(question: Question, ctx: Context) -> Report:
    """Asks the reader, and keeps what its sources say."""
    draft = await ctx.run("read", {"text": question.text}, type=Draft)
    sentences: list[str] = []
    sources: list[str] = []
    unsupported: list[Claim] = []
    for number, claim in enumerate(draft.claims, start=1):
        if not await ctx.step(f"check {number}", is_quoted, ctx, claim):
            unsupported.append(claim)
            continue
        if claim.source not in sources:
            sources.append(claim.source)
        sentences.append(f"{claim.text} [{sources.index(claim.source) + 1}]")
    return Report(" ".join(sentences), sources, unsupported)


async def is_quoted(ctx: Context, claim: Claim) -> bool:
    """Returns whether the memory has the quote in the passage that the claim names."""
    if len(claim.quote.split()) < WORDS:
        return False
    memory = ctx.memory.within(namespace="papers", session="", agent="")
    where: dict[str, Any] = {"op": "eq", "field": "source", "value": claim.source}
    found = await memory.search(claim.quote, where=where, limit=1)
    return any(squeezed(claim.quote) in squeezed(hit.entry.text) for hit in found.hits)


def squeezed(text: str) -> str:
    """A text without what only lays it out: line breaks and the case of letters."""
    return " ".join(text.split()).casefold()
