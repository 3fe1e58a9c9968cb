"""MCP, both ways: tools of any MCP server for our agents, and our agents and tools for others.

| theirs here | ours there |
| --- | --- |
| `declared`: the servers that the operator names | `asking`: an agent's topic as a tool |
| `tools`: what an agent's author writes, as tools | `offering`: agents and tools as an MCP server |
| `connection`: a server, started and kept | `serving`, `guarding`: over stdio, and over HTTP |

What a server says of its tools is somebody else's text. The package `mcp` is imported when a server
is first spoken with, or served.
"""
