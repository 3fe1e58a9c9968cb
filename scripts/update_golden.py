#!/usr/bin/env python3
"""Writes the golden files: exported schemas, example messages, the AsyncAPI document.

A released message is read for as long as a stream may keep it, so example messages are only ever
added: one that no longer fits the current type fails its test for good. An incompatible schema is
refused; ``--new-version`` begins the next directory beside the old one, which stays, and
``--unreleased`` writes the newest directory anew, which nobody may have used yet.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pepperpy_schemas import compat, examples
from pepperpy_schemas.asyncapi import asyncapi
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.exporting import export, message_schema, pretty
from pepperpy_schemas.subjects import Subject

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"


def main(arguments: list[str] | None = None) -> int:
    """Writes what is new, or says with ``--check`` what would be; returns the exit code."""
    options = _options(arguments)
    latest = newest_version(options.golden)
    if options.unreleased and latest and not options.check:
        for kind in ("schemas", "messages"):
            shutil.rmtree(options.golden / kind / f"v{latest}", ignore_errors=True)
        return main(["--golden", str(options.golden), *(["--new-version"] if latest > 1 else [])])
    version = latest + 1 if options.new_version and latest else latest or 1
    if latest and not options.new_version:
        changes = compat.compare_messages(
            compat.read_directory(options.golden / "schemas" / f"v{latest}"), _current()
        )
        if breaking := [change for change in changes if change.breaking]:
            for change in breaking:
                print(f"{change.path}: {change.message}", file=sys.stderr)
            print("refused: give the message a new subject, or --new-version", file=sys.stderr)
            return 1
    stale = [
        (path, content)
        for path, content in _wanted(options.golden, version)
        if not path.exists() or path.read_bytes() != content
    ]
    for path, content in stale:
        print(path.relative_to(options.golden))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return int(options.check and bool(stale))


def newest_version(golden: Path) -> int:
    """Returns the number of the newest ``schemas/v<n>``, or 0."""
    return max((int(p.name[1:]) for p in (golden / "schemas").glob("v*")), default=0)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--new-version", action="store_true", help="begin the next directory")
    parser.add_argument("--unreleased", action="store_true", help="write the newest one anew")
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="the directory of golden files")
    return parser.parse_args(arguments)


def _current() -> dict[str, Any]:
    return {subject.name: message_schema(subject) for subject in MESSAGES}


def _wanted(golden: Path, version: int) -> Iterator[tuple[Path, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        for path in export(Path(folder)):
            yield golden / "schemas" / f"v{version}" / path.name, path.read_bytes()
    yield golden / "asyncapi.json", pretty(asyncapi())
    for subject in MESSAGES:
        for kind, bodies in _bodies(subject).items():
            yield from _added(golden / "messages" / f"v{version}", f"{subject.name}.{kind}", bodies)


def _bodies(subject: Subject[Any]) -> dict[str, list[object]]:
    schema = message_schema(subject)
    return {
        "minimal": examples.every(schema, full=False),
        "full": examples.every(schema, full=True),
        "example": [msgspec.json.decode(body) for body in subject.examples],
    }


def _added(folder: Path, stem: str, bodies: list[object]) -> Iterator[tuple[Path, bytes]]:
    """Yields the bodies that no file has yet, under the next free numbers."""
    known = {path.read_bytes() for path in folder.glob(f"{stem}-*.json")}
    number = len(known)
    for body in bodies:
        content = pretty(body)
        if content not in known:
            number += 1
            known.add(content)
            yield folder / f"{stem}-{number}.json", content


if __name__ == "__main__":
    sys.exit(main())
