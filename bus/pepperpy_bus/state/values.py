"""Values that outlive the worker: kept for an agent, for a family of tasks, or for a key."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from pepperpy_bus.bodies import to_json
from pepperpy_bus.state.cells import FORGET, Cells, ttl_text
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.catalog.state import AGENT_STATE, FAMILY_STATE, KEY_STATE
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadPayload, TooLarge, WrongSequence
from pepperpy_schemas.subjects import Subject
from pepperpy_schemas.tokens import key_token

T = TypeVar("T")

MAX_VALUE: Final = 512 * 1024
"""Bytes of the largest value; what is larger belongs elsewhere, and its reference here."""
FAMILY_TTL: Final = 30 * 86_400.0
"""Seconds after its last change at which a family's value is forgotten."""


class Value(NamedTuple):
    """A value with its revision.

    Attributes:
        value: The value, or the default when there is none.
        revision: What `State.set` compares with; 0 when there is none.
    """

    value: Any
    revision: int


class State:
    """Values by name within one scope.

    Args:
        cells: The bucket.
        subject: What the values are: of an agent, a family, a key.
        ttl: Seconds after a change at which a value is forgotten; never by default.
        **scope: The subject's tokens but the name.
    """

    def __init__(
        self, cells: Cells, subject: Subject[Any], *, ttl: float | None = None, **scope: str
    ) -> None:
        self._cells = cells
        self._subject = subject
        self._ttl = ttl
        self._scope = scope
        self._key("x")  # a wrong agent or key is told here, before the first use

    async def get(self, name: str, *, type: Any = Any, default: Any = None) -> Value:  # noqa: A002
        """Returns a value and its revision: ``value, revision = await state.get("count")``.

        Args:
            name: The value's name.
            type: Decode it into this type; plain values by default.
            default: What to return when there is none.

        Raises:
            BadName: The name is not 1 to 64 characters of ``[A-Za-z0-9_-]``.
            BadPayload: The value is not of the type.
        """
        entry = await self._cells.get(self._key(name))
        if entry is None:
            return Value(default, 0)
        return Value(self._decode(name, entry.value, type), entry.revision)

    async def set(
        self, name: str, value: Any, *, revision: int | None = None, ttl: Duration | None = None
    ) -> int:
        """Sets a value and returns its new revision.

        Args:
            name: The value's name.
            value: A Struct, dataclass, pydantic model or plain value.
            revision: Only if it is still at this one; 0 for "there is none". By default whatever
                it was.
            ttl: Forget it after this long.

        Raises:
            WrongSequence: It has changed since that revision.
            TooLarge: Its JSON has more than 512 KiB.
        """
        key, body, text = self._key(name), _body(name, value), self._ttl_text(ttl)
        bucket = self._cells.bucket
        if revision is None:
            return await bucket.put(key, body, ttl=text)
        try:
            if not revision:
                return await bucket.create(key, body, ttl=text)
            return await bucket.update(key, body, revision=revision, ttl=text)
        except WrongSequence:
            raise WrongSequence(
                f"state {name} has changed since revision {revision}",
                hint="get it again, or let update() do both",
                context={"name": name, "revision": revision},
            ) from None

    async def update(
        self,
        name: str,
        change: Callable[[Any], T],
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        ttl: Duration | None = None,
    ) -> T:
        """Changes a value by a function of what it was, and returns the new one.

        Args:
            name: The value's name.
            change: Gets the value, or None when there is none. It is called again whenever
                somebody else was faster, so it has no effects of its own.
            type: Decode the old value into this type; plain values by default.
            ttl: Forget it after this long.

        Raises:
            Overloaded: Others have changed it for 30 s on end.
            TooLarge: The JSON of the new value has more than 512 KiB.
        """
        made: list[T] = []

        def edit(before: bytes | None) -> bytes:
            value = change(None if before is None else self._decode(name, before, type))
            made[:] = [value]
            return _body(name, value)

        seconds = self._ttl if ttl is None else parse_duration(ttl)
        await self._cells.change(self._key(name), edit, ttl=seconds)
        return made[0]

    async def delete(self, name: str) -> None:
        """Removes a value; harmless when there is none."""
        await self._cells.bucket.delete(self._key(name), ttl=FORGET)

    async def keys(self) -> list[str]:
        """Returns the names of all values, sorted."""
        pattern = self._cells.pattern(self._subject, **self._scope)
        entries = await self._cells.bucket.entries(pattern)
        return sorted(entry.key.rpartition(".")[2] for entry in entries)

    def _key(self, name: str) -> str:
        return self._cells.key(self._subject, **self._scope, name=name)

    def _ttl_text(self, ttl: Duration | None) -> str:
        seconds = self._ttl if ttl is None else parse_duration(ttl)
        return "" if seconds is None else ttl_text(seconds)

    def _decode(self, name: str, body: bytes, type: Any) -> Any:  # noqa: A002 - as above
        try:
            return decode(body, type)
        except BadPayload as error:
            raise BadPayload(
                f"state {name}: {error.message}",
                hint="it was written with another type: read it without type=, or set it anew",
                context=error.context,
            ) from None


class AgentState(State):
    """The values of an agent; those of its tasks' families and keys beside them.

    Args:
        cells: The bucket.
        agent: The agent's name.
        root: Id of the first task of the family, for `family`.
    """

    def __init__(self, cells: Cells, agent: str, *, root: str = "") -> None:
        super().__init__(cells, AGENT_STATE, agent=agent)
        self._agent = agent
        self._root = root

    @property
    def family(self) -> State:
        """Values that a task shares with all tasks of its family, whatever agent runs them."""
        return State(self._cells, FAMILY_STATE, ttl=FAMILY_TTL, root=self._root)

    def keyed(self, key: str) -> State:
        """Returns the values that the agent keeps for one key: a customer, an order, any text."""
        return State(self._cells, KEY_STATE, agent=self._agent, key=key_token(key))


def _body(name: str, value: Any) -> bytes:
    # Bytes are a value here, and travel as base64; `to_json` would take them for ready JSON.
    body = encode(value) if isinstance(value, bytes) else to_json(value)
    if len(body) > MAX_VALUE:
        raise TooLarge(
            f"state {name} has {len(body)} bytes, more than {MAX_VALUE}",
            hint="keep large data elsewhere, and its reference here",
            context={"name": name, "limit": MAX_VALUE},
        )
    return body
