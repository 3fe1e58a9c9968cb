"""A log as a file is checked like the log itself, and known when it was cut off."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_monitor_svc.audit.acts import Act
from pepperpy_monitor_svc.audit.chain import START, chained, head_of
from pepperpy_monitor_svc.audit.exporting import first_line, last_line, verify_lines
from pepperpy_schemas.audit import ChainHead
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload

KEY = b"k" * 32


def exported(count: int, key: bytes = b"") -> list[bytes]:
    acts = [
        Act(at="2026-11-29T12:00:00.000000Z", action="submit", target=f"t{n}", source=f"S:{n}")
        for n in range(count)
    ]
    records = chained(acts, START)
    end = last_line(head_of(records, START), key=key)
    return [first_line("pp"), *map(encode, records), end]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9), st.booleans())
def test_a_whole_file_is_whole(count: int, sealed: bool) -> None:
    key = KEY if sealed else b""
    verdict = verify_lines(exported(count, key), key=key)
    assert (verdict.ok, verdict.records, verdict.head.seq) == (True, count, count)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.data())
def test_a_file_that_was_cut_off_is_named(count: int, data: st.DataObject) -> None:
    lines = exported(count)
    left = data.draw(st.integers(1, count + 1))
    (fault,) = verify_lines(lines[:left]).faults
    assert (fault.kind, fault.seq) == ("truncated", left)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.data())
def test_a_line_that_was_taken_out_is_named(count: int, data: st.DataObject) -> None:
    lines = exported(count)
    gone = data.draw(st.integers(1, count))
    del lines[gone]
    (fault,) = verify_lines(lines).faults
    kind = "removed" if gone < count else "truncated"
    assert (fault.kind, fault.seq) == (kind, gone)


def test_a_line_that_is_none_is_named() -> None:
    lines = exported(3)
    lines[2] = b"{"
    (fault,) = verify_lines(lines).faults
    assert (fault.kind, fault.seq) == ("unreadable", 2)


@pytest.mark.parametrize("more", [b'"note":"bo did it"', b'"by":"bo","by":"somebody"'])
def test_what_no_hash_is_made_of_is_named(more: bytes) -> None:
    lines = exported(3)
    by = b'"by":' + encode(json.loads(lines[2])["by"])
    lines[2] = lines[2][:-1] + b"," + more.replace(b'"by":"somebody"', by) + b"}"
    (fault,) = verify_lines(lines).faults
    assert (fault.kind, fault.seq) == ("unreadable", 2)
    assert verify_lines(line + b"\r" for line in exported(3)).ok


def test_what_stands_behind_the_end_is_named() -> None:
    lines = exported(2)
    (fault,) = verify_lines([*lines, lines[1]]).faults
    assert (fault.kind, fault.seq) == ("unreadable", 3)


def test_an_end_that_was_written_anew_needs_the_key() -> None:
    lines = exported(3, KEY)
    shorter = exported(2)
    assert verify_lines(shorter).ok, "nothing but the key says that there were more"
    (fault,) = verify_lines([*lines[:3], shorter[-1]], key=KEY).faults
    assert (fault.kind, fault.seq) == ("seal", 2)
    (fault,) = verify_lines(shorter, known=[ChainHead(3, "ab" * 32)]).faults
    assert (fault.kind, fault.seq) == ("truncated", 3)


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(BadPayload, match="no export"):
        verify_lines([b"id,name"])
    with pytest.raises(BadPayload, match="pepperpy-audit/1"):
        verify_lines([json.dumps({"format": "other/2", "prefix": "pp"}).encode()])
    with pytest.raises(BadPayload, match="no export"):
        verify_lines([])
