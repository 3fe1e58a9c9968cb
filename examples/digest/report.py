"""What a whole folder says: totals, terms, the longest files and the doubles."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from agent import Digest, Term
from msgspec import Struct
from rich.console import Console
from rich.table import Table

LONGEST = 3
TERMS = 12
EVERYWHERE = 0.6  # a term of more than this share of the texts tells nothing about any
ENOUGH_TEXTS = 5  # below this many, no such share is known
WIDE = 30  # characters of a path that a row has room for
ROWS = 30  # of the table; --json has every file


class File(Struct, omit_defaults=True):
    """One file's end.

    Attributes:
        path: The file.
        task: The id of its task.
        digest: The facts; None when the task failed.
        error: Why it failed.
        attempt: The attempt that ended it.
        worker: The worker that did.
    """

    path: str
    task: str
    digest: Digest | None = None
    error: str = ""
    attempt: int = 1
    worker: str = ""


class Totals(Struct):
    """The folder as a whole."""

    files: int
    texts: int
    binaries: int
    unreadable: int
    failed: int
    missing: int
    bytes: int
    lines: int
    words: int
    reading_seconds: float
    repeated: int
    terms: list[Term]
    longest: list[str]
    doubles: list[list[str]]


class Killed(Struct):
    """The worker that was killed on purpose.

    Attributes:
        worker: Its name.
        pid: Its process.
        held: The files that it was working on.
    """

    worker: str
    pid: int
    held: list[str]


class Report(Struct):
    """Everything that `run.py --json` prints."""

    totals: Totals
    workers: dict[str, int]
    killed: Killed | None
    files: list[File]


def summarize(files: Sequence[File], *, missing: int) -> Totals:
    """Returns the totals over all files."""
    digests = [file.digest for file in files if file.digest is not None]
    texts = [one for one in digests if one.kind == "text"]
    by_hash: dict[str, list[str]] = defaultdict(list)
    for one in digests:
        if one.size:
            by_hash[one.sha256].append(one.path)
    return Totals(
        files=len(files) + missing,
        texts=len(texts),
        binaries=sum(one.kind == "binary" for one in digests),
        unreadable=sum(one.kind == "unreadable" for one in digests),
        failed=sum(file.digest is None for file in files),
        missing=missing,
        bytes=sum(one.size for one in digests),
        lines=sum(one.lines for one in texts),
        words=sum(one.words for one in texts),
        reading_seconds=round(sum(one.reading_seconds for one in texts), 1),
        repeated=sum(file.attempt > 1 for file in files),
        terms=common_terms(texts),
        longest=[one.path for one in sorted(texts, key=lambda one: -one.words)[:LONGEST]],
        doubles=sorted(sorted(paths) for paths in by_hash.values() if len(paths) > 1),
    )


def common_terms(texts: Sequence[Digest]) -> list[Term]:
    """Returns the terms of the whole, without those that stand in nearly every text."""
    counts: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    for text in texts:
        for term in text.terms:
            counts[term.term] += term.count
            spread[term.term] += 1
    limit = EVERYWHERE * len(texts) if len(texts) >= ENOUGH_TEXTS else len(texts)
    telling = [(term, n) for term, n in counts.most_common() if spread[term] <= limit]
    return [Term(term, n) for term, n in telling[:TERMS]]


def show(report: Report, console: Console) -> None:
    """Prints the report for people."""
    console.print(_files(report.files))
    console.print(_totals(report))


def _files(files: Sequence[File]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", no_wrap=True)
    for name, width in (("size", 8), ("lines", 5), ("words", 5), ("reading", 7), ("try", 3)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    table.add_column("most frequent", no_wrap=True)
    for file in files[:ROWS]:
        table.add_row(*_cells(file))
    if len(files) > ROWS:
        table.caption = f"… and {len(files) - ROWS} more: all of them with --json"
        table.caption_justify = "left"
    return table


def _cells(file: File) -> list[str]:
    one = file.digest
    attempt = str(file.attempt)
    path = file.path if len(file.path) <= WIDE else f"…{file.path[1 - WIDE :]}"
    if one is None:
        return [path, "", "", "", "", attempt, f"failed: {file.error}"]
    if one.kind == "unreadable":
        return [path, "", "", "", "", attempt, f"unreadable: {one.problem}"]
    size = _size(one.size)
    if one.kind == "binary":
        return [path, size, "", "", "", attempt, "(binary)"]
    terms = " ".join(term.term for term in one.terms[:3])
    reading = _time(one.reading_seconds)
    return [path, size, str(one.lines), str(one.words), reading, attempt, terms]


def _totals(report: Report) -> Table:
    totals = report.totals
    rows: list[tuple[str, Any]] = [
        (
            "files",
            f"{totals.files}: {totals.texts} texts, {totals.binaries} binary, "
            f"{totals.unreadable} unreadable, {totals.failed} failed, {totals.missing} missing",
        ),
        (
            "content",
            f"{_size(totals.bytes)}, {totals.lines} lines, {totals.words} words, "
            f"{_time(totals.reading_seconds)} to read",
        ),
        ("terms", ", ".join(f"{term.term} ({term.count})" for term in totals.terms)),
        ("longest", ", ".join(totals.longest)),
        ("same content", "; ".join(" = ".join(paths) for paths in totals.doubles)),
        ("by worker", ", ".join(f"{name}: {n}" for name, n in sorted(report.workers.items()))),
    ]
    if report.killed is not None:
        held = ", ".join(report.killed.held) or "nothing"
        rows.append(
            ("killed", f"{report.killed.worker} (process {report.killed.pid}), with {held}")
        )
        rows.append(("after that", f"{totals.repeated} repeated, {totals.missing} missing"))
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        if text:
            table.add_row(f"[bold]{name}[/bold]", text)
    return table


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
