"""Settings that change while a process runs: on SIGHUP, or when somebody asks."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterable

import msgspec

from pepperpy_bus.config.values import Loaded, Settings, value_of
from pepperpy_bus.logs import get_log
from pepperpy_schemas.errors import PepperError

Hook = Callable[[Settings], None]
"""Gets the new settings after a reloadable one of them has changed."""

_log = get_log("pepperpy.config")


class Change(msgspec.Struct, frozen=True):
    """What a reload did: names that are in force now, and names that need a restart."""

    applied: tuple[str, ...]
    refused: tuple[str, ...]


class Reloader:
    """Holds the settings in force and takes over the reloadable ones that change.

    Args:
        loaded: What the process started with.
        again: Loads the same way once more, usually a `functools.partial` of `config.load`.
    """

    def __init__(self, loaded: Loaded, again: Callable[[], Loaded]) -> None:
        self.loaded = loaded
        self._again = again
        self._hooks: list[Hook] = []

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def on_change(self, hook: Hook) -> None:
        """Adds a function that is called after each reload that changed something."""
        self._hooks.append(hook)

    def reload(self) -> Change:
        """Reads everything again and applies what may change in a running process.

        A setting that is not reloadable keeps its value and is named in `refused`. A hook that
        fails is logged; the others are called.

        Raises:
            BadConfig: The new settings are not valid; the old ones stay in force.
        """
        fresh = self._again()
        changed = [
            name
            for name in self.loaded.origins
            if value_of(fresh.settings, name) != value_of(self.settings, name)
        ]
        applied = tuple(name for name in changed if name in self.loaded.reloadable)
        refused = tuple(name for name in changed if name not in self.loaded.reloadable)
        if applied:
            self.loaded = _merged(self.loaded, fresh, applied)
            self._tell(applied)
        if refused:
            _log.warning("config.needs_restart", names=refused)
        return Change(applied, refused)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Reloads on every SIGHUP while this context is open."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_signal)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    def _on_signal(self) -> None:
        try:
            self.reload()
        except PepperError as error:
            _log.error("config.reload_refused", reason=error.message, hint=error.hint)

    def _tell(self, applied: tuple[str, ...]) -> None:
        for hook in self._hooks:
            try:
                hook(self.settings)
            except Exception as error:
                _log.error("config.hook_failed", exc_info=error)
        _log.info("config.reloaded", names=applied)


def _merged(old: Loaded, fresh: Loaded, names: Iterable[str]) -> Loaded:
    settings, taken = old.settings, set(names)
    for name in taken:
        section, _, key = name.partition(".")
        inner = msgspec.structs.replace(
            getattr(settings, section), **{key: value_of(fresh.settings, name)}
        )
        settings = msgspec.structs.replace(settings, **{section: inner})
    return msgspec.structs.replace(
        old,
        settings=settings,
        origins={name: (fresh if name in taken else old).origins[name] for name in old.origins},
        rows=tuple(
            new if new.name in taken else kept
            for kept, new in zip(old.rows, fresh.rows, strict=True)
        ),
    )
