"""Traces of tasks, sent to a receiver of OTLP as they come to their ends."""
