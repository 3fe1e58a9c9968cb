"""Which files make agents: a change of one restarts a worker in development."""

from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Final

from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig

ANYWHERE: Final = frozenset({".py", ".yaml", ".yml", ".j2", ".jinja", ".jinja2"})
"""Endings of files that make agents wherever they lie."""
IN_FOLDERS: Final = frozenset({".md", ".txt", ".json", ".toml"})
"""Endings of files that do so in these folders alone: an agent may write others of them."""
FOLDERS: Final = frozenset({"agents", "templates", "prompts"})


def makes_agents(path: str | Path) -> bool:
    """Whether a file may be a part of an agent: its code, its declaration, a template."""
    path = Path(path)
    ending = path.suffix.lower()
    return ending in ANYWHERE or (ending in IN_FOLDERS and not FOLDERS.isdisjoint(path.parts))


def folders_of(references: Iterable[str]) -> list[Path]:
    """Returns the folders to watch: the current one, and those of agents that lie elsewhere."""
    here = Path.cwd().resolve()
    found = [here]
    for reference in references:
        place = reference.rpartition(":")[0] if ".py:" in reference else reference
        folder = Path(place).resolve().parent
        if Path(place).suffix in ANYWHERE and not any(folder.is_relative_to(one) for one in found):
            found.append(folder)
    return found


def check_can_watch() -> None:
    """Looks whether files can be watched.

    Raises:
        BadConfig: watchfiles is missing.
    """
    try:
        import watchfiles  # noqa: F401 - only whether it is there
    except ImportError:
        raise BadConfig("--reload needs watchfiles", hint=install("reload")) from None


async def changes(folders: Sequence[Path]) -> AsyncIterator[set[str]]:
    """Yields the files of agents that have changed, as often as some have."""
    from watchfiles import Change, DefaultFilter, awatch

    class OfAgents(DefaultFilter):
        """What makes agents, outside of folders that no person writes to (.git, .venv, …)."""

        def __call__(self, change: Change, path: str) -> bool:
            return makes_agents(path) and super().__call__(change, path)

    async for changed in awatch(*folders, watch_filter=OfAgents()):
        yield {path for _, path in changed}
