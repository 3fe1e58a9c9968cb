"""The store in Redis, with RediSearch."""

from pepperpy_memory_svc.stores.redis.address import Address
from pepperpy_memory_svc.stores.redis.pool import Limits
from pepperpy_memory_svc.stores.redis.store import RedisStore

__all__ = ["Address", "Limits", "RedisStore"]
