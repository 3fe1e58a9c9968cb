"""Tools: what models may call, under grants, time-outs and limits."""

from pepperpy_agents.tools.declaring import tool
from pepperpy_agents.tools.running import Toolbox, ToolLimits
from pepperpy_agents.tools.scopes import Grants, Scope
from pepperpy_agents.tools.tool import Tool, ToolUse

__all__ = ["Grants", "Scope", "Tool", "ToolLimits", "ToolUse", "Toolbox", "tool"]
