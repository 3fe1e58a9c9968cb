"""Prompt templates: declared variables, versions, includes, and a sandbox that leads nowhere.

Jinja2 is imported when the first template is rendered.
"""

from pepperpy_agents.templates.bounds import Bounds
from pepperpy_agents.templates.library import Problem, Templates, load_template
from pepperpy_agents.templates.template import Template
from pepperpy_agents.templates.variables import Variable

__all__ = ["Bounds", "Problem", "Template", "Templates", "Variable", "load_template"]
