"""What becomes of a row when it is put: the same in every store."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind, Row
from pepperpy_memory_svc.stores.values import check_number, check_text, check_vector, refuse
from pepperpy_schemas.errors import Conflict, NotFound, WrongSequence
from pepperpy_schemas.memory import Entry

MAX_NAME = 100_000
"""Longest name of a generation, which says how each namespace's words were made."""
MAX_DIMS = 16_000
"""Most numbers of a vector."""
MAX_BROUGHT = 2**30
"""Highest version that an entry may bring: the next ones have to fit in 32 bits, too."""


def alive(entry: Entry | None, now: datetime) -> Entry | None:
    """Returns the entry unless it is expired."""
    if entry is None or (entry.expires is not None and entry.expires <= now):
        return None
    return entry


def stored(row: Row, before: Entry | None, *, now: datetime, last: int, gone: int) -> Entry:
    """Returns the entry as it is stored in the place of another one.

    What comes where one was deleted or has expired is another entry, so it begins above every
    version that was there: who still expects one of those, or made vectors of it, is told so.

    Args:
        row: What is put.
        before: What its place has, expired or not.
        now: The time that it may have expired by.
        last: The highest place that is taken in its conversation.
        gone: The highest version of all that was removed from the namespace.

    Raises:
        Conflict: Another version is there than expected.
    """
    there = alive(before, now)
    expected = 0 if there is None else there.version
    if row.expected is not None and row.expected != expected:
        raise conflict(row, expected)
    if there is not None:
        version, created = there.version + 1, there.created
    else:
        last_there = 0 if before is None else before.version
        version, created = max(brought(row.entry), last_there + 1, gone + 1), row.entry.created
    return msgspec.structs.replace(
        row.entry, version=version, created=created, seq=_seq(row.entry, there, last)
    )


def brought(entry: Entry) -> int:
    """Returns the version that an entry begins with at least: the one of an export goes on."""
    return min(entry.version, MAX_BROUGHT)


def conflict(row: Row, there: int) -> Conflict:
    """Returns the error for a row that expected another version than the one that is there."""
    return Conflict(
        f"entry {row.entry.id} has version {there}, not {row.expected}",
        hint="read the entry again, and send the version that it has",
        context={"id": row.entry.id, "version": there, "expected": row.expected},
    )


def _seq(entry: Entry, before: Entry | None, last: int) -> int:
    if not entry.session or entry.seq:
        return entry.seq
    if before is not None and before.session == entry.session:
        return before.seq
    return last + 1


def renewed(entry: Entry, now: datetime) -> datetime | None:
    """Returns when an entry expires that is read now; None when reading changes nothing."""
    if entry.ttl is None:
        return None
    # Whatever is after the calendar's end is its end.
    seconds = min(
        now.timestamp() + entry.ttl, datetime.max.replace(tzinfo=UTC).timestamp() - 86_400
    )
    return datetime.fromtimestamp(seconds, UTC)


def check_generations(rows: Sequence[Row], generations: Iterable[Generation]) -> None:
    """Refuses rows whose writer knows other generations than there are, and wrong vectors."""
    known = {each.number: each for each in generations}
    for row in rows:
        _check_covered(row.vectors or {}, "embedding", known)
        _check_covered(row.lexemes or {}, "analyser", known)
        for number, vector in (row.vectors or {}).items():
            if vector is not None:
                check_vector(vector, known[number])


def _check_covered(numbers: Iterable[int], kind: Kind, known: dict[int, Generation]) -> None:
    given = set(numbers)
    for number in given:
        generation_of(number, kind, known.values())
    current = {
        each.number for each in known.values() if each.kind == kind and each.state == "current"
    }
    if given and not current <= given:
        raise WrongSequence(
            f"generation {min(current)} is current now, not {min(given)}",
            retryable=True,
            hint="read the generations again",
            context={"current": min(current)},
        )


def generation_of(number: int, kind: Kind, generations: Iterable[Generation]) -> Generation:
    """Returns a generation that a caller believes to be there.

    Raises:
        WrongSequence: It is not.
    """
    for each in generations:
        if each.number == number and each.kind == kind:
            return each
    raise WrongSequence(
        f"there is no generation {number} of kind {kind}",
        retryable=True,
        hint="read the generations again",
        context={"generation": number},
    )


def named(number: int, generations: Iterable[Generation]) -> Generation:
    """Returns the generation with this number.

    Raises:
        NotFound: There is none.
    """
    for each in generations:
        if each.number == number:
            return each
    raise NotFound(f"there is no generation {number}", context={"generation": number})


def check_fillings(fillings: Sequence[Filling], generation: Generation) -> None:
    """Refuses vectors that are not of the generation."""
    for each in fillings:
        if generation.kind == "embedding" and each.vector is not None:
            check_vector(each.vector, generation)


def check_begun(kind: Kind, name: str, dims: int, there: Generation | None) -> None:
    """Refuses a generation that cannot be."""
    check_text(name, "name", most=MAX_NAME, least=1)
    check_number(
        dims, "dims", least=int(kind == "embedding"), most=MAX_DIMS if kind == "embedding" else 0
    )
    if there is not None and there.dims != dims:
        raise refuse("dims", f"vectors of {name} have {there.dims} numbers, not {dims}")
