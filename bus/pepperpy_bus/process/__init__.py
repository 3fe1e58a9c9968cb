"""What every long-running process has around its work: signals, the wait for the broker, health."""
