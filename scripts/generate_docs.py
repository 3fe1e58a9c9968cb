#!/usr/bin/env python3
"""Writes the reference pages that say what the code says; ``--check`` finds stale ones."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pepperpy_schemas.catalog import CATALOG
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.headerdocs import header_docs
from pepperpy_schemas.states import TaskState

ROOT = Path(__file__).resolve().parent.parent
NOTICE = "<!-- Written by scripts/generate_docs.py from the code: change that, not this. -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or says with ``--check`` which are stale; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's directory")
    options = parser.parse_args(arguments)
    texts = {options.root / page: f"{NOTICE}\n\n{write()}" for page, write in PAGES.items()}
    stale = [p for p, text in texts.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        print(path.relative_to(options.root))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], "utf-8")
    return int(options.check and bool(stale))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; pipes inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|").replace("``", "`") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def errors_page() -> str:
    """Returns the table of every error code."""
    rows = [
        (f"`{e.code}`", e.category, "yes" if e.retryable else "no", _meaning(e), e.hint or "")
        for e in error_types()
    ]
    return f"""# Errors

Every error has a stable code that travels on the wire: in the `error` of a result, in the reply of
a service, in a dead letter. The category says whose it is to mend: `input` the caller's, `task`
the handler's, `control` somebody decided so, `bus` broker or network, `config` the operator's.
Retryable: the same request can succeed later. An unknown code is kept as it came.

{table(("Code", "Category", "Retryable", "Meaning", "What to do"), rows)}"""


def wire_page() -> str:
    """Returns the tables of subjects, states and headers."""
    subjects = [
        (f"`{s.template}`", s.name, f"`PP_{s.stream}`" if s.stream else "", s.doc) for s in CATALOG
    ]
    states = [(f"`{s}`", f"`{s.verb}`", "yes" if s.terminal else "no") for s in TaskState]
    return f"""# The wire

Bodies are plain UTF-8 JSON, every header is optional. `{{p}}` is the deployment's prefix, `pp` by
default; names and ids are 1 to 64 characters of `A-Z a-z 0-9 _ -`. The same as an AsyncAPI 3
document: `pepperpy schema asyncapi`; as JSON Schemas: `pepperpy schema export`.

## Subjects

{table(("Subject", "Message", "Stream", "Meaning"), subjects)}
## Task states

{table(("State", "Verb of its event", "Terminal"), states)}
## Headers of tasks and requests

{_headers("task")}
## Headers of results

{_headers("result")}
## Headers of the server

{_headers("server")}
A message may be a CloudEvent 1.0: with `ce-*` headers its body is the payload; with
`Content-Type: application/cloudevents+json` the payload is its `data` or `data_base64`.
"""


def _headers(on: str) -> str:
    return table(
        ("Header", "Meaning"), [(f"`{h.name}`", h.doc) for h in header_docs() if h.on == on]
    )


def _meaning(error: type[Exception]) -> str:
    return (error.__doc__ or "").partition("\n")[0]


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/errors.md": errors_page,
    "docs/reference/wire.md": wire_page,
}
"""Every generated page and the function that writes it."""


if __name__ == "__main__":
    sys.exit(main())
