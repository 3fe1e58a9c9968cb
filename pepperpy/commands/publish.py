"""`pepperpy publish`: submits tasks, checked against what the topic's workers announced."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pepperpy.commands._ends import WAIT, WAIT_FOR, WaitCommand

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.submission import SubmitOptions

command_class = WaitCommand


def command(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Where its workers listen.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FIELD]...",
            help="key=value and key:=JSON make an object; @FILE, - or JSON is the whole body.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE|-", help="The whole body; - reads stdin.")
    ] = None,
    wait: Annotated[bool, WAIT] = False,
    wait_for: Annotated[str | None, WAIT_FOR] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The task's deadline from now: 5m.")
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="Submit it this often.", show_default=False)
    ] = 1,
    task_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="An id of your own: the same id twice runs once."),
    ] = None,
    priority: Annotated[
        Literal["normal", "high"], typer.Option(help="High ones are taken first.")
    ] = "normal",
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before this: 2026-01-31T09:00:00+01:00.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Not before this long from now: 2h.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Again and again: 5m.")
    ] = None,
    cron: Annotated[
        str | None, typer.Option(metavar="FIELDS", help="At these times: '0 30 7 * * *', @daily.")
    ] = None,
    tz: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Of --cron: Europe/Berlin; UTC by default.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Tasks of one key run one after the other."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="One more header; repeatable.")
    ] = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Send without asking for the topic's schema.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Submit a task and print its id, or with --wait what it returned.

    The body is checked against the schema that the topic's workers announced, before it is sent.
    """
    from pepperpy.commands._body import body_of
    from pepperpy.commands._checking import check
    from pepperpy.commands._ends import duration
    from pepperpy.commands._failure import WrongUsage, refused
    from pepperpy.commands._session import open_bus, run

    if task_id is not None and count > 1:
        raise WrongUsage("--id names one task: leave --count out", ctx)
    if wait and (every or cron):
        raise WrongUsage("--wait waits for one task: leave it out with --every and --cron", ctx)
    if key is not None and (priority != "normal" or at or delay or every or cron):
        raise WrongUsage("--key keeps an order: leave --priority and times out", ctx)
    body = body_of(fields or [], data)
    options: SubmitOptions = {"priority": priority, "headers": _headers(header or [])}
    if task_id is not None:
        options["id"] = task_id
    if (deadline := duration(timeout, "--timeout")) is not None:
        options["timeout"] = deadline
    more = {"at": at, "delay": delay, "every": every, "cron": cron, "tz": tz, "key": key}
    options |= cast(
        "SubmitOptions", {name: said for name, said in more.items() if said is not None}
    )
    limit = duration(wait_for, "--wait")

    async def submit() -> None:
        async with open_bus(ctx) as client:
            if not no_check:
                await check(client, topic, body, options, fields or [])
            if count > 1:
                await _many(client, topic, body, options, count, wait, limit, as_json)
            else:
                await _one(client, topic, body, options, wait, limit, as_json)

    with refused(as_json=as_json, topic=topic):  # here, or by a worker
        run(submit())


def _headers(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for (name, mark, _), text in zip(pairs, texts, strict=True):
        if not name or not mark:
            raise typer.BadParameter("write NAME=VALUE", param_hint=f"--header {text!r}")
    return {name: value for name, _, value in pairs}


async def _one(
    client: "Client",
    topic: str,
    body: bytes,
    options: "SubmitOptions",
    wait: bool,
    limit: float | None,
    as_json: bool,
) -> None:
    from pepperpy.commands._ends import ended, show_end
    from pepperpy.commands._output import print_json

    task_id = await client.submit(topic, body, **options)
    if wait:
        show_end(await ended(client, task_id, limit), as_json=as_json)
    elif as_json:
        print_json({"id": task_id, "topic": topic})
    else:
        typer.echo(task_id)


async def _many(
    client: "Client",
    topic: str,
    body: bytes,
    options: "SubmitOptions",
    count: int,
    wait: bool,
    limit: float | None,
    as_json: bool,
) -> None:
    """Submits the same again and again, as many at once as the settings let it."""
    from pepperpy.commands._ends import as_document, end_of
    from pepperpy.commands._output import Progress, is_live, print_line

    progress = Progress(count, "completed" if wait else "published")
    failed = 0

    async def lane(numbers: "range") -> None:
        nonlocal failed
        for _ in numbers:
            task_id = await client.submit(topic, body, **options)
            if wait:
                end = await end_of(client, task_id, limit)
                failed += not end.result.ok
                print_line(as_document(end))
            elif as_json:
                print_line({"id": task_id, "topic": topic})
            elif not is_live():
                typer.echo(task_id)
            progress.step()

    lanes = min(count, client.settings.bus.max_in_flight)
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(lanes):
                group.create_task(lane(range(n, count, lanes)), name=f"publish-{n}")
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        progress.end()
    if failed:
        from pepperpy.commands._failure import say

        say(f"error: {failed} of {count} tasks did not complete")
        raise typer.Exit(1)
