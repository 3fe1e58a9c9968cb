"""One setting as data: apart from the models, so that reading files costs no import of pydantic."""

from typing import Literal

import msgspec

from pepperpy_bus.units import format_duration, format_size

Kind = Literal["duration", "size", "secret", "path", "number", "text"]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as tables, the reference and the readers of layers need it.

    Attributes:
        name: `section.key`.
        kind: How its value is written.
        default: As it is written.
        meaning: One sentence.
        choices: The allowed words, where only some are.
        reloadable: Whether a running process takes a new value.
    """

    name: str
    kind: Kind
    default: str
    meaning: str
    choices: tuple[str, ...] = ()
    reloadable: bool = False

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return f"PEPPERPY_{self.name.replace('.', '_').upper()}"

    def show(self, value: object) -> str | int | float | None:
        """Returns a value as people write it; secrets stay hidden."""
        if self.kind == "duration" and isinstance(value, float):
            return format_duration(value)
        if self.kind == "size" and isinstance(value, int):
            return format_size(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        return ("***" if str(value) else "") if self.kind == "secret" else str(value)
