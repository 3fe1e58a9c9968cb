"""The login of a stack that runs here, for commands that need more than anybody has."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pepperpy_bus.config import Loaded


def login_beside(loaded: "Loaded") -> str:
    """Returns the context with the worker's login of a stack that runs here; empty without one.

    It is for those who have no login of their own.
    """
    from pepperpy_bus.config.files import contexts_folder, workers_context

    nats = loaded.settings.nats
    if loaded.context or nats.user or nats.token or nats.credentials:
        return ""
    return workers_context(nats.url, contexts_folder(os.environ))
