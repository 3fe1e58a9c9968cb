"""What a check found."""

import os
from typing import Literal

import msgspec

from pepperpy_bus.config import Settings
from pepperpy_bus.config.files import contexts_folder, operators_context

Status = Literal["ok", "warn", "fail", "skip"]


class Finding(msgspec.Struct, frozen=True):
    """The outcome of one check.

    Attributes:
        check: What was looked at.
        status: ``fail``: something cannot work. ``warn``: it works, but look at it. ``skip``: it
            could not be looked at.
        message: What was found, with the values that matter.
        fix: The command that mends it, or what else to do.
    """

    check: str
    status: Status
    message: str
    fix: str = ""


def as_operator(settings: Settings, command: str) -> str:
    """Returns a command line for what the operator may; beside a local stack with its context."""
    name = operators_context(settings.nats.url, contexts_folder(os.environ))
    return f"pepperpy --context {name} {command}" if name else f"pepperpy {command}"
