"""What this user may do, found out by trying it without any effect.

A write is sent with an expected sequence number that cannot be, so that the server refuses to store
it; who may not write learns that instead. A subscription is made on an id that nothing has.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.trust.principals import Role
from pepperpy_bus.trust.roles import permissions
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.catalog.events import AUDIT, EVENT
from pepperpy_schemas.catalog.tasks import DEAD_LETTER, RESULT, STEP, TASK
from pepperpy_schemas.errors import PermissionDenied, QueueFull, Unavailable, WrongSequence
from pepperpy_schemas.subjects import Subject

NOBODY: Final = "pepperpy-doctor"
_NEVER: Final = 2**62
_TIMEOUT: Final = 2.0


class Ability(msgspec.Struct, frozen=True):
    """Something that a role may be allowed to do.

    Attributes:
        what: In words that follow "may".
        verb: Publish or subscribe.
        kind: On which subject.
        tokens: Tokens of the subject that matter; the others are an id that nothing has.
    """

    what: str
    verb: Literal["publish", "subscribe"]
    kind: Subject[Any]
    tokens: dict[str, str] = {}

    def subject(self, prefix: str, principal: str) -> str:
        """Returns the subject to try."""
        own = {"principal": principal} if "principal" in self.kind.tokens else {}
        rest = dict.fromkeys(self.kind.tokens, NOBODY)
        return self.kind.of(prefix, **{**rest, **own, **self.tokens})


_SUBMITTED = {"entity": "task", "verb": "submitted"}

ABILITIES: Final = (
    Ability("submit tasks", "publish", TASK),
    Ability("hear results", "subscribe", RESULT),
    Ability("hear events", "subscribe", EVENT),
    Ability("emit events", "publish", EVENT, _SUBMITTED),
    Ability("write results", "publish", RESULT),
    Ability("keep journals", "publish", STEP),
    Ability("hear commands", "subscribe", AGENT_CONTROL),
    Ability("file dead letters", "publish", DEAD_LETTER),
    Ability("record what it does", "publish", AUDIT),
)


def of_role(role: Role, prefix: str) -> list[Ability]:
    """Returns the abilities that a role is meant to have."""
    granted = permissions(role, prefix=prefix)
    return [
        one for one in ABILITIES if covered(one.subject(prefix, role), getattr(granted, one.verb))
    ]


def covered(subject: str, patterns: Iterable[str]) -> bool:
    """Tells whether a subject matches one of the patterns."""
    tokens = subject.split(".")
    return any(_matches(tokens, pattern.split(".")) for pattern in patterns)


def _matches(tokens: list[str], pattern: list[str]) -> bool:
    tail = pattern[-1] == ">"
    fixed = pattern[:-1] if tail else pattern
    fits = len(tokens) > len(fixed) if tail else len(tokens) == len(fixed)
    return fits and all(want in ("*", token) for want, token in zip(fixed, tokens, strict=False))


async def may(connection: Connection, ability: Ability, prefix: str, principal: str) -> bool:
    """Tells whether the broker allows it to this connection."""
    subject = ability.subject(prefix, principal)
    try:
        if ability.verb == "subscribe":
            await (await connection.subscribe(subject, lambda _: None, live=True)).stop()
        else:
            await store(connection, subject, b"{}", expect_last=_NEVER, timeout=_TIMEOUT)
    except PermissionDenied:
        return False
    except (WrongSequence, QueueFull, Unavailable):
        # Unavailable: no stream keeps this subject (yet), which is another check's to say.
        return True
    return True
