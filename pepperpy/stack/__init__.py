"""The local stack: a broker and the processes around it, on one machine."""
