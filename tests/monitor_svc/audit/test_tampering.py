"""Whatever is done to the records of a chain, the first one that it was done to is named."""

import hashlib
import json

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.audit.acts import Act, text_of
from pepperpy_monitor_svc.audit.chain import START, chained, hash_of, head_of, sealed
from pepperpy_monitor_svc.audit.checking import Checker
from pepperpy_schemas.audit import AuditVerdict, ChainBlock, ChainedRecord, ChainHead, Place

KEY = b"an operator's key of 32 bytes...."

texts = st.text(max_size=12).map(text_of)
values = st.one_of(texts, st.booleans(), st.integers(-(2**53), 2**53))
acts = st.builds(
    Act,
    at=st.just("2026-11-29T12:00:00.000000Z"),
    by=texts,
    claimed=st.booleans(),
    action=st.sampled_from(["submit", "cancel", "answer"]),
    target=texts,
    data=st.dictionaries(texts, values, max_size=3),
    source=st.just("PP_NOTED:1"),
)
chains = st.lists(acts, min_size=3, max_size=12).map(lambda some: chained(some, START))


def checked(records: list[ChainedRecord], known: list[ChainHead] | None = None) -> AuditVerdict:
    checker = Checker(known=known or [])
    for record in records:
        checker.record(record)
    return checker.verdict()


def fault(verdict: AuditVerdict) -> tuple[str, int]:
    assert not verdict.ok
    return verdict.faults[0].kind, verdict.faults[0].seq


@settings(max_examples=40, deadline=None)
@given(chains)
def test_a_chain_that_nobody_touched_is_whole(records: list[ChainedRecord]) -> None:
    verdict = checked(records, [ChainHead(2, records[1].hash)])
    assert (verdict.ok, verdict.records) == (True, len(records))
    assert verdict.head == head_of(records, START)


@settings(max_examples=40, deadline=None)
@given(chains)
def test_the_hash_is_that_of_plain_sorted_json(records: list[ChainedRecord]) -> None:
    """Any language can compute it: Python's own library is one."""
    for record in records:
        plain = msgspec.to_builtins(record)
        del plain["hash"]
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == record.hash


@settings(max_examples=40, deadline=None)
@given(chains, st.data())
def test_a_changed_record_is_named(records: list[ChainedRecord], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(records) - 1))
    field = data.draw(st.sampled_from(["at", "by", "action", "target", "source", "prev"]))
    old = getattr(records[place], field)
    new = data.draw(texts)
    assume(new != old)
    records[place] = msgspec.structs.replace(records[place], **{field: new})
    assert fault(checked(records)) == ("changed", place + 1)


@settings(max_examples=40, deadline=None)
@given(chains, st.data())
def test_a_changed_record_with_a_new_hash_is_named(
    records: list[ChainedRecord], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(records) - 2))
    changed = msgspec.structs.replace(records[place], target=records[place].target + "x")
    records[place] = msgspec.structs.replace(changed, hash=hash_of(changed))
    assert fault(checked(records)) == ("changed", place + 1)


@settings(max_examples=40, deadline=None)
@given(chains, st.data())
def test_a_removed_record_is_named(records: list[ChainedRecord], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(records) - 2))
    del records[place]
    assert fault(checked(records)) == ("removed", place + 1)


@settings(max_examples=40, deadline=None)
@given(chains, acts, st.data())
def test_an_inserted_record_is_named(
    records: list[ChainedRecord], act: Act, data: st.DataObject
) -> None:
    """Even one that fits to the record before it."""
    place = data.draw(st.integers(1, len(records) - 1))
    (forged,) = chained([act], ChainHead(place, records[place - 1].hash))
    assume(forged.hash != records[place].hash)
    records.insert(place, forged)
    assert fault(checked(records)) == ("inserted", place + 1)


@settings(max_examples=40, deadline=None)
@given(chains, st.data())
def test_reordered_records_are_named(records: list[ChainedRecord], data: st.DataObject) -> None:
    one = data.draw(st.integers(0, len(records) - 2))
    other = data.draw(st.integers(one + 1, len(records) - 1))
    records[one], records[other] = records[other], records[one]
    assert fault(checked(records)) == ("reordered", one + 1)


@settings(max_examples=40, deadline=None)
@given(chains, st.data())
def test_a_log_that_was_cut_off_is_known_by_an_end_that_was_kept(
    records: list[ChainedRecord], data: st.DataObject
) -> None:
    end = head_of(records, START)
    left = data.draw(st.integers(0, len(records) - 1))
    assert checked(records[:left]).ok, "nothing in the records alone says how many there were"
    assert fault(checked(records[:left], [end])) == ("truncated", left + 1)


@settings(max_examples=30, deadline=None)
@given(chains, st.data())
def test_a_log_that_was_written_anew_is_known_by_an_end_that_was_kept(
    records: list[ChainedRecord], data: st.DataObject
) -> None:
    """A whole chain with other hashes is what somebody makes who may write everything."""
    end = head_of(records, START)
    some = [
        Act(at=one.at, by="nobody", action=one.action, source=one.source) for one in records[:-1]
    ]
    some.append(Act(at="2026-11-29T12:00:00.000000Z", action="other", source="PP_AUDIT:1"))
    assert fault(checked(chained(some, START), [end])) == ("changed", len(records))


def blocks(records: list[ChainedRecord], size: int, key: bytes) -> list[ChainBlock]:
    found = []
    for number, start in enumerate(range(0, len(records), size), start=1):
        some = records[start : start + size]
        block = ChainBlock(
            number=number, records=some, read={"PP_NOTED": Place(start)}, head=some[-1].hash
        )
        found.append(sealed(block, key))
    return found


def checked_blocks(some: list[ChainBlock], key: bytes) -> AuditVerdict:
    checker = Checker(key=key)
    for block in some:
        checker.block(block)
    return checker.verdict()


@settings(max_examples=30, deadline=None)
@given(chains, st.integers(1, 4), st.data())
def test_who_has_no_key_cannot_write_the_end_anew(
    records: list[ChainedRecord], size: int, data: st.DataObject
) -> None:
    """Not the last record either, behind which nothing follows."""
    whole = blocks(records, size, KEY)
    good = checked_blocks(whole, KEY)
    assert (good.ok, good.sealed) == (True, len(whole))
    last = whole[-1]
    end = msgspec.structs.replace(last.records[-1], target="forged", hash="")
    end = msgspec.structs.replace(end, hash=hash_of(end))
    forged = msgspec.structs.replace(last, records=[*last.records[:-1], end], head=end.hash)
    assert checked_blocks([*whole[:-1], forged], b"").ok, "the hashes alone say nothing of the end"
    kind, seq = fault(checked_blocks([*whole[:-1], forged], KEY))
    assert (kind, seq) == ("seal", last.records[0].seq)


@settings(max_examples=40, deadline=None)
@given(chains, st.integers(1, 4))
def test_a_seal_that_was_taken_off_is_named(records: list[ChainedRecord], size: int) -> None:
    whole = blocks(records, size, KEY)
    assume(len(whole) > 1)
    whole[-1] = msgspec.structs.replace(whole[-1], seal="")
    assert fault(checked_blocks(whole, KEY)) == ("seal", whole[-1].records[0].seq)
    assert checked_blocks(whole, b"").ok


@settings(max_examples=40, deadline=None)
@given(chains, st.integers(1, 4), st.text(min_size=1))
def test_a_log_without_seals_is_not_that_of_who_has_a_key(
    records: list[ChainedRecord], size: int, nonsense: str
) -> None:
    """Who writes all of it anew has no key, and would leave out every seal."""
    whole = blocks(records, size, b"")
    assert fault(checked_blocks(whole, KEY)) == ("seal", len(records))
    whole[0] = msgspec.structs.replace(whole[0], seal=nonsense)
    assert fault(checked_blocks(whole, KEY)) == ("seal", whole[0].records[0].seq)
