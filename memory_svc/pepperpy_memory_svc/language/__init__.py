"""Languages: which one a text is in, and which words it has, for fifteen of them.

`detection` finds the language, `pipeline` makes lexemes of a text, `snippets` shows where they are,
`service` offers all of it on the bus as ``language``.
"""
