"""All vectors made anew, as a task: the new ones that are there already are the journal."""

from pepperpy_agents.context import Context
from pepperpy_schemas.memory_requests import ReindexProgress, ReindexRequest


async def make_anew(request: ReindexRequest, ctx: Context) -> ReindexProgress:
    """Has the memory make all vectors anew, and tells how far that is.

    What was made before a kill is in the store, beside the vectors that are searched: the next
    attempt makes those that are missing, and needs no step for it.
    """
    last = ReindexProgress(0, 0, request.embedder)
    async for one in ctx.memory.reindex(request.embedder):
        if one != last:
            await ctx.progress(
                1 - one.left / max(one.entries, one.left, 1),
                one.embedder,
                done=one.done,
                left=one.left,
                entries=one.entries,
            )
        last = one
    return last
