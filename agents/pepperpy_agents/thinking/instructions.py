"""Instructions of an agent: a text, or a template that is filled with the question's values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pepperpy_agents.thinking.questions import Question
from pepperpy_schemas.errors import BadConfig

if TYPE_CHECKING:
    from pepperpy_agents.templates import Template


class Instructions:
    """What the model is told to be and to do.

    Args:
        source: The text, or a template.
        given: Values of the template that are the same for all questions.

    Raises:
        BadConfig: Values are given that nothing takes, or the template makes no single text.
    """

    def __init__(self, source: "str | Template", given: Mapping[str, Any] | None = None) -> None:
        self._source = source
        self._given = dict(given or {})
        if isinstance(source, str):
            if self._given:
                raise BadConfig(
                    f"instructions that are a text take no variables: {', '.join(self._given)}",
                    hint="make them a template",
                )
            return
        if source.format in ("chat", "json"):
            raise BadConfig(
                f"template {source.name} makes {source.format}, and instructions are a text",
                hint="give it the format text or markdown",
            )
        unknown = self._given.keys() - source.variables.keys()
        if unknown:
            raise BadConfig(
                f"template {source.name} has no variable {', '.join(sorted(unknown))}",
                hint=f"there is {', '.join(source.variables) or 'none'}",
            )

    def render(self, question: Question) -> str:
        """Returns the instructions for a question.

        A template gets the values it was given, and of those that it declares besides the
        question's fields by name; ``question`` is the whole of it as text.

        Raises:
            BadPayload: The question lacks a value that the template needs.
        """
        source = self._source
        if isinstance(source, str):
            return source
        asked = {"question": question.text, **question.fields}
        values = {name: value for name, value in asked.items() if name in source.variables}
        fmt: Literal["markdown", "text"] = "markdown" if source.format == "markdown" else "text"
        return source.render(fmt=fmt, **{**values, **self._given})
