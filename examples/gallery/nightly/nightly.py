"""A digest of what was written since the last one, made at night by the broker's clock.

    pepperpy publish nightly --data null --cron "0 30 2 * * *" --tz Europe/Lisbon --id nightly

Each note is one step: when the worker dies, the next one goes on with the first note that is not
told yet. When the digest before this one was is kept on the bus, so that a night that was missed
is made good by the next one, and nothing is told twice.
"""

import os
from pathlib import Path

from msgspec import Struct

from pepperpy import Agent, Context

HERE = Path(__file__).parent
NOTES = Path(os.environ.get("NIGHTLY_NOTES", HERE / "notes"))
DIGESTS = Path(os.environ.get("NIGHTLY_DIGESTS", "digests"))
MOST = 8000
"""Characters of a note that the model is given."""
PROMPT = "Say in at most two sentences what matters in this note for the day. The note:\n\n{note}"

agent = Agent("nightly", version="1.0.0")


class Digest(Struct):
    """What was made.

    Attributes:
        file: Where it is; empty when nothing was new.
        notes: How many notes are in it.
    """

    file: str
    notes: int


class Note(Struct):
    name: str
    text: str


class Edition(Struct):
    """What a digest is made of.

    Attributes:
        name: The digest's file.
        notes: What is new in it.
        until: When the last of them was written, in seconds by the clock of their disk.
    """

    name: str
    notes: list[Note]
    until: float


@agent.task("nightly", retries=3, timeout="30m")
async def nightly(_: None, ctx: Context) -> Digest:
    """Tells what was written since the last digest."""
    until = (await ctx.state.get("until", type=float, default=0.0)).value
    edition = await ctx.step("look", look, f"{ctx.now:%Y-%m-%dT%H%M}", until)
    if not edition.notes:
        return Digest("", 0)
    told = [f"# Digest of {edition.name}"]
    for number, note in enumerate(edition.notes, start=1):
        await ctx.progress(number / len(edition.notes), note.name)
        said = await ctx.step(f"tell {number}", ctx.llm.chat, PROMPT.format(note=note.text))
        told.append(f"## {note.name}\n\n{said.text.strip()}")
    file = await ctx.step("write", write, edition.name, "\n\n".join(told) + "\n")
    await ctx.state.set("until", edition.until)
    return Digest(file, len(edition.notes))


def look(name: str, until: float) -> Edition:
    """Returns the notes that were written since those of the last digest, the oldest first."""
    written = {file: file.stat().st_mtime for file in NOTES.glob("*.md")}
    new = sorted((file for file in written if written[file] > until), key=written.__getitem__)
    return Edition(
        name,
        [Note(file.name, file.read_text("utf-8", "replace")[:MOST]) for file in new],
        max([until, *(written[file] for file in new)]),
    )


def write(name: str, text: str) -> str:
    """Writes a digest, and returns where."""
    DIGESTS.mkdir(exist_ok=True)
    file = DIGESTS / f"{name}.md"
    file.write_text(text, "utf-8")
    return str(file)
