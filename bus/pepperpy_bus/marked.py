"""YAML and JSON that people have written, with the lines of what is in it."""

import re
from typing import Any, Final

import yaml

from pepperpy_schemas.errors import BadPayload

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_VALUES: Final = 100_000

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class Marked:
    """A text that was read, with the line of each of its values.

    JSON is YAML but for escapes that nobody writes; so both have lines.

    Args:
        text: The text.

    Attributes:
        data: What is in it.

    Raises:
        BadPayload: It cannot be read, has a key twice, or too much in it; ``context.line`` is the
            line, where there is one.
    """

    def __init__(self, text: str | bytes) -> None:
        if len(text) > MAX_BYTES:
            raise BadPayload(f"it has {len(text)} bytes, {MAX_BYTES} at most")
        try:
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            self._refuse_twice()
            self.data: Any = self._constructed()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            about = {"line": mark.line + 1} if mark else {}
            raise BadPayload(str(error.problem or error.context), context=about) from None
        except (AttributeError, LookupError, TypeError):
            # The library does not expect it: !!int '', !!bool maybe.
            raise BadPayload("cannot be read: a value is not what its tag says") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise BadPayload(f"cannot be read as YAML or JSON: {error}") from None

    def line(self, path: str) -> int:
        """Returns the line of a value by its path (``$.a.b[0]``), or of what it would lie in."""
        node, line = self._root, 1
        for found in _STEP.finditer(path):
            name, place = found[1], found[2]
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == name:
                        node, line = value, key.start_mark.line + 1
                        break
                else:
                    break
            elif isinstance(node, yaml.SequenceNode) and place and int(place) < len(node.value):
                node = node.value[int(place)]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def _constructed(self) -> Any:
        """What is in it, made of what was read: to read a text takes by far the longest."""
        return None if self._root is None else yaml.SafeLoader("").construct_document(self._root)

    def _refuse_twice(self) -> None:
        """Refuses a key that is there twice, or aliases without an end: one would be lost."""
        left: list[yaml.Node | None] = [self._root]
        for _ in range(MAX_VALUES):
            if not left:
                return
            node = left.pop()
            if isinstance(node, yaml.SequenceNode):
                left += node.value
            elif isinstance(node, yaml.MappingNode):
                left += _values(node)
        raise BadPayload(f"there are more than {MAX_VALUES} values: an alias may lie in itself")


def _values(node: yaml.MappingNode) -> list[yaml.Node | None]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name in seen and name != "<<":
            raise BadPayload(
                f"{name!r:.80} is there twice: in lines {seen[name]} and {line}",
                context={"line": seen[name]},
            )
        seen[name] = line
    return [value for _, value in node.value]
