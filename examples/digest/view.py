"""The live view: a progress bar, and which worker does what; plain lines where no one watches."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

HOLDING = 3  # files that are named in a worker's line


class View:
    """What is known while the work goes on.

    Attributes:
        held: By worker, the files that it works on now.
        done: By worker, how many it has ended.
    """

    def __init__(self, total: int, console: Console) -> None:
        self.held: dict[str, dict[str, str]] = {}
        self.done: dict[str, int] = {}
        self.ended = 0
        self._repeats: dict[str, int] = {}
        self._dead: set[str] = set()
        self._total = total
        self._console = console
        self._bar = Progress(
            TextColumn("digest"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._bar_task = self._bar.add_task("digest", total=total)
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=8, transient=False
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def started(self, worker: str, task: str, path: str, attempt: int) -> None:
        """A worker has begun with a file."""
        self.held.setdefault(worker, {})[task] = path
        self.done.setdefault(worker, 0)
        if attempt > 1:
            self._repeats[worker] = self._repeats.get(worker, 0) + 1
            self.say(f"{path}: attempt {attempt}, by {worker}")

    def completed(self, worker: str, task: str) -> None:
        """A worker has ended with a file."""
        self.held.setdefault(worker, {}).pop(task, None)
        self.done[worker] = self.done.get(worker, 0) + 1

    def result(self) -> None:
        """A result has arrived."""
        self.ended += 1
        self._bar.update(self._bar_task, completed=self.ended)
        if not self._console.is_terminal and self.ended % max(1, self._total // 4) == 0:
            self.say(f"{self.ended} of {self._total} results")

    def killed(self, worker: str) -> None:
        """A worker was killed."""
        self._dead.add(worker)

    def say(self, text: str) -> None:
        """Writes a line above the picture."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for worker in sorted(self.done):
            files = list(self.held.get(worker, {}).values())
            more = f" and {len(files) - HOLDING} more" if len(files) > HOLDING else ""
            doing = ", ".join(files[:HOLDING]) + more
            if worker in self._dead:
                doing = f"[red]killed[/red], held {doing or 'nothing any more'}"
            repeats = f"{self._repeats[worker]} repeated" if worker in self._repeats else ""
            table.add_row(f"  {worker}", f"{self.done[worker]} done", repeats, doing)
        return Group(self._bar, table)
