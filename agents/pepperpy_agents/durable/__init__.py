"""What makes a task outlive its worker: steps, waits and children in its journal."""
