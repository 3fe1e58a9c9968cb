"""Agents from YAML files, with the line of what is wrong in them."""

import re
import typing
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from pepperpy_agents.agent import Agent
from pepperpy_agents.templates import Template, load_template
from pepperpy_agents.templates.reading import read_source
from pepperpy_agents.thinking.agent import LLMAgent
from pepperpy_agents.thinking.approval import Approval
from pepperpy_agents.thinking.declared import AgentTable
from pepperpy_agents.thinking.forms import Form
from pepperpy_agents.thinking.handoffs import Handoff
from pepperpy_agents.thinking.instructions import Instructions
from pepperpy_agents.thinking.limits import Limits
from pepperpy_agents.thinking.recalling import Recall
from pepperpy_agents.thinking.sessions import Sessions
from pepperpy_agents.thinking.shorthand import read_output
from pepperpy_agents.tools.resolving import resolve
from pepperpy_agents.tools.scopes import Grants
from pepperpy_bus.complaints import complaint, marked
from pepperpy_bus.llm.options import ChatOptions
from pepperpy_schemas.error import PepperError
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.tokens import check_topic

_FILE: Final = re.compile(r"[^\s{}]+\.(md|txt|j2|jinja)")
_HINT: Final = "every key is described in docs/how-to/thinking-agents.md"


def read_agent(text: str | bytes, *, origin: str = "agent", folder: Path | None = None) -> LLMAgent:
    """Returns the agent that a YAML or JSON text declares.

    Args:
        text: The text.
        origin: What errors call it.
        folder: Where relative paths in it begin; the current folder by default.

    Raises:
        BadConfig: It declares no agent; the message begins with origin and line.
    """
    found = marked(text, origin, "an agent", _HINT)
    try:
        table = AgentTable.model_validate(found.data)
    except ValidationError as error:
        raise complaint(origin, found, AgentTable, error, _HINT) from None
    try:
        return _made(table, folder or Path.cwd())
    except _At as wrong:
        line = found.line(wrong.path)
        cause = wrong.error
        raise BadConfig(f"{origin}:{line}: {cause}", hint=cause.hint or _HINT) from None


class _At(Exception):
    """Something wrong at a path of the file."""

    def __init__(self, path: str, error: PepperError) -> None:
        super().__init__(path)
        self.path = path
        self.error = error


def _made(table: AgentTable, folder: Path) -> LLMAgent:
    """The agent of a file whose keys are right; their values may still be wrong."""
    _checked("$.name", Agent, table.name)
    _checked("$.version", Agent, table.name, version=table.version)
    for n, topic in enumerate(table.topics):
        _checked(f"$.topics[{n}]", check_topic, topic)
    instructions = _checked("$.instructions", _instructions, table.instructions, folder)
    _checked("$.variables", Instructions, instructions, table.variables)
    tools, grants = [], _checked("$.grants", Grants.of, table.grants, base=folder)
    for n, spec in enumerate(table.tools):
        found, granted = _checked(f"$.tools[{n}]", resolve, spec, base=folder)
        tools += [one for one in found if one not in tools]
        grants += granted
    for n, name in enumerate(table.approve):
        _checked(f"$.approve[{n}]", Approval.of, [name], [one.name for one in tools])
    handoffs = [
        _checked(f"$.handoffs[{n}]", Handoff, one.topic, one.description)
        for n, one in enumerate(table.handoffs)
    ]
    output = None
    if table.output is not None:
        output = _checked("$.output", read_output, table.output)
        _checked("$.output", Form, output)
    options = typing.cast("ChatOptions", table.options.model_dump(exclude_none=True))
    sessions = table.sessions
    return typing.cast(
        "LLMAgent",
        _checked(
            "$",
            LLMAgent,
            table.name,
            instructions,
            model=table.model,
            tools=tools,
            grants=grants.scopes,
            memory=Recall(**table.memory.model_dump()) if table.memory else None,
            output_type=output,
            topics=table.topics or None,
            version=table.version,
            capabilities=table.capabilities,
            tool_concurrency=table.tool_concurrency,
            limits=Limits(**table.budget.model_dump()),
            approve=table.approve,
            approve_within=table.approve_within,
            handoffs=handoffs,
            sessions=sessions if isinstance(sessions, bool) else Sessions(**sessions.model_dump()),
            variables=table.variables,
            details=table.details,
            options=options,
            retries=table.retries,
            timeout=table.timeout,
            concurrency=table.concurrency,
        ),
    )


def _checked(path: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except PepperError as error:
        raise _At(str(error.context.get("path", path)), error) from None


def _instructions(said: str, folder: Path) -> str | Template:
    """The text itself, or the template that a single word with a file's ending names."""
    if _FILE.fullmatch(said.strip()) is None:
        return said
    path = folder / said.strip()
    if not path.is_file():
        raise BadConfig(
            f"instructions: there is no file {said.strip()}",
            hint=f"it is looked for in {folder}; or write the instructions themselves",
        )
    text = read_source(path).text
    if not text.startswith("---") and not any(mark in text for mark in ("{{", "{%", "{#")):
        return text
    template = load_template(path)
    template.check()
    return template
