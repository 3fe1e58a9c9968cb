"""The store in Qdrant: a server, the client's own engine, or qdrant-edge."""

from pepperpy_memory_svc.stores.qdrant.client import ClientEngine
from pepperpy_memory_svc.stores.qdrant.gate import Limits
from pepperpy_memory_svc.stores.qdrant.store import QdrantStore

__all__ = ["ClientEngine", "Limits", "QdrantStore"]
