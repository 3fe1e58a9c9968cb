"""Options that several commands of the memory have, and what is read out of them."""

from typing import Annotated, Any, cast

import typer

Namespace = Annotated[
    str, typer.Option("-n", "--namespace", metavar="NAME", help="Which of yours; the first.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Metadata = Annotated[
    list[str] | None, typer.Option("-m", "--meta", metavar="NAME=VALUE", help="For filters.")
]
Here = Annotated[
    bool, typer.Option("--here", help="Do it from here, under your own name, and as no task.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Print the task's id, and do not wait.")]


def metadata_of(pairs: list[str]) -> dict[str, Any]:
    """Returns named values; what is JSON is taken as that, anything else as text."""
    import msgspec

    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{pair!r}: write NAME=VALUE")
        try:
            values[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            values[name] = text
    return values


def condition_of(text: str) -> dict[str, Any] | None:
    """Returns the condition that a text says; None of an empty one."""
    import msgspec

    if not text:
        return None
    try:
        return cast("dict[str, Any]", msgspec.json.decode(text, type=dict))
    except msgspec.DecodeError:
        raise typer.BadParameter(
            f'{text!r}: write a condition such as {{"op": "eq", "field": "source", "value": "a"}}'
        ) from None
