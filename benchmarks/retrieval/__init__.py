"""What the benchmark of the memory service is made of."""
