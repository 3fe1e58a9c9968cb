"""What a check found."""

from typing import Literal

import msgspec

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
