"""`pepperpy models`: what models there are, and what they cost."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy_schemas.provider import ModelInfo


def command(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that you may ask for: aliases first, then what they stand for."""
    from pepperpy.commands._models import open_models
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run

    async def read() -> "list[ModelInfo]":
        async with open_models(ctx) as llm:
            return await llm.models()

    found = run(read())
    print_rows([(_document if as_json else _row)(one) for one in found], as_json=as_json)
    if not found and not as_json:
        typer.echo("you may ask for no model", err=True)


def _row(one: "ModelInfo") -> dict[str, Any]:
    return {
        "model": one.name,
        "targets": one.targets,
        "window": f"{one.context_window:,}" if one.context_window else None,
        "usd/M_in": _price(one.usd_per_million_input),
        "usd/M_out": _price(one.usd_per_million_output),
    }


def _price(usd: float | None) -> str | None:
    return None if usd is None else f"{usd:.6g}"


def _document(one: "ModelInfo") -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(one)
