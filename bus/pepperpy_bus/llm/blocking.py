"""Language models for callers in another thread: scripts, and handlers that are no coroutines."""

from pepperpy_bus.facades import Facade, iterates, waits
from pepperpy_bus.llm.client import LLM


class SyncLLM(Facade[LLM]):
    """Asks models; see `LLM`."""

    chat = waits(LLM.chat)
    stream = iterates(LLM.stream)
    embed = waits(LLM.embed)
    count = waits(LLM.count)
    models = waits(LLM.models)
    status = waits(LLM.status)
