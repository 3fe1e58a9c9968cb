"""Asking language models over the bus: whole answers, streamed ones, vectors, counts."""

from pepperpy_bus.llm.assembling import Assembling, assemble
from pepperpy_bus.llm.client import LLM
from pepperpy_bus.llm.options import ChatOptions, Conversation

__all__ = ["LLM", "Assembling", "ChatOptions", "Conversation", "assemble"]
