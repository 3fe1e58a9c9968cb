"""The log as a file: a line a record, and a last line that says where it ends.

The first line says what it is, each of the others is a record in JSON, and the last one names the
end of the chain, so that a file which was cut off is known for one.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pepperpy_monitor_svc.audit.checking import Checker
from pepperpy_schemas.audit import AuditVerdict, ChainedRecord, ChainHead
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadPayload, PepperError

FORMAT: Final = "pepperpy-audit/1"


class _Begin(msgspec.Struct, frozen=True):
    format: str
    prefix: str


class _End(msgspec.Struct, frozen=True):
    """The last line: the end of the chain, sealed with the operator's key where there is one."""

    end: ChainHead
    seal: str = ""


def first_line(prefix: str) -> bytes:
    """Returns the first line of a file."""
    return encode(_Begin(FORMAT, prefix))


def last_line(head: ChainHead, *, key: bytes = b"") -> bytes:
    """Returns the last line of a file that ends with a record."""
    return encode(_End(head, _seal(head, key)))


def verify_lines(
    lines: Iterable[bytes], *, key: bytes = b"", known: Sequence[ChainHead] = ()
) -> AuditVerdict:
    """Looks whether a file holds what was written.

    Args:
        lines: Its lines.
        key: The operator's key; the last line must be sealed with it.
        known: Ends of the chain that were kept elsewhere.

    Raises:
        BadPayload: It is no such file.
    """
    rest = iter(lines)
    try:
        begin = decode(next(rest, b""), _Begin)
    except PepperError as error:
        raise BadPayload(f"the file is no export of an audit log: {error.message}") from error
    if begin.format != FORMAT:
        raise BadPayload(f"the file has the form {begin.format!r:.60}, not {FORMAT!r}")
    end: _End | None = None
    checker = Checker(known=known)
    for line in rest:
        if end is not None:
            checker.unreadable("something stands behind the end")
            break
        try:
            record = decode(line, ChainedRecord)
        except PepperError as error:
            end = _read_end(line)
            if end is None:
                checker.unreadable(f"its line cannot be read: {error.message}")
                break
        else:
            if encode(record) != line.strip():
                # A field that no hash is made of, or one that is there twice.
                checker.unreadable("its line says more than the record, or says it otherwise")
            checker.record(record)
    return _with_end(checker, end, key)


def _read_end(line: bytes) -> _End | None:
    try:
        return decode(line, _End)
    except PepperError:
        return None


def _with_end(checker: Checker, end: _End | None, key: bytes) -> AuditVerdict:
    if end is None:
        checker.cut_off("the file has no last line")
    else:
        checker.ends_with(end.end)
        if key and not hmac.compare_digest(end.seal.encode(), _seal(end.end, key).encode()):
            checker.badly_sealed("the last line is not sealed with this key")
    return checker.verdict()


def _seal(head: ChainHead, key: bytes) -> str:
    if not key:
        return ""
    return hmac.new(key, f"{head.seq} {head.hash}".encode(), hashlib.sha256).hexdigest()
