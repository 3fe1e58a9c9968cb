"""Python: a program of the model, in a sandbox of its own.

Python's own library is there, no other package, and nothing of the worker. Which files it sees is
what was granted to the file tools, and whether it has a network is ``sandbox.network``.
"""

import os
import sys
from typing import Any, Final

import msgspec

from pepperpy_agents.tools.builtin.sandbox import Limits, Rights, run
from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.tool import Tool, ToolUse

LONGEST: Final = 100_000
"""Characters of a program."""


def python_tool(limits: Limits = Limits()) -> Tool:  # noqa: B008 - it is frozen
    """Returns ``python.run``.

    Args:
        limits: What a program may take.
    """
    # Isolated: no variables, no packages of the user, no module beside the program.
    interpreter = [os.path.realpath(sys.executable), "-I", "-B", "-"]

    async def call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
        ended = await run(
            interpreter,
            stdin=arguments["code"].encode(errors="replace"),
            rights=Rights.of(use.grants, "python"),
            limits=limits,
            programs=(sys.base_prefix,),
        )
        return msgspec.structs.asdict(ended)

    return Tool(
        name="python.run",
        description=(
            "Runs a Python program in a sandbox and returns what it printed. Only Python's own "
            "library is there; nothing is kept from one program to the next."
        ),
        parameters=parameters(
            code=string("The program; print() what you want to know", longest=LONGEST),
            required=("code",),
        ),
        call=call,
        needs=lambda _: ("python.run",),
        timeout=limits.seconds + 5,
    )


RUN: Final = python_tool()
