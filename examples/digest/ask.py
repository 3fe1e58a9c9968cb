"""Asks the librarian, and shows the answer with the passages that it stands on.

python examples/digest/ask.py "What is lost when the power fails?"
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from librarian import Answer, Question
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pepperpy import Client, PepperError, connect

QUARTERS = 4
NOTHING = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks, and returns the exit code: 3 when the memory knows nothing of it."""
    options = parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        answer = asyncio.run(work(options))
    except PepperError as error:
        console.print(f"error: {error}\n  hint: {error.hint}", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(options.question, answer, console)
    return 0 if answer.passages else NOTHING


def parser() -> argparse.ArgumentParser:
    """Returns what the command line takes."""
    about = argparse.ArgumentParser(description="Ask about what the memory has taken in.")
    about.add_argument("question")
    about.add_argument("--folder", default="", help="only of this folder, by its name")
    about.add_argument("--model", default="", help="who shall answer")
    about.add_argument("--after", metavar="TASK", help="wait for this task first: what takes it in")
    about.add_argument("--url", help="address of the broker (or PEPPERPY_NATS_URL)")
    return about


async def work(options: argparse.Namespace) -> Answer:
    """Waits for the folder, and asks."""
    async with connect(options.url, source="ask") as bus:
        if options.after:
            await follow(bus, options.after)
        question = Question(options.question, options.folder, model=options.model)
        answer: Answer = await bus.run("ask", question, type=Answer, wait="2m")
        return answer


async def follow(bus: Client, task: str) -> None:
    """Shows how far a task is, and what became of it.

    Raises:
        PepperError: It failed.
    """
    console = Console(stderr=True, highlight=False)
    bar = Progress(
        TextColumn("into the memory"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        shown = bar.add_task("", total=1.0)
        quarter = 0
        async for update in bus.watch(task):
            if update.event is None or update.event.name != "task.progress":
                continue
            share = float(update.event.data["fraction"])
            bar.update(shown, completed=share)
            if not console.is_terminal and int(share * QUARTERS) > quarter:
                quarter = int(share * QUARTERS)
                console.print(f"into the memory: {share:.0%}")
    taken = await bus.result(task)
    left_out = f" ({len(taken['skipped'])} left out)" if taken["skipped"] else ""
    console.print(
        f"In the memory: {taken['passages']} passages of {taken['files']} files{left_out}."
    )


def show(question: str, answer: Answer, console: Console) -> None:
    """Prints the question, the answer, and the passages."""
    console.print(f"\n[bold]{escape(question)}[/bold]")
    if answer.text:
        console.print(f"{escape(answer.text)}  [dim]({escape(answer.model)})[/dim]")
    elif answer.passages:
        console.print(f"[dim]Quoted, because {escape(answer.problem)}.[/dim]")
    else:
        console.print(escape(answer.problem))
    for passage in answer.passages:
        if not answer.text or passage.number in answer.cited:
            console.print(f"\n  \\[{passage.number}] [cyan]{escape(passage.place)}[/cyan]")
            for line in filter(str.strip, passage.quote.splitlines()):
                console.print(f"      {escape(line)}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
