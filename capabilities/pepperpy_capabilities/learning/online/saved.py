"""A saved online learner: plain data with the version of River that it belongs to."""

from typing import Any, Final, Literal

import msgspec

from pepperpy_capabilities.learning.online.features import Seen
from pepperpy_capabilities.learning.online.progress import Progress
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learning_online import OnlineExample, OnlineOptions

FORMAT: Final = 1


class Saved(msgspec.Struct, kw_only=True):
    """A learner as it is saved.

    Attributes:
        kind: What it is, so that nothing else is taken for it.
        format: The version of this form.
        river: The version of River whose parts these are.
        options: The learner's.
        seen: What it knows of features and labels.
        progress: Its figures.
        latest: The latest examples, when a new model would begin with them.
        parts: The model and the detector of drift, as `writing` describes it.
    """

    kind: Literal["pepperpy-online"] = "pepperpy-online"
    format: int = FORMAT
    river: str
    options: OnlineOptions
    seen: Seen
    progress: Progress
    latest: list[OnlineExample]
    parts: list[list[Any]]


def river_version() -> str:
    """Returns which River is installed, as far as the attributes of its models depend on it."""
    from importlib.metadata import version

    return ".".join(version("river").split(".")[:2])


def read_saved(state: bytes) -> Saved:
    """Returns what was saved, of this version of River.

    Raises:
        BadProblem: It is no saved learner, or one of another version.
    """
    try:
        saved = msgspec.msgpack.decode(state, type=Saved)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadProblem(f"this is no saved learner: {error}") from None
    if (saved.format, saved.river) != (FORMAT, river_version()):
        raise BadProblem(
            f"the state was saved with River {saved.river} (form {saved.format}), "
            f"and here is {river_version()} (form {FORMAT})",
            hint="install that version, or let it learn anew",
            context={"river": saved.river},
        )
    return saved
