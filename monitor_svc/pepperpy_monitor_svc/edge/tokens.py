"""Who may call: tokens with names, from the settings and from a file that is read again."""

import hashlib
import hmac
import re
import tomllib
from pathlib import Path
from typing import Final

from pepperpy_bus.config.values import EdgeSettings
from pepperpy_bus.files import read_secret
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.tokens import TOKEN

NOBODY: Final = "anonymous"
"""Name of callers on this machine, where there is no token."""
_OWN: Final = "edge"
"""Name of whoever has the token of the settings."""
_SHORTEST: Final = 16
_HASHED: Final = re.compile(r"sha256:([0-9a-f]{64})")
_HINT: Final = "make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'"


class Tokens:
    """The tokens in force, as digests: a list of them in memory says none.

    Args:
        settings: Where they are.

    Raises:
        BadConfig: The file cannot be read, or a token in it is none.
    """

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self._names: dict[bytes, str] = {}
        self.reload()

    @property
    def wanted(self) -> bool:
        """Whether callers need one; also when the file has none any more."""
        return bool(self._settings.token) or self._settings.tokens is not None

    @property
    def names(self) -> list[str]:
        """Whose tokens there are."""
        return sorted(self._names.values())

    def reload(self) -> None:
        """Reads the file again; what is wrong in it leaves the tokens as they were.

        Raises:
            BadConfig: The file cannot be read, or a token in it is none.
        """
        names: dict[bytes, str] = {}
        own = self._settings.token.get_secret_value()
        if own:
            names[_digest_of("edge.token", own)] = _OWN
        if self._settings.tokens is not None:
            names |= _read(self._settings.tokens)
        self._names = names

    def name_of(self, token: str) -> str:
        """Returns whose a token is; empty for nobody's. All are compared, each in constant time."""
        given, found = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest(), ""
        for digest, name in self._names.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found


def _read(path: Path) -> dict[bytes, str]:
    try:
        table = tomllib.loads(read_secret(path))
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path} is not TOML: {error}") from None
    found: dict[bytes, str] = {}
    for name, token in table.items():
        if TOKEN.fullmatch(name) is None:
            raise BadConfig(
                f"{path}: {name!r:.80} is no name", hint="use 1 to 64 characters of A-Z a-z 0-9 _ -"
            )
        if not isinstance(token, str):
            raise BadConfig(f"{path}: {name} is no text", hint=f'write it so: {name} = "…"')
        digest = _digest_of(f"{path}: {name}", token)
        if digest in found:
            raise BadConfig(f"{path}: {name} and {found[digest]} are the same token")
        found[digest] = name
    return found


def _digest_of(where: str, token: str) -> bytes:
    hashed = _HASHED.fullmatch(token)
    if hashed is not None:
        return bytes.fromhex(hashed[1])
    if token.startswith("sha256:"):
        raise BadConfig(f"{where} is no SHA-256", hint="64 hexadecimal digits in lower case")
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise BadConfig(
            f"{where} has fewer than {_SHORTEST} characters, or others than ASCII", hint=_HINT
        )
    return hashlib.sha256(token.encode()).digest()
