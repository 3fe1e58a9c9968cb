"""How far long work is: a bar on stderr where that is a terminal, else a line for each quarter."""

import sys
from typing import TYPE_CHECKING

from pepperpy_bus.redaction import escape

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """Shows a share that grows.

    Args:
        verb: What is being done: ``ingesting``.
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._quarters = 0
        self._live: tuple[Progress, TaskID] | None = None

    def show(self, share: float, message: str) -> None:
        """Shows how far it is.

        Args:
            share: From 0 to 1.
            message: What is at hand.
        """
        if sys.stderr.isatty():
            progress, task = self._live = self._live or self._begun()
            progress.update(task, completed=share, message=escape(message)[-50:])
        elif int(share * 4) > self._quarters:
            self._quarters = int(share * 4)
            sys.stderr.write(f"{self._verb}: {share:.0%}\n")
            sys.stderr.flush()

    def clear(self) -> None:
        """Takes the bar away."""
        if self._live is not None:
            self._live[0].stop()
            self._live = None

    def _begun(self) -> "tuple[Progress, TaskID]":
        from rich.console import Console
        from rich.markup import escape as plain
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        progress = Progress(
            TextColumn(plain(self._verb)),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        progress.start()
        return progress, progress.add_task(self._verb, total=1.0, message="")
