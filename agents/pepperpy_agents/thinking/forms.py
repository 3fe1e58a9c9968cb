"""The form of an answer: text, or JSON of a type or of a schema."""

from collections.abc import Mapping
from typing import Any, Final

from pepperpy_agents.handler import decode_as
from pepperpy_schemas.chat import ResponseFormat
from pepperpy_schemas.codec import encode
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.errors import BadConfig, BadPayload
from pepperpy_schemas.jsonschema import schema_of
from pepperpy_schemas.schema_check import SchemaCheck, TooMuchWork, schema_check

_MOST: Final = 8
"""Problems that a model is told of at once."""


class Misfit(Exception):
    """An answer does not have its form.

    Attributes:
        problems: What is wrong, each with its place.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Form:
    """What an answer must be.

    Args:
        output: None or ``str`` for text; a pydantic model, Struct or dataclass; a JSON Schema.

    Attributes:
        type: The type of what `read` returns.
        asked: What the model is asked for; None for text.

    Raises:
        BadConfig: The schema is none, or not an object's.
    """

    def __init__(self, output: Any = None) -> None:
        self._check: SchemaCheck | None = None
        self.asked: ResponseFormat | None = None
        if output is None or output is str:
            self.type: Any = str
            return
        if isinstance(output, Mapping):
            schema = dict(output)
            self.type, name = dict[str, Any], "answer"
            self._check = _check_of(schema)
        else:
            schema = schema_of(output)
            self.type, name = output, getattr(output, "__name__", "answer")
        if not _is_object(schema):
            raise BadConfig(
                f"output type {name}: its schema is not an object's",
                hint="wrap it in a model or Struct with a field for it",
            )
        self.asked = ResponseFormat(schema, name)

    def read(self, text: str) -> Any:
        """Returns the answer that a model's text is.

        Raises:
            Misfit: It has another form.
        """
        if self.asked is None:
            if not text.strip():
                raise Misfit(["the answer is empty"])
            return text
        try:
            value = decode_as(text.encode(), self.type)
        except PepperError as error:
            raise Misfit([str(error)]) from None
        if self._check is not None:
            problems = _problems(self._check, value, len(text))
            if problems:
                raise Misfit(problems[:_MOST])
        return value


def _is_object(schema: dict[str, Any]) -> bool:
    """Whether a schema is an object's, itself or by references to its own definitions."""
    defined, there = schema.get("$defs", {}), schema
    for _ in range(len(defined) + 1):
        referred = str(there.get("$ref", "")).removeprefix("#/$defs/")
        if "type" in there or not referred:
            break
        there = defined.get(referred, {})
    return bool(there.get("type") == "object")


def _problems(check: SchemaCheck, value: Any, size: int) -> list[str]:
    try:
        return check.problems(value, size)
    except TooMuchWork:
        return ["$: the answer is too large, or too deep, to be checked"]


def _check_of(schema: dict[str, Any]) -> SchemaCheck:
    try:
        return schema_check(encode(schema), "the schema of the output")
    except BadPayload as error:
        raise BadConfig(str(error), hint=error.hint) from None
