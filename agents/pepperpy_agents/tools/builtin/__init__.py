"""The built-in tools by name; the module of one is imported when somebody wants it.

None may do anything until its scope is granted, which its module names.
"""

from typing import Final

_HERE: Final = "pepperpy_agents.tools.builtin"

BUILTIN: Final = {
    "calculator": f"{_HERE}.calculator:CALCULATOR",
    "clock": f"{_HERE}.clock:CLOCK",
    "files.list": f"{_HERE}.files:LIST",
    "files.read": f"{_HERE}.files:READ",
    "files.search": f"{_HERE}.files:SEARCH",
    "files.write": f"{_HERE}.files:WRITE",
    "http.get": f"{_HERE}.http:GET",
    "http.post": f"{_HERE}.http:POST",
    "memory.put": f"{_HERE}.remembering:PUT",
    "memory.search": f"{_HERE}.remembering:SEARCH",
    "postgres.query": f"{_HERE}.postgres:QUERY",
    "python.run": f"{_HERE}.python:RUN",
    "shell.run": f"{_HERE}.shell:RUN",
    "sql.query": f"{_HERE}.sqlite:QUERY",
}
"""Where each tool is: module and attribute."""
