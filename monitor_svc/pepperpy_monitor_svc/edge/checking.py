"""Bodies checked against what topics have announced, without asking the broker each time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from pepperpy_bus.tasks.topic_schemas import TopicSchemas, schema_name, validate
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.messages import TopicSchema

KEPT: Final = 10.0
"""Seconds for which a topic's schema is not asked for again."""
_TOPICS: Final = 1_000


class Checks:
    """What topics take, as far as it is known.

    Args:
        schemas: What they have announced.
        clock: Seconds.
    """

    def __init__(
        self, schemas: TopicSchemas, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._schemas = schemas
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, TopicSchema | None]] = OrderedDict()

    async def check(self, topic: str, body: bytes) -> str:
        """Returns the name of the schema that a body fits; empty when the topic has none.

        A body is refused by the newest schema alone: workers that just came may take more.

        Raises:
            BadPayload: It does not fit; ``context.path`` names the field.
        """
        at, schema = self._known.get(topic, (-KEPT, None))
        if self._clock() - at < KEPT:
            try:
                return _checked(schema, body)
            except BadPayload:
                pass  # perhaps by an old one
        schema = await self._schemas.latest(topic)
        self._known[topic] = self._clock(), schema
        self._known.move_to_end(topic)
        if len(self._known) > _TOPICS:
            self._known.popitem(last=False)
        return _checked(schema, body)


def _checked(schema: TopicSchema | None, body: bytes) -> str:
    if schema is None:
        return ""
    validate(schema, body)
    return schema_name(schema)
