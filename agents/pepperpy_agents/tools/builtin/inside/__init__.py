"""A process of its own, which makes a sandbox around itself, and a command in it.

What it shall do comes as JSON in a file that it inherits, and how it went goes as JSON into a pipe.
It begins with an empty environment, and is single-threaded, which the system calls need.

    keeper ── new namespaces, waits ── init (process 1 in there) ── the command and its children

Whichever of them ends, all below it are ended by the kernel: nobody can leave a process namespace,
and its process 1 takes it along. The file system is a new one in memory, with the system's programs
read-only, and with the folders that were granted. Where the machine gives no namespaces nothing is
run, unless that was asked for; then a subreaper gathers the children that detach themselves.

These modules import Python's library and one another, by relative names, and nothing of PepperPy:
its other modules are not there when this one runs.
"""
