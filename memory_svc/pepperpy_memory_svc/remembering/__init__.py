"""The operations of the memory service, from a request to its answer."""
