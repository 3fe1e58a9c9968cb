"""Ends of the chain in a file that is kept elsewhere: what no one at the broker can write anew."""

import os
import re
from pathlib import Path
from typing import Final

from pepperpy_bus.units import format_time, now
from pepperpy_schemas.audit import ChainHead
from pepperpy_schemas.errors import BadConfig

EVERY: Final = 60.0
"""Seconds between two ends that are written down."""

_LINE: Final = re.compile(r"(?:\S+ )?(?P<seq>[0-9]{1,15})[ :](?P<hash>[0-9a-f]{64})")


def read_heads(path: Path) -> list[ChainHead]:
    """Returns the ends that a file has, a line each: ``2026-11-29T12:00:00Z 120 9f…``.

    Raises:
        BadConfig: It cannot be read, or a line is none.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"cannot read {path}: {error}") from error
    return [parse_head(line, f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip()]


def parse_head(text: str, where: str = "head") -> ChainHead:
    """Returns the end that a text such as ``120:9f…`` names.

    Raises:
        BadConfig: It is none.
    """
    found = _LINE.fullmatch(text.strip())
    if found is None:
        raise BadConfig(
            f"{where}: {text!r:.80} is no end of a log",
            hint="write the number of a record and its hash: 120:9f86d0…; see: pepperpy audit head",
        )
    return ChainHead(int(found["seq"]), found["hash"])


def add_head(path: Path, head: ChainHead) -> None:
    """Adds an end to a file, which only its owner may read; it is on the disk then.

    Raises:
        OSError: The file cannot be written.
    """
    line = f"{format_time(now(), timespec='seconds')} {head.seq} {head.hash}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
