"""Graphs of tasks at work: the stock agent that runs them."""
