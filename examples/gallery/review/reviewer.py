"""A reviewer: it reads a diff, looks into the files around it, and lists what it finds.

It may read and search the files of one folder, and do nothing else: a diff is a text of somebody
else's, and may say what it likes.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from pepperpy import Limits, LLMAgent

ROOT = Path(os.environ.get("REVIEW_ROOT", Path(__file__).parent / "shop")).resolve()


class Finding(BaseModel):
    """Something that should be looked at."""

    file: str
    line: int = Field(ge=1, description="Line of the new file.")
    severity: Literal["bug", "risk", "nit"]
    comment: str


class Review(BaseModel):
    """What the change does, and what is wrong with it."""

    summary: str
    findings: list[Finding]


agent = LLMAgent(
    "reviewer",
    f"""You review a change of the repository {ROOT}, which is given as a unified diff.

    Read whatever the change stands on before you judge it: callers, types, units. Report only what
    you can say why: bugs first, then risks, then nits. Line numbers are those of the new file. An
    empty list is a good answer.""",
    version="1.0.0",
    topics=["review"],
    tools=[f"files.read:{ROOT}", f"files.search:{ROOT}"],
    output_type=Review,
    limits=Limits(turns=10, tool_calls=20, usd=0.20),
)
