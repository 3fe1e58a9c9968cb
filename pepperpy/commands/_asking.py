"""Questions to the person at the terminal, before something is gone for good."""

import sys

import typer

from pepperpy.commands._failure import WrongUsage


def agreed(ctx: typer.Context, question: str) -> bool:
    """Returns whether the person says yes.

    Raises:
        WrongUsage: Nobody is there, and ``--yes`` was not given.
    """
    if not sys.stdin.isatty():
        raise WrongUsage("nobody is here to be asked: add --yes", ctx)
    return typer.confirm(question, err=True)
