"""The logins of a stack that runs here, for commands that need more than anybody has."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pepperpy_bus.config import Loaded
    from pepperpy_bus.trust.principals import Role


def login_beside(loaded: "Loaded", role: "Role" = "worker") -> str:
    """Returns the context with a role's login of a stack that runs here; empty without one.

    It is for those who have no login of their own.
    """
    from pepperpy_bus.config.files import contexts_folder, roles_context

    nats = loaded.settings.nats
    if loaded.context or nats.user or nats.token or nats.credentials:
        return ""
    return roles_context(role, nats.url, contexts_folder(os.environ))


def login_of_service(loaded: "Loaded", role: "Role") -> str:
    """Returns the same for a service, which does not take the operator's in its place, either.

    The operator may ask every service, and offer none.
    """
    from pepperpy_bus.config.files import contexts_folder, of_operator, roles_context

    given = loaded.origins["nats.user"].startswith(f"context {loaded.context} ")
    if loaded.context and given and of_operator(loaded.context):
        return roles_context(role, loaded.settings.nats.url, contexts_folder(os.environ))
    return login_beside(loaded, role)
