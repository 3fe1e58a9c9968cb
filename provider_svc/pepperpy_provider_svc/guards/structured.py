"""Answers that must be JSON of a schema: checked, and mended once.

The values of an answer stand in no error: errors are told in events, which show no content.
"""

import re
from typing import Any, Final

import msgspec

from pepperpy_schemas.chat import ChatMessage, ChatRequest, ResponseFormat
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadOutput
from pepperpy_schemas.schema_check import SchemaCheck, TooMuchWork, schema_check

_MOST = 8  # problems that the model is told at once
_FENCED: Final = re.compile(r"```[a-zA-Z]*\s*\n(.*?)\n?\s*```", re.DOTALL)


def refuse_bad_schema(request: ChatRequest) -> None:
    """Raises BadPayload when the schema of the answer is none, or more than can be checked."""
    if request.response_format is not None:
        _check_of(request.response_format.schema)


def check(form: ResponseFormat, text: str) -> BadOutput | None:
    """Returns what is wrong with an answer, or None when it fits.

    JSON in a Markdown fence, or with words around it, counts as JSON: `json_in` takes it out.

    Raises:
        BadPayload: The schema is none.
    """
    against = _check_of(form.schema)
    found = json_in(text)
    if found is None:
        return _misfit(form, ["$: the answer is no JSON"])
    try:
        problems = against.problems(msgspec.json.decode(found), len(found))
    except TooMuchWork:
        return _misfit(form, ["$: the answer is too large, or too deep, to be checked"])
    return _misfit(form, problems) if problems else None


def json_in(text: str) -> str | None:
    """Returns the JSON of an answer without what stands around it, or None when there is none."""
    fenced = _FENCED.search(text)
    starts = [at for sign in "{[" if (at := text.find(sign)) >= 0]
    ends = [text.rfind(sign) + 1 for sign in "}]"]
    inner = text[min(starts) : max(ends)] if starts else ""
    for candidate in (text, fenced[1] if fenced else "", inner):
        clean = candidate.strip()
        if clean and _is_json(clean):
            return clean
    return None


def cleaned(message: ChatMessage) -> ChatMessage:
    """Returns an answer that fits as its JSON alone."""
    found = json_in(message.text)
    return message if found is None or found == message.text else ChatMessage("assistant", found)


def repair_request(request: ChatRequest, answer: ChatMessage, wrong: BadOutput) -> ChatRequest:
    """Returns the request that shows a model its answer and what is wrong with it.

    Args:
        request: What was asked.
        answer: What came.
        wrong: What `check` says of it.
    """
    problems = "\n".join(f"- {one}" for one in wrong.context.get("problems", [wrong.message]))
    asking = (
        f"This does not fit the JSON schema:\n{problems}\n"
        "Answer again, with nothing but JSON that fits the schema."
    )
    # Some providers refuse messages without a text.
    conversation = [
        *request.messages,
        ChatMessage("assistant", answer.text.strip() or "(nothing)"),
        ChatMessage("user", asking),
    ]
    return msgspec.structs.replace(
        request,
        messages=conversation,
        temperature=0.0,
        tool_choice="none" if request.tools else request.tool_choice,
    )


def _misfit(form: ResponseFormat, problems: list[str]) -> BadOutput:
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return BadOutput(
        f"the answer does not fit the schema {form.name!r}: {problems[0]}{more}",
        hint="let the schema ask for less, or ask a larger model",
        context={"path": problems[0].partition(":")[0], "problems": problems[:_MOST]},
    )


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _check_of(schema: dict[str, Any]) -> SchemaCheck:
    return schema_check(encode(schema), "response_format.schema")
