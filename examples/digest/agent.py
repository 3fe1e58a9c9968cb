"""The digest agent: facts about one file, in any language and of any size.

    DIGEST_ROOT=~/notes pepperpy worker examples/digest/agent.py:agent

It reads files below DIGEST_ROOT (by default the current folder) and nothing else, whoever asks. It
also answers questions about what the memory has taken in (librarian.py).
"""

import hashlib
import os
import re
import stat
import time
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

from librarian import ask
from msgspec import Meta, Struct

from pepperpy import Agent, Rejected

ROOT = Path(os.environ.get("DIGEST_ROOT", ".")).resolve()
CHUNK = 1024 * 1024
TOP_TERMS = 20
MANY_TERMS = 100_000  # different words of one file that are counted at a time
WORDS_PER_SECOND = 238 / 60  # a common estimate for reading silently
IDEOGRAMS_PER_SECOND = 500 / 60

_IDEOGRAM = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAM}]|[^\W\d_{_IDEOGRAM}]+")

agent = Agent("digest", version="1.0.0")
agent.task("ask", retries=2, timeout="5m")(ask)


class File(Struct):
    """What to read.

    Attributes:
        path: Below the worker's root, with slashes.
        pause: Seconds to wait before reading, so that there is something to watch.
    """

    path: str
    pause: Annotated[float, Meta(ge=0, le=10)] = 0.0


class Term(Struct):
    """A word and how often it occurs."""

    term: str
    count: int


class Digest(Struct, omit_defaults=True):
    """The facts about one file.

    Attributes:
        path: As it was asked for.
        kind: text, binary or unreadable.
        size: Bytes.
        sha256: Of the whole content, in hex; empty when unreadable.
        encoding: How the text was decoded; latin-1 stands for any unknown 8-bit one.
        lines: Lines of text.
        words: Words; each ideogram counts as one.
        reading_seconds: A common estimate.
        terms: The most frequent words of at least four letters.
        problem: Why it is unreadable.
    """

    path: str
    kind: str
    size: int = 0
    sha256: str = ""
    encoding: str = ""
    lines: int = 0
    words: int = 0
    reading_seconds: float = 0.0
    terms: list[Term] = []
    problem: str = ""


@agent.task("digest", retries=2, timeout="5m")
def digest(file: File) -> Digest:
    """Says how large a file is, what it is and what it talks about."""
    time.sleep(file.pause)
    try:
        path = confined(file.path)
        with path.open("rb") as content:
            status = os.fstat(content.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Rejected(f"{file.path} is not a regular file")
            sha256, encoding = fingerprint(content)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        problem = getattr(error, "strerror", None) or str(error)
        return Digest(path=file.path, kind="unreadable", problem=problem)
    if not encoding:
        return Digest(path=file.path, kind="binary", size=status.st_size, sha256=sha256)
    lines, counts = read_text(path, encoding)
    words = counts.total()
    ideograms = sum(n for term, n in counts.items() if len(term) == 1 and term > "\u3000")
    seconds = (words - ideograms) / WORDS_PER_SECOND + ideograms / IDEOGRAMS_PER_SECOND
    long_enough = Counter({term: n for term, n in counts.items() if len(term) >= 4})
    return Digest(
        path=file.path,
        kind="text",
        size=status.st_size,
        sha256=sha256,
        encoding=encoding,
        lines=lines,
        words=words,
        reading_seconds=round(seconds, 1),
        terms=[Term(term, n) for term, n in long_enough.most_common(TOP_TERMS)],
    )


def confined(name: str) -> Path:
    """Returns the file of that name below the root; refuses what leads out of it.

    A pipe or a device is refused before it is opened: opening one may wait for ever.
    """
    if "\0" in name:
        raise Rejected("the path holds a NUL")
    path = (ROOT / name).resolve(strict=True)
    if not path.is_relative_to(ROOT):
        raise Rejected(f"{name} leads out of the folder that this worker reads")
    if not path.is_file():
        raise Rejected(f"{name} is not a regular file")
    return path


def fingerprint(content: BinaryIO) -> tuple[str, str]:
    """Returns the hash of an open file and the encoding of its text; empty for a binary one."""
    sha256 = hashlib.sha256()
    beginning = content.read(CHUNK)
    encoding = guess(beginning)
    decoder = getincrementaldecoder("utf-8")()
    chunk = beginning
    while True:
        sha256.update(chunk)
        if encoding == "utf-8":
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError:
                encoding = "latin-1"
        if not chunk:
            return sha256.hexdigest(), encoding
        chunk = content.read(CHUNK)


def guess(chunk: bytes) -> str:
    """Returns the encoding that a file's beginning speaks for; empty for a binary file."""
    if chunk.startswith(BOM_UTF8):
        return "utf-8-sig"
    if chunk.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    return "" if b"\0" in chunk else "utf-8"


def read_text(path: Path, encoding: str) -> tuple[int, "Counter[str]"]:
    """Returns the number of lines and of each word, reading piece by piece."""
    lines = 0
    counts: Counter[str] = Counter()
    ends_in_newline = True
    for piece in pieces(path, encoding):
        lines += piece.count("\n")
        ends_in_newline = piece.endswith("\n")
        counts.update(word.casefold() for word in _WORD.findall(piece))
        if len(counts) > 2 * MANY_TERMS:
            rare = sum(counts.values())
            counts = Counter(dict(counts.most_common(MANY_TERMS)))
            counts[""] += rare - sum(counts.values())  # they still count as words
    return lines + (not ends_in_newline), counts


def pieces(path: Path, encoding: str) -> Iterator[str]:
    """Yields a text in pieces that end where a line or word does, as far as there are any."""
    rest = ""
    with path.open(encoding=encoding, errors="replace") as text:
        while piece := text.read(CHUNK):
            piece = rest + piece
            cut = max(piece.rfind("\n"), piece.rfind(" ")) + 1
            if cut == 0 or len(piece) - cut > CHUNK:
                cut = len(piece)
            rest = piece[cut:]
            yield piece[:cut]
    if rest:
        yield rest
