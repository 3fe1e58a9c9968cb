"""Which namespaces a caller may use, by its identity."""

from collections.abc import Sequence

import msgspec

from pepperpy_memory_svc.declared.models import EVERYBODY, Declaration, Namespace
from pepperpy_schemas.errors import NotFound


class Place(msgspec.Struct, frozen=True):
    """A namespace that a caller may use.

    Attributes:
        name: Its name.
        declared: What is declared of it.
        principal: The caller.
    """

    name: str
    declared: Namespace
    principal: str

    @property
    def vouches(self) -> bool:
        """Whether the caller may mark entries as trusted."""
        return is_one_of(self.principal, self.declared.vouchers)


def is_one_of(principal: str, named: Sequence[str]) -> bool:
    """Whether a principal is among those that a declaration names."""
    return principal in named or EVERYBODY in named


def places(declaration: Declaration, principal: str) -> list[Place]:
    """Returns the namespaces that a caller may use, its own before those of everybody."""
    usable = [
        Place(name, one, principal)
        for name, one in declaration.namespaces.items()
        if is_one_of(principal, one.principals)
    ]
    return sorted(usable, key=lambda place: principal not in place.declared.principals)


def place(declaration: Declaration, principal: str, namespace: str) -> Place:
    """Returns the namespace of a request, by default the caller's first.

    Raises:
        NotFound: The caller may use none of that name, whether there is one or not.
    """
    usable = places(declaration, principal)
    found = next((one for one in usable if namespace in ("", one.name)), None)
    if found is None:
        what = f"namespace {namespace[:80]!r}" if namespace else "namespace"
        raise NotFound(
            f"there is no {what} for {principal}",
            hint="the declaration of the memory service says who may use which",
            context={"path": "$.namespace"},
        )
    return found
