"""The stock agent that does the memory's long work, and goes on with it whatever happens to it.

The memory answers it as the user of the broker that it connects as: what it takes in belongs to the
namespaces of that user, whoever sent the task. So who may submit its tasks writes there as that
user; but it vouches for nothing that others sent.
"""

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_agents.memory.ingestion import Ingestion
from pepperpy_agents.memory.reindexing import make_anew
from pepperpy_schemas.errors import error_types
from pepperpy_schemas.memory_ingest import INGEST, REINDEX, Ingested, IngestTask
from pepperpy_schemas.memory_requests import ReindexProgress, ReindexRequest

agent = Agent("archivist", version="1.0.0", capabilities=["memory"])

# A service that was killed is back in seconds: what passes is tried again, and goes on.
_PASSING = tuple(one for one in error_types() if one.category == "bus")


@agent.task(INGEST, retries=20, retry_delay="1s", retry_on=_PASSING, timeout=None)
async def ingest(task: IngestTask, ctx: Context) -> Ingested:
    """Takes in files, and returns what became of them; the same again changes nothing."""
    return await Ingestion(task, ctx).run()


@agent.task(REINDEX, retries=20, retry_delay="1s", retry_on=_PASSING, timeout=None, concurrency=1)
async def reindex(request: ReindexRequest, ctx: Context) -> ReindexProgress:
    """Makes all vectors anew by another embedder, and returns how many that were."""
    return await make_anew(request, ctx)
