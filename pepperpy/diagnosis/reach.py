"""Whether anything answers at the broker's address, and whether it is a broker."""

import asyncio
import contextlib
import socket
import ssl
from urllib.parse import urlsplit

import msgspec

_GREETING_TIMEOUT = 1.0
_PORTS = {"ws": 80, "wss": 443}


class Reached(msgspec.Struct, frozen=True):
    """What became of a call at one address.

    Attributes:
        address: Host and port, never a password.
        trouble: Why no broker was reached; empty when one was.
    """

    address: str
    trouble: str = ""


async def reach(url: str, *, timeout: float) -> Reached:
    """Calls a server and listens to its greeting; NATS servers speak first."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 4222)
    address = f"{parts.scheme}://{host}:{port}"
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout)
    except TimeoutError:
        return Reached(address, f"no answer within {timeout:g} s: a firewall, or a wrong address")
    except socket.gaierror:
        return Reached(address, f"the name {host} is not known")
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        return Reached(address, "nobody listens there" if refused else _words(error))
    try:
        return Reached(address, await _trouble(reader, parts.scheme))
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _trouble(reader: asyncio.StreamReader, scheme: str) -> str:
    if scheme not in ("nats", "tls"):
        return ""
    try:
        greeting = await asyncio.wait_for(reader.read(5), _GREETING_TIMEOUT)
    except TimeoutError:
        return ""  # a server that begins with TLS waits for its client
    except OSError as error:
        return _words(error)
    if not greeting:
        return "it hangs up at once"
    return "" if greeting.startswith(b"INFO") else "what answers there is no NATS server"


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
