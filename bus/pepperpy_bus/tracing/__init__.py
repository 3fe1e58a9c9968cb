"""Traces: the spans of tasks, made of what the broker keeps of them."""
