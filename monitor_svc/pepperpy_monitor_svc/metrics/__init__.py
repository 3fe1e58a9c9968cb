"""Metrics: what the fleet, the broker and the services are counted by."""
