"""Stored answers of a request: to itself, or to a similar question."""

from pepperpy_provider_svc.gateway.admission import Admitted
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_schemas.chat import ChatReply


async def kept(parts: Parts, admitted: Admitted) -> ChatReply | None:
    """Returns the stored answer to a request, if there is one that it may be given."""
    if not admitted.keep:
        return None
    tenant, semantic = admitted.account.name, parts.declaration.semantic
    reply = await parts.answers.get(tenant, admitted.digest)
    if reply is None and admitted.likeness is not None:
        return await parts.similar.find(tenant, admitted.digest, admitted.likeness, semantic)
    return reply


async def keep(parts: Parts, admitted: Admitted, reply: ChatReply) -> None:
    """Stores an answer where that was asked for, and has its question remembered once it is."""
    if not admitted.keep:
        return
    tenant, digest, ttl = admitted.account.name, admitted.digest, admitted.keep
    stored = await parts.answers.put(tenant, digest, reply, ttl=ttl)
    if stored and admitted.likeness is not None and reply.finish == "stop":
        semantic = parts.declaration.semantic
        parts.similar.keep(tenant, digest, admitted.likeness, semantic, ttl=ttl)
