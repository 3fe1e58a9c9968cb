"""Requests to services, single or streamed: both ends."""
