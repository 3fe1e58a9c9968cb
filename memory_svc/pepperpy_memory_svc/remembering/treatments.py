"""How the texts of each namespace become words, written down in the name of what they became.

So whoever opens a store can ask for its words as they were made, whatever is declared now.
"""

from collections.abc import Mapping
from typing import Final, Self

import msgspec

from pepperpy_memory_svc.declared.models import Declaration
from pepperpy_memory_svc.remembering.analyser import Analyser
from pepperpy_schemas.language import Pipeline


class Treatment(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a namespace's texts become words.

    Attributes:
        main: The language of texts that are too short to tell.
        pipeline: What is done to the words.
    """

    main: str = "en"
    pipeline: Pipeline = Pipeline()


PLAIN: Final = Treatment()
"""Of a namespace that says nothing of it."""

_MARK: Final = "@"


class Treatments:
    """The treatments of all namespaces.

    Args:
        own: Those that are not `PLAIN`, by namespace.
    """

    def __init__(self, own: Mapping[str, Treatment]) -> None:
        self._own = {name: one for name, one in sorted(own.items()) if one != PLAIN}

    @classmethod
    def declared(cls, declaration: Declaration) -> Self:
        """Returns what a declaration says."""
        return cls(
            {
                name: Treatment(
                    one.main,
                    Pipeline(
                        fold=one.words.fold,
                        stop=one.words.stop,
                        root=one.words.root,
                        bigrams=one.words.bigrams,
                    ),
                )
                for name, one in declaration.namespaces.items()
            }
        )

    @classmethod
    def named(cls, name: str) -> Self:
        """Returns those of a generation of words by its name."""
        _, mark, own = name.partition(_MARK)
        return cls(msgspec.json.decode(own, type=dict[str, Treatment]) if mark else {})

    def name(self, analyser: Analyser) -> str:
        """Returns the name of the generation of words that an analyser makes by them."""
        version = analyser.version(PLAIN.pipeline)
        if not self._own:
            return version
        return f"{version}{_MARK}{msgspec.json.encode(self._own).decode()}"

    def of(self, namespace: str) -> Treatment:
        """Returns that of a namespace."""
        return self._own.get(namespace, PLAIN)


def version_of(name: str) -> str:
    """Returns the version of the analyser that made a generation of words."""
    return name.partition(_MARK)[0]
