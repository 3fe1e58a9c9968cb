"""The keys of providers: read from where they lie, and again when they change there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_bus.files import read_secret
from pepperpy_bus.logs import get_log
from pepperpy_provider_svc.declared.models import Declaration, Key
from pepperpy_schemas.errors import BadConfig

log = get_log("pepperpy.provider")

NO_KEY: Final = "none"
"""Name of the key of a provider that wants none."""


class HeldKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is used.

    Attributes:
        provider: Whose it is.
        name: Its name in the declaration.
        secret: The key itself.
        requests_per_minute: Requests that the fleet may make with it; None for no limit.
        tokens_per_minute: Tokens that the fleet may use with it; None for no limit.
    """

    provider: str
    name: str
    secret: Secret
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Keys:
    """The keys in force.

    Those in files are looked at again when their file has changed, so that a rotated key is used
    by the next request; ``reload`` reads all of them again.

    Args:
        declaration: Where keys lie.
        environ: The environment.

    Raises:
        BadConfig: A key is not where it should be.
    """

    def __init__(self, declaration: Declaration, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._declared: dict[str, tuple[Key, ...]] = {}
        self._held: dict[str, list[HeldKey]] = {}
        self._seen: dict[str, list[tuple[Path, int]]] = {}
        self.reload(declaration)

    def reload(self, declaration: Declaration) -> None:
        """Reads every key again, as the declaration says now; all of them or none.

        Raises:
            BadConfig: A key is not where it should be.
        """
        declared = {name: one.keys for name, one in declaration.providers.items()}
        held, seen = {}, {}
        for provider, keys in declared.items():
            seen[provider] = self._stamps(keys)
            held[provider] = self._read(provider, keys)
        self._declared, self._held, self._seen = declared, held, seen

    def of(self, provider: str) -> list[HeldKey]:
        """Returns the keys of a provider, in the order in which they are used."""
        stamps = self._stamps(self._declared[provider])
        if stamps != self._seen[provider]:
            self._seen[provider] = stamps
            try:
                self._held[provider] = self._read(provider, self._declared[provider])
            except BadConfig as error:
                # It may be in the middle of being replaced: the old ones are used meanwhile.
                log.warning("provider.key_unreadable", provider=provider, error=str(error))
        return self._held[provider]

    def secrets(self) -> list[str]:
        """Returns every key that is held, for hiding them."""
        return [
            text
            for keys in self._held.values()
            for key in keys
            if (text := key.secret.get_secret_value())
        ]

    def _read(self, provider: str, keys: tuple[Key, ...]) -> list[HeldKey]:
        if not keys:
            return [HeldKey(provider=provider, name=NO_KEY, secret=Secret())]
        return [
            HeldKey(
                provider=provider,
                name=key.name,
                secret=Secret(self._text(provider, key)),
                requests_per_minute=key.requests_per_minute,
                tokens_per_minute=key.tokens_per_minute,
            )
            for key in keys
        ]

    def _text(self, provider: str, key: Key) -> str:
        path = self._path(key)
        source = str(path) if path else key.env
        try:
            text = (read_secret(path) if path else self._environ.get(key.env, "")).strip()
        except BadConfig as error:
            raise BadConfig(
                f"the key {key.name} of provider {provider}: {error.message}", hint=error.hint
            ) from None
        if not text or not text.isascii() or any(sign.isspace() for sign in text):
            raise BadConfig(
                f"there is no key {key.name} of provider {provider} in {source}",
                hint=f"set {key.env} or {key.env}_FILE" if key.env else "write the key there",
            )
        return text

    def _path(self, key: Key) -> Path | None:
        if key.file is not None:
            return key.file
        named = self._environ.get(f"{key.env}_FILE", "")
        return Path(named) if named and not self._environ.get(key.env) else None

    def _stamps(self, keys: tuple[Key, ...]) -> list[tuple[Path, int]]:
        """What tells that a file of a key has changed."""
        return [(path, _stamp(path)) for key in keys if (path := self._path(key))]


def _stamp(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return 0
    return hash((found.st_mtime_ns, found.st_ino, found.st_size))
