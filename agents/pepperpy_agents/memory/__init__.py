"""The memory's long work, as tasks: files taken in, vectors made anew."""
