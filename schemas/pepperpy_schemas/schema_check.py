"""Values checked against JSON Schemas that others have written.

Such a schema may be a trap: its references lead out of it, it asks for more checks than can be
done, or has a pattern that takes for ever. Nothing is fetched here, and what is too much work is
refused before it begins. No error has a value in it: events tell errors, and show no content.
"""

from functools import lru_cache
from itertools import islice
from typing import Any, Final

import msgspec

from pepperpy_schemas.codec import field_path
from pepperpy_schemas.effort import Effort, TooMuchWork
from pepperpy_schemas.errors import BadPayload

_COUNTED: Final = 100  # problems that are looked for
_STEPS: Final = 10_000  # of a regular expression that cannot be matched in one go
_MASK: Final = "the value"


class SchemaCheck:
    """A JSON Schema, ready to check values.

    Args:
        schema: The schema, which may come from anybody.
        what: What it is, for errors: ``response_format.schema``.

    Raises:
        BadPayload: It is no JSON Schema, refers to something outside, or has too many rules.
    """

    def __init__(self, schema: dict[str, Any], what: str) -> None:
        import jsonschema_rs

        try:
            # Offline: a $ref must not have this process read files or addresses for the writer.
            self._validator = jsonschema_rs.validator_for(
                schema,
                offline=True,
                mask=_MASK,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_STEPS),
            )
        except (ValueError, RecursionError) as error:
            path = field_path(getattr(error, "instance_path", []))
            where = path.replace("$", what, 1)
            raise BadPayload(
                f"{where} is no JSON Schema: {getattr(error, 'message', error)}",
                hint="mend the schema; references must stay inside it",
                context={"path": where},
            ) from None
        self._effort = Effort(schema, what)

    def problems(self, value: Any, size: int) -> list[str]:
        """Returns what is wrong with a value, each with the path of the part; none when it fits.

        Args:
            value: The value, of plain types.
            size: Its length as JSON.

        Raises:
            TooMuchWork: It is too large, or too deep, to be checked.
        """
        self._effort.refuse(value, size)
        errors = islice(self._validator.iter_errors(value), _COUNTED)
        return [f"{field_path(error.instance_path)}: {error.message}" for error in errors]


@lru_cache(maxsize=256)
def schema_check(schema: bytes, what: str) -> SchemaCheck:
    """Returns the check of a schema given as JSON; see `SchemaCheck`."""
    return SchemaCheck(msgspec.json.decode(schema), what)


__all__ = ["SchemaCheck", "TooMuchWork", "schema_check"]
