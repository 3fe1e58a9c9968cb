"""The provider service of a test: all of the real one but the provider itself."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import tomlkit

from pepperpy.testing.model import Player, ScriptedModel
from pepperpy_bus.client import Client
from pepperpy_provider_svc.declared.keys import Keys
from pepperpy_provider_svc.declared.models import Declaration
from pepperpy_provider_svc.serve import opened
from pepperpy_provider_svc.upstreams.lent import Lent

_PLAYED = "scripted"


def declare(folder: Path, names: Sequence[str]) -> Path:
    """Writes the declaration of the models, and returns the file.

    Args:
        folder: Where.
        names: Models that agents ask for besides ``default`` and ``embedding``: aliases, or
            ``provider/model``.
    """
    path = folder / "models.toml"
    path.write_text(tomlkit.dumps(_declared(names, folder)), "utf-8")
    return path


@contextlib.asynccontextmanager
async def served(client: Client, model: ScriptedModel) -> AsyncIterator[None]:
    """Serves models on the bus while its context is open; each of them says what the test wants.

    Args:
        client: The client, whose settings name the declaration.
        model: What the models say.
    """
    async with (
        opened(client.settings, {}, client, make=partial(_made, model)) as serving,
        contextlib.AsyncExitStack() as stack,
    ):
        for service in serving.services:
            await stack.enter_async_context(service)
        yield


def _declared(names: Sequence[str], folder: Path) -> dict[str, object]:
    aliases = ["default", "embedding", *(name for name in names if "/" not in name)]
    providers = {_PLAYED, *(name.partition("/")[0] for name in names if "/" in name)}
    return {
        "providers": {
            name: {"kind": "scripted", "script": str(folder / "test")} for name in providers
        },
        "models": {name: {"targets": [f"{_PLAYED}/{name}"]} for name in aliases},
    }


def _made(
    model: ScriptedModel,
    declaration: Declaration,
    keys: Keys,  # noqa: ARG001 - what is played wants none
    known: Mapping[str, Lent],
) -> dict[str, Lent]:
    played = {name: Lent(partial(Player, name, model)) for name in declaration.providers}
    return played | dict(known)
