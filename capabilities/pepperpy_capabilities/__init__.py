"""Reasoning, learning and planning, by solvers and learners, as stock agents on stock topics."""
