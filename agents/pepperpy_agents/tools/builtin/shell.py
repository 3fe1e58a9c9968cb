"""Commands: a program with its arguments, in a sandbox; no shell reads them.

The scope of a call is its program, ``shell.run:git``. Which files a command sees is what was
granted to the file tools, and whether it has a network is ``sandbox.network``.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pepperpy_agents.tools.builtin.sandbox import Limits, Rights, run
from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.tool import Tool, ToolUse

MOST_ARGUMENTS: Final = 256


def shell_tool(limits: Limits = Limits()) -> Tool:  # noqa: B008 - it is frozen
    """Returns ``shell.run``.

    Args:
        limits: What a command may take.
    """

    async def call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        ended = await run(
            arguments["argv"],
            stdin=arguments.get("stdin", "").encode(errors="replace"),
            rights=Rights.of(use.grants, "shell"),
            limits=limits,
        )
        return msgspec.structs.asdict(ended)

    return Tool(
        name="shell.run",
        description=(
            "Runs a program in a sandbox and returns what it wrote. No shell is between: pipes, "
            "quotes and $ mean nothing. Its folder is new and empty, and gone afterwards."
        ),
        parameters=parameters(
            argv={
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": MOST_ARGUMENTS,
                "description": 'The program and its arguments: ["grep", "-c", "word", "a.txt"]',
            },
            stdin=string("What it reads"),
            required=("argv",),
        ),
        call=call,
        needs=_needs,
        timeout=limits.seconds + 5,
    )


def _needs(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"shell.run:{arguments['argv'][0]}",)


RUN: Final = shell_tool()
