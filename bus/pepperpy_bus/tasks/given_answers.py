"""Answers as somebody gave them: read, and held against what the question asks for."""

from typing import Any

from pepperpy_schemas.catalog.tasks import ANSWER
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.messages import Answer, WaitEntry


def read_answer(body: bytes) -> Answer | None:
    """Returns an answer as somebody wrote it; None when it is no text at all.

    ``{"answer": …, "by": …}`` is the form; any other JSON, or plain text, is the answer itself.
    """
    try:
        return ANSWER.decode(body)
    except BadPayload:
        pass
    try:
        return Answer(decode(body, Any))
    except BadPayload:
        pass
    try:
        return Answer(body.decode())
    except UnicodeDecodeError:
        return None


def objection(wait: WaitEntry, answer: Any) -> str:
    """Returns what is wrong with an answer; empty when it is what the question asks for."""
    if wait.choices and answer not in wait.choices:
        return "is none of the choices"
    if wait.schema is None:
        return ""
    import jsonschema_rs

    validator = jsonschema_rs.validator_for(wait.schema, validate_formats=True)
    error = next(validator.iter_errors(answer), None)
    return "" if error is None else f"does not fit: {error.message}"


def hint(wait: WaitEntry) -> str:
    """Returns how a question is answered rightly."""
    if wait.choices:
        return f"choose one of {', '.join(encode(one).decode() for one in wait.choices)}"
    return f"answer with JSON of this schema: {encode(wait.schema).decode()}"
