"""The roles of a deployment: who may publish and subscribe what."""

import msgspec


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection may do, as the server's subject permissions."""

    publish: tuple[str, ...] = ()
    publish_deny: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    subscribe_deny: tuple[str, ...] = ()
    #: Whether it may answer the reply subject of a request that it received.
    allow_responses: bool = False
