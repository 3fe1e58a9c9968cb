"""`pepperpy provider`: the service that asks models, how it is and running it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_schemas.provider import (
        LimitStatus,
        ProviderStatus,
        SimilarFigures,
        Spend,
        TargetStatus,
    )

app = typer.Typer(
    help="Show how the provider service is: targets, limits, what was spent; and run it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the targets with their breakers, what is left of limits, and what was spent.

    One replica answers: breakers, limits and spending are those of all, its calls are its own.
    """
    from pepperpy.commands._models import open_models
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def read() -> "ProviderStatus":
        async with open_models(ctx) as llm:
            return await llm.status()

    found = run(read())
    if as_json:
        print_json(_full(found))
    else:
        _print_tables(found)


@app.command("run")
def run_(
    ctx: typer.Context,
    declaration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file of providers, models and tenants; else the keys in the environment.",
        ),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65_535, help="Serve /livez and /readyz there."),
    ] = None,
) -> None:
    """Serve models to everybody on the bus; replicas share the requests.

    SIGTERM or Ctrl-C finishes the running requests and exits 0; a second one ends at once. SIGHUP
    reads the settings, the declaration and the keys again.
    """
    from pepperpy.commands._serving import serve
    from pepperpy_provider_svc.serve import run

    flags = {
        "provider.declaration": None if declaration is None else str(declaration),
        "worker.health_port": health_port,
    }
    serve(ctx, "provider", flags, run)


def _print_tables(found: "ProviderStatus") -> None:
    import msgspec

    from pepperpy.commands._output import print_rows

    typer.echo(
        f"replica {found.replica}: {found.running} running, {found.cache_hits} from the cache, "
        f"{found.coalesced} shared an equal one's answer"
    )
    if any(msgspec.structs.astuple(found.similar)):
        typer.echo(_similar(found.similar))
    for rows in (
        [_target(one) for one in found.targets],
        [_limit(one) for one in found.limits],
        [_spend(one) for one in found.spend],
    ):
        if rows:
            typer.echo()
            print_rows(rows, as_json=False)


def _similar(figures: "SimilarFigures") -> str:
    return (
        f"similar questions: {figures.hits} hits, of these {figures.wrong} wrong; "
        f"{figures.misses} misses; {figures.failures} failures of the memory service, "
        f"and {figures.skipped} not looked for after one"
    )


def _target(one: "TargetStatus") -> dict[str, Any]:
    from pepperpy_bus.units import format_time

    return {
        "target": one.target,
        "key": one.key,
        "breaker": one.breaker,
        "until": one.until and format_time(one.until),
        "reason": one.reason,
        "running": one.running,
        "calls": one.calls,
        "failures": one.failures,
        "p50": None if one.p50_ms is None else f"{one.p50_ms} ms",
    }


def _limit(one: "LimitStatus") -> dict[str, Any]:
    return {
        "limit": one.name,
        "unit": one.unit,
        "used": f"{one.used:,.6g}",
        "of": f"{one.limit:,.6g}",
    }


def _spend(one: "Spend") -> dict[str, Any]:
    return {
        "spent_by": one.label,
        "requests": one.requests,
        "tokens_in": one.usage.input_tokens,
        "cached": one.usage.cached_tokens,
        "tokens_out": one.usage.output_tokens,
        "usd": f"{one.usd:,.4f}",
    }


def _full(value: Any) -> Any:
    """Every field, those with their default too: a reader in a shell looks them up by name."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: _full(each) for name, each in msgspec.structs.asdict(value).items()}
    return [_full(one) for one in value] if isinstance(value, list) else value
