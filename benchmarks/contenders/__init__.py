"""One module per contender: `python -m benchmarks.contenders.NAME worker|client URL`."""
