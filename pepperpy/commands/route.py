"""`pepperpy route`: the learned routers: how they route, what they learned, and switching them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pepperpy.commands._link import Link
    from pepperpy_capabilities.learning.routing.learned import Kept
    from pepperpy_capabilities.learning.routing.settings import RouterSettings
    from pepperpy_schemas.learned_routes import PolicyValue, RouterSetting

app = typer.Typer(
    help="Show learned routers, switch them between off, shadow and live, and reset them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The router.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MODES = ("off", "shadow", "live")


@app.command()
def ls(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List all routers with their modes."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_rows
    from pepperpy.commands._session import run

    async def read() -> "dict[str, RouterSetting]":
        async with open_link(ctx) as link:
            settings = _settings(link)
            return {name: await settings.get(name) for name in await settings.names()}

    found = run(read())
    if found or as_json:
        rows = [_setting_row(name, one) for name, one in found.items()]
        print_rows(rows if as_json else [_rounded(one) for one in rows], as_json=as_json)
    else:
        typer.echo("there is no router", err=True)


@app.command()
def show(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show how a router routes, what came of each choice, and what its policies are worth."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run

    async def read() -> "tuple[RouterSetting, Kept, int]":
        async with open_link(ctx) as link:
            setting = await _settings(link).get(name)
            return setting, *await _learned(link, name)

    setting, kept, version = run(read())
    choices = [_choice(one, kept) for one in sorted(kept.choices)]
    policies = [_policy("learned", kept.learned), _policy("default", kept.default)]
    if as_json:
        print_json(
            {
                **_setting_row(name, setting),
                "version": version,
                "choices": choices,
                "policies": policies,
            }
        )
        return
    print_rows([_rounded(_setting_row(name, setting))], as_json=False)
    if not choices:
        typer.echo("nothing was learned yet", err=True)
        return
    typer.echo("")
    print_rows([_rounded(one) for one in choices], as_json=False)
    typer.echo("")
    print_rows([_rounded(one) for one in policies], as_json=False)


@app.command()
def mode(
    ctx: typer.Context,
    name: NameArgument,
    to: Annotated[str, typer.Argument(metavar="off|shadow|live", help="The mode from now on.")],
    default: Annotated[
        str | None,
        typer.Option(
            metavar="CHOICE", help="The choice that counts as default.", show_default=False
        ),
    ] = None,
    exploration: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of tasks that go anywhere by chance in live.",
            show_default=False,
        ),
    ] = None,
    spread: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The same in shadow.", show_default=False),
    ] = None,
    expect: Annotated[
        str, typer.Option(metavar="MODE", help="Only if this is the mode now.", show_default=False)
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Switch a router: off is its default at once, shadow only looks on, live decides."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json, print_rows
    from pepperpy.commands._session import run, source

    for one in (to, expect or to):
        if one not in _MODES:
            raise typer.BadParameter(f"{one!r} is none of {', '.join(_MODES)}")
    changes = {"mode": to, "default": default, "exploration": exploration, "spread": spread}
    wanted = {key: value for key, value in changes.items() if value is not None}
    told = {key: str(value) for key, value in wanted.items()}

    def edit(there: "RouterSetting | None") -> "RouterSetting":
        import msgspec

        from pepperpy_schemas.errors import Conflict
        from pepperpy_schemas.learned_routes import RouterSetting

        before = there or RouterSetting()
        if expect and before.mode != expect:
            raise Conflict(
                f"router {name} is {before.mode}, and not {expect}",
                hint=f"see how it routes: pepperpy route show {name}; or leave --expect out",
            )
        return msgspec.structs.replace(before, **wanted)

    async def write() -> "RouterSetting":
        async with open_link(ctx) as link, link.audit.act("route-mode", name, **told):
            return await _settings(link).change(name, edit, by=source())

    row = _setting_row(name, run(write()))
    if as_json:
        print_json(row)
    else:
        print_rows([_rounded(row)], as_json=False)


@app.command()
def reset(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Forget all that a router has learned, and keep how it routes."""
    from pepperpy.commands._link import open_link
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import run

    async def forget() -> int:
        async with open_link(ctx) as link:
            await _settings(link).get(name)
            version = (await _learned(link, name))[1]
            async with (
                link.audit.act("route-reset", name, version=version),
                _keeper(link) as keeper,
            ):
                await keeper.erase(name)
            return version

    version = run(forget())
    if as_json:
        print_json({"name": name, "forgotten": version})
    else:
        typer.echo(f"{name}: {version} changes are forgotten")


def _settings(link: "Link") -> "RouterSettings":
    from pepperpy_capabilities.learning.routing.settings import RouterSettings

    return RouterSettings(link.connection, link.prefix)


def _keeper(link: "Link") -> Any:
    from pepperpy_capabilities.learning.routing.learned import Router
    from pepperpy_capabilities.learning.states import Keeper

    return Keeper(link.connection, link.prefix, "router", load=Router, save=Router.save)


async def _learned(link: "Link", name: str) -> "tuple[Kept, int]":
    async with _keeper(link) as keeper:
        found = await keeper.read(name, lambda router: router.copied())
    return found.outcome, found.version


def _setting_row(name: str, one: "RouterSetting") -> dict[str, Any]:
    return {
        "router": name,
        "mode": one.mode,
        "default": one.default,
        "exploration": one.exploration,
        "spread": one.spread,
        "changed": "" if one.changed is None else one.changed.isoformat(timespec="seconds"),
        "by": one.by,
    }


def _choice(name: str, kept: "Kept") -> dict[str, Any]:
    """What came of a choice, as means; nothing where there were none."""
    one = kept.choices[name]

    def mean(total: float, count: int) -> float | None:
        return total / count if count else None

    return {
        "choice": name,
        "tasks": one.chosen,
        "succeeded": mean(one.succeeded, one.chosen),
        "reward": mean(one.reward, one.chosen),
        "seconds": mean(one.seconds, one.chosen),
        "usd": mean(one.usd, one.priced),
        "rating": mean(one.rating, one.ratings),
        "ratings": one.ratings,
        "suggested": one.suggested,
    }


def _policy(name: str, one: "PolicyValue") -> dict[str, Any]:
    return {"policy": name, "reward": one.value, "as_good_as_tasks": one.tasks}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in row.items()}
