"""The connection to the broker: the client library's traps end here."""

import importlib
import sys

if not {"aiohttp", "nats"} & sys.modules.keys():
    # The library imports a web framework where one is installed, for addresses of WebSockets alone:
    # ten megabytes in every worker. `dialing` hands it over when there is such an address.
    sys.modules["aiohttp"] = None  # type: ignore[assignment]  # says: not to be imported
    importlib.import_module("nats.aio.transport")
    del sys.modules["aiohttp"]
