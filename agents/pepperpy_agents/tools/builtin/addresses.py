"""Addresses of the network: what a URL names, and which of them belong to everybody. Pure.

A name is judged by what it resolves to, so every spelling of an address (decimal, octal, hex,
mapped into IPv6) ends at the same one.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from pepperpy_schemas.errors import BadArguments

Address = IPv4Address | IPv6Address

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)
_SAFE: Final = "/?%:=&~+!$,;'@()*[]-._"
_UNICAST: Final = IPv6Network("2000::/3")
_DOCUMENTATION: Final = IPv6Network("3fff::/20")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""Where NAT64 puts the addresses of IPv4 (RFC 6052)."""
_PROTOCOLS_OWN: Final = IPv4Network("192.0.0.0/24")
"""Reserved by the IETF as a whole; Pythons differ in what they think of it."""
_CLOUDS_OWN: Final = frozenset({IPv4Address("168.63.129.16")})
"""Public by their number, and answered by the machine's own cloud: Azure's platform."""


class Target(msgspec.Struct, frozen=True):
    """What a URL names.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The host in small letters; IPv6 in brackets.
        port: The port.
        path: Path and query, as they are sent.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def resource(self) -> str:
        """The host as scopes name it: with its port, where that is not the scheme's own."""
        return resource(self.host, self.port)

    @property
    def url(self) -> str:
        """The URL, without a fragment."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"


def resource(host: str, port: int) -> str:
    """Returns a host as scopes name it: ``example.org``, ``example.org:8443``, ``[::1]:8080``."""
    return host if port in DEFAULT_PORTS.values() else f"{host}:{port}"


def read_url(text: str) -> Target:
    """Returns what a URL names.

    Raises:
        BadArguments: It is no ``http`` or ``https`` URL, or has a user or a password in it.
    """
    # urlsplit passes over some of these, and whoever reads the text next may not.
    if not text.isprintable() or any(sign in text for sign in ' \\"<>'):
        raise BadArguments(f"{text!r:.120} is no URL: it has characters that none has")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadArguments(f"{text!r:.120} is no URL: {error}") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise BadArguments(
            f"{text!r:.120}: only http and https are spoken here, not {parts.scheme or 'nothing'!r}"
        )
    if "@" in parts.netloc:
        raise BadArguments("a URL must not have a user or a password in it")
    host = parts.netloc.removesuffix(f":{port}").removesuffix(":").lower().removesuffix(".")
    if _HOST.fullmatch(host) is None or port == 0:
        raise BadArguments(
            f"{host!r:.120} is no host",
            hint="write names with other letters in their ASCII form: xn--…",
        )
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path + query)


def not_public(address: Address) -> str | None:
    """Returns why an address is not everybody's, or None for one that is."""
    if isinstance(address, IPv6Address):
        return _not_public_6(address)
    if address in _CLOUDS_OWN:
        return "an address of the cloud that this machine is in"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address, where clouds have their metadata"
    if address.is_multicast:
        return "a multicast address"
    public = address.is_global and address not in _PROTOCOLS_OWN
    return None if public else "a private or reserved address"


def _not_public_6(address: IPv6Address) -> str | None:
    inside = address.ipv4_mapped or address.sixtofour
    if address in _TRANSLATED:
        inside = IPv4Address(int(address) & 0xFFFFFFFF)
    if inside is not None:
        return not_public(inside)
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    # All that is handed out to the public lies here; Teredo's are within it, and not global.
    public = address in _UNICAST and address.is_global and address not in _DOCUMENTATION
    return None if public else "a private or reserved address"


def parse(text: str) -> Address:
    """Returns the address that a resolver has given; a zone (``%eth0``) is left away."""
    return ip_address(text.partition("%")[0])


def bracketed(address: Address) -> str:
    """Returns an address as a host in a URL and in scopes."""
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)
