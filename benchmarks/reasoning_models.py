"""Measures how well a model reasons: alone, and with a solver for what it translates.

    python benchmarks/reasoning_models.py [--declaration FILE] [--model NAME] [--repairs N] [--json]

Without a declaration the small local model is asked, which needs the extra `local`. The problems
are Aristotle's figures and examples of Lewis Carroll's *Symbolic Logic* (1896) with the answers
that they have there: three follow, three are excluded, two do not follow. `usable`: the model's
own answer had its form. `right`: it was the right one. `translated`: a translation could be used.
`proved right`: what the solver proved of it was right. `answered right`: what PepperPy answered.
The last line of `--json` is one flat object; figures are shares of all problems, and seconds of a
median one.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.brokers import nats_server
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Service
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.reasoning.models import kinds
from pepperpy_capabilities.reasoning.models.reasoner import ModelReasoner
from pepperpy_capabilities.workshop import Workshop
from pepperpy_provider_svc.gateway.gateway import NAME, Gateway
from pepperpy_provider_svc.offer import Offer
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.model_reasoning import DeductiveAnswer, DeductiveProblem

LOCAL = """
[providers.here]
kind = "local"

[models.default]
targets = ["here/smollm2-135m"]
"""
PROBLEMS = (
    ("Barbara", ["All men are mortal.", "Socrates is a man."], "Is Socrates mortal?", "yes"),
    ("Celarent", ["No reptile has fur.", "A snake is a reptile."], "Does a snake have fur?", "no"),
    ("Darii", ["All rabbits have fur.", "Hazel is a rabbit."], "Does Hazel have fur?", "yes"),
    (
        "Carroll's ducks",
        [
            "No ducks waltz.",
            "No officers ever decline to waltz.",
            "All my poultry are ducks.",
            "Hansel is of my poultry.",
        ],
        "Is Hansel an officer?",
        "no",
    ),
    (
        "Carroll's babies",
        [
            "Babies are illogical.",
            "Nobody is despised who can manage a crocodile.",
            "Illogical persons are despised.",
            "Tom is a baby.",
        ],
        "Can Tom manage a crocodile?",
        "no",
    ),
    ("Modus ponens", ["If it rains, the street is wet.", "It rains."], "Is the street wet?", "yes"),
    (
        "Affirmed consequent",
        ["If it rains, the street is wet.", "The street is wet."],
        "Does it rain?",
        "unknown",
    ),
    (
        "Undistributed middle",
        ["All cats are animals.", "Rex is an animal."],
        "Is Rex a cat?",
        "unknown",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What came of one problem.

    Attributes:
        usable: Whether the model's answer had its form.
        right: Whether it was right.
        translated: Whether a translation could be used.
        proved_right: Whether what was proved of it was right.
        answered_right: Whether the answer as a whole was right.
        seconds: How long it took.
    """

    usable: bool = False
    right: bool = False
    translated: bool = False
    proved_right: bool = False
    answered_right: bool = False
    seconds: float = 0.0


def outcome(answer: DeductiveAnswer, right: str, seconds: float) -> Outcome:
    """Returns what an answer is worth."""
    proof = answer.proof
    translated = proof is not None and proof.proved
    return Outcome(
        usable=True,
        right=answer.thought.verdict == right,
        translated=translated,
        proved_right=translated and answer.verdict == right,
        answered_right=answer.verdict == right,
        seconds=seconds,
    )


async def measure(declaration: Path, model: str, repairs: int, quiet: bool) -> list[Outcome]:
    """Asks all problems, one after the other."""
    outcomes: list[Outcome] = []
    async with contextlib.AsyncExitStack() as stack:
        broker = stack.enter_context(nats_server())
        client = await stack.enter_async_context(connect(broker.url))
        offer = await stack.enter_async_context(Offer(client, declaration, {}))
        gateway = Gateway(lambda: offer.parts, replica="r1", keepalive=5.0)
        service = Service(
            client.connection,
            client.prefix,
            NAME,
            version="1.0.0",
            endpoints=gateway.endpoints(),
            hide=offer.hide,
            max_request=lambda: offer.parts.declaration.guards.max_request,
        )
        async with service, Workshop() as workshop:
            for name, premises, question, right in PROBLEMS:
                problem = DeductiveProblem(
                    premises=premises, question=question, model=model, repairs=repairs, check=False
                )
                began = time.monotonic()
                try:
                    means = Means(workshop, seconds=problem.seconds, llm=client.llm)
                    answer = await ModelReasoner(kinds.DEDUCTIVE).reason(problem, means)
                    one = outcome(answer, right, time.monotonic() - began)
                    said = f"{answer.thought.verdict}, then {answer.verdict}"
                except PepperError as error:
                    one = Outcome(seconds=time.monotonic() - began)
                    said = f"{error.code}: {error.message:.300}"
                outcomes.append(one)
                if not quiet:
                    print(f"{name:22} {right:8} {said}", flush=True)
    return outcomes


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--declaration", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--repairs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        declaration = options.declaration or Path(folder) / "models.toml"
        if options.declaration is None:
            declaration.write_text(LOCAL)
        done = asyncio.run(measure(declaration, options.model, options.repairs, options.json))
    names = ("usable", "right", "translated", "proved_right", "answered_right")
    figures = {name: sum(getattr(one, name) for one in done) / len(done) for name in names}
    figures["seconds"] = round(median(one.seconds for one in done), 1)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name.replace('_', ' '):16} {figure:.2f}")


if __name__ == "__main__":
    main()
