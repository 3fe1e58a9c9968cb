"""Has a change reviewed, and shows what is found at lines that it touches.

python review.py change.diff
git diff main... | python review.py
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pepperpy import PepperError, connect

HUNK = re.compile(r"^@@ -\S+ \+(\d+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks for the review and prints it; exits with 1 when there is a bug, as linters do."""
    about = argparse.ArgumentParser(description="Have a change reviewed.")
    about.add_argument("diff", nargs="?", type=argparse.FileType(encoding="utf-8"), default="-")
    about.add_argument("--wait", default="5m", help="how long the review may take")
    options = about.parse_args(arguments)
    with options.diff as file:
        diff = file.read()
    try:
        review = asyncio.run(ask(diff, options.wait))
    except PepperError as error:
        print(f"error: {error}\n  hint: {error.hint}", file=sys.stderr)
        return 2
    return show(review, set(added(diff)))


async def ask(diff: str, wait: str) -> dict[str, Any]:
    async with connect(source="review") as bus:
        review: dict[str, Any] = await bus.run("review", {"text": diff}, wait=wait)
        return review


def added(diff: str) -> Iterator[tuple[str, int]]:
    """Yields file and line of each line that a unified diff adds."""
    file, line, begun = "", 0, False
    for text in diff.split("\n"):  # a line may have page breaks in it
        if text.startswith("diff "):
            begun = False
        elif hunk := HUNK.match(text):
            line, begun = int(hunk[1]), True
        elif not begun:
            if text.startswith("+++ "):
                file = text[4:].split("\t")[0].removeprefix("b/")
        elif text.startswith("+"):
            yield file, line
            line += 1
        elif not text.startswith(("-", "\\")):
            line += 1


def show(review: dict[str, Any], touched: set[tuple[str, int]]) -> int:
    """Prints a review; what is said of other lines than those of the change is only counted."""
    print(review["summary"])
    here = [one for one in review["findings"] if (one["file"], one["line"]) in touched]
    for one in sorted(here, key=lambda one: (one["file"], one["line"])):
        print(f"{one['file']}:{one['line']}: {one['severity']}: {one['comment']}")
    others = len(review["findings"]) - len(here)
    if others:
        print(f"({others} more, at lines that the change does not touch)")
    return int(any(one["severity"] == "bug" for one in here))


if __name__ == "__main__":
    sys.exit(main())
