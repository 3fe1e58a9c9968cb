"""What an agent thinks with: everything that is the same for all of its tasks."""

import msgspec

from pepperpy_agents.thinking.approval import Approval
from pepperpy_agents.thinking.forms import Form
from pepperpy_agents.thinking.handoffs import Handoff
from pepperpy_agents.thinking.instructions import Instructions
from pepperpy_agents.thinking.limits import Limits
from pepperpy_agents.thinking.recalling import Recall
from pepperpy_agents.thinking.sessions import Sessions
from pepperpy_agents.tools.running import Toolbox
from pepperpy_bus.llm.options import ChatOptions


class Mind(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an agent that thinks.

    Attributes:
        name: The agent's name.
        instructions: Its instructions.
        model: The alias, or ``provider/model``.
        options: What every request to the model says besides.
        toolbox: Runs tools.
        limits: Where a task is stopped.
        form: What an answer must be.
        approval: Which calls people must agree to.
        recall: Where memories are looked for; None for nowhere.
        sessions: How conversations are kept; None where they are not.
        handoffs: Who may be handed the question.
        details: Whether the result is an `Answer`.
    """

    name: str
    instructions: Instructions
    model: str
    options: ChatOptions
    toolbox: Toolbox
    limits: Limits
    form: Form
    approval: Approval
    recall: Recall | None
    sessions: Sessions | None
    handoffs: tuple[Handoff, ...]
    details: bool
