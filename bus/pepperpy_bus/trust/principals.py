"""Who somebody is at the broker: a role's user, or another name, with an inbox of its own."""

from typing import Final, Literal, get_args

from pepperpy_schemas.tokens import check_token

Role = Literal["producer", "worker", "memory", "provider", "monitor", "edge", "operator"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)

ANONYMOUS: Final = "anon"
"""The principal of a client without credentials; in the local stack it has the role producer."""

DEFAULT_INBOX: Final = "_INBOX"
"""Where the client libraries of all languages expect replies unless told otherwise."""


def inbox_prefix(principal: str) -> str:
    """Return the inbox prefix that a principal connects with, and alone may subscribe."""
    return f"{DEFAULT_INBOX}_{check_token(principal, what='principal')}"


def principal_of(prefix: str) -> str:
    """Return whose inbox prefix it is: who hears replies there asks services under that name.

    Another than `inbox_prefix` gives is somebody's own choice at a broker without our roles.
    """
    own, mark, principal = prefix.partition("_INBOX_")
    return principal if mark and not own else ANONYMOUS
