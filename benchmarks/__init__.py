"""Benchmarks: each `python benchmarks/NAME.py [--quick] [--json]` measures one room."""
