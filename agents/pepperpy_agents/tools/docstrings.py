"""What a Google docstring says of a function and its parameters."""

import inspect
from collections.abc import Callable
from typing import Any


def described(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Returns what a function does, and what each of its parameters means.

    What the docstring says of results, errors and examples is left out: models pay for each word.
    """
    from docstring_parser import DocstringStyle, parse

    doc = parse(inspect.getdoc(function) or "", DocstringStyle.GOOGLE)
    parts = (doc.short_description, doc.long_description)
    does = "\n\n".join(_flowing(part) for part in parts if part)
    means = {one.arg_name: _flowing(one.description or "") for one in doc.params}
    return does, {name: text for name, text in means.items() if text}


def _flowing(text: str) -> str:
    """The text with its lines joined to paragraphs."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
