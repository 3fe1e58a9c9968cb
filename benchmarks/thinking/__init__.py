"""Agents that think: what they cost before they do anything, and what their loop adds."""
