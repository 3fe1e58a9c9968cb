"""The numbered steps of the tables, as files: what each does, and what the way back loses."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, Literal, TypeAlias

import msgspec

Direction: TypeAlias = Literal["up", "down"]

_DROPPED: Final = re.compile(r"^DROP TABLE (\w+);", re.MULTILINE)


class Migration(msgspec.Struct, frozen=True):
    """One step.

    Attributes:
        number: Its number, from 1.
        name: What it is about.
    """

    number: int
    name: str

    def sql(self, direction: Direction) -> str:
        """Returns the statements of one way."""
        return (folder() / f"{self.number:04}_{self.name}.{direction}.sql").read_text()

    def about(self, direction: Direction) -> str:
        """Returns what one way does, in words: the comment that its file begins with."""
        return self.sql(direction).partition("\n")[0].removeprefix("--").strip()

    def dropped(self) -> list[str]:
        """Returns the tables that the way down drops with what is in them."""
        return _DROPPED.findall(self.sql("down"))


class Status(msgspec.Struct, frozen=True):
    """How far the tables are.

    Attributes:
        version: Number of the last step that was made; 0 before the first.
        newest: Number of the last step that this code knows.
        pending: Steps to come.
    """

    version: int
    newest: int
    pending: list[Migration]


class Plan(msgspec.Struct, frozen=True):
    """What a way up or down would do.

    Attributes:
        version: Number of the last step that was made.
        to: Number of the last one afterwards.
        steps: The steps, in their order.
        lost: Rows that would be lost, by their table; only those of tables that are not empty.
    """

    version: int
    to: int
    steps: list[Migration]
    lost: dict[str, int]


def folder() -> Traversable:
    """Returns where the files are."""
    return files("pepperpy_memory_svc.stores.postgres") / "migrations"


def migrations() -> list[Migration]:
    """Returns all steps, in order."""
    names = sorted(each.name for each in folder().iterdir() if each.name.endswith(".up.sql"))
    return [Migration(int(name[:4]), name[5:].removesuffix(".up.sql")) for name in names]
