"""Agents made from references: checked before they start, with hooks, times and versions."""

from pepperpy_agents.factory.hooks import after_create, before_create
from pepperpy_agents.factory.making import Factory, Made

__all__ = ["Factory", "Made", "after_create", "before_create"]
