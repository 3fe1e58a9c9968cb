"""Agents, models and tools of other frameworks: theirs on the bus, ours in their programs.

A framework is imported when one of its adapters is, and never by anything else.
"""
