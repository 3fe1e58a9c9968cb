"""The HTTP edge: tasks for people and programs without NATS."""
