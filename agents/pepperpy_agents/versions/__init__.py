"""Several versions of an agent side by side: tasks go to them by weight, each to the same one."""
