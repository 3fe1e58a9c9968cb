"""What a scripted model says to problems of each kind."""

import json
from typing import Any

from llmock.scenarios import Reply

from pepperpy_schemas.model_reasoning import (
    AbductiveProblem,
    AnalogicalProblem,
    CausalProblem,
    CounterfactualProblem,
    DeductiveProblem,
    InductiveProblem,
)

DECLARATION = """
[providers.mock]
kind = "openai"
base_url = "{url}"
keys = [{{env = "MOCK_KEY"}}]

[models.default]
targets = ["mock/gpt-4o"]

[models.opponent]
targets = ["mock/gpt-4o-mini"]

[prices."mock/gpt-4o"]
input = 2.5
output = 10.0
"""

HOLDS: dict[str, Any] = {"verdict": "holds", "objections": [], "confidence": 0.9}
"""What a second look says that finds nothing."""

SOCRATES = DeductiveProblem(
    premises=["All men are mortal.", "Socrates is a man."], question="Is Socrates mortal?"
)
MORTAL: dict[str, Any] = {
    "conclusion": "Socrates is mortal.",
    "confidence": 0.9,
    "verdict": "yes",
    "steps": [{"says": "Socrates is mortal.", "uses": ["G1", "G2"]}],
}
MORTAL_RULES: dict[str, Any] = {
    "rules": "mortal(X) :- man(X). man(socrates).",
    "query": "mortal(socrates)",
    "wanted": [],
}

SWANS = InductiveProblem(
    observations=["Swan 1 is white.", "Swan 2 is white.", "Swan 3 is black."],
    question="Is the next swan white?",
)
MOSTLY_WHITE: dict[str, Any] = {
    "conclusion": "Probably.",
    "confidence": 0.6,
    "rules": [
        {
            "rule": "Most swans are white.",
            "supported_by": ["G1", "G2"],
            "against": ["G3"],
            "confidence": 0.6,
        }
    ],
}

LAWN = AbductiveProblem(explain=["The lawn is wet."], known=["The street is dry."])
SPRINKLER: dict[str, Any] = {
    "conclusion": "The sprinkler was on.",
    "confidence": 0.8,
    "hypotheses": [
        {
            "hypothesis": "The sprinkler was on.",
            "explains": ["E1"],
            "against": [],
            "confidence": 0.8,
            "test": "Is the tap open?",
        },
        {
            "hypothesis": "It has rained.",
            "explains": ["E1"],
            "against": ["K1"],
            "confidence": 0.1,
            "test": "Is the roof wet?",
        },
    ],
}

ATOM = AnalogicalProblem(
    source=["Planets go around the sun.", "The sun attracts planets."],
    target=["An atom has a nucleus and electrons."],
    question="What do electrons do?",
)
RUTHERFORD: dict[str, Any] = {
    "conclusion": "Electrons go around the nucleus.",
    "confidence": 0.5,
    "mapping": [
        {"source": "sun", "target": "nucleus", "because": "It is in the middle and attracts."},
        {"source": "planet", "target": "electron", "because": "It is light and is attracted."},
    ],
    "breaks": ["Electrons have no orbits."],
}

SMOKING = CausalProblem(
    evidence=["Smokers have cancer more often.", "Smokers have yellow fingers."],
    factors=["smoking", "cancer", "yellow fingers"],
)
CANCER: dict[str, Any] = {
    "conclusion": "Smoking causes both.",
    "confidence": 0.9,
    "edges": [
        {
            "cause": "smoking",
            "effect": effect,
            "sign": "more",
            "supported_by": [label],
            "confidence": 0.9,
        }
        for effect, label in (("cancer", "G1"), ("yellow fingers", "G2"))
    ],
    "confounders": ["age"],
}

MATCH = CounterfactualProblem(
    situation=["The match was dry.", "The match was struck.", "The match burned."],
    suppose="The match was wet.",
    question="Would the match have burned?",
)
NO_FIRE: dict[str, Any] = {
    "conclusion": "It would not have burned.",
    "confidence": 0.9,
    "changed": ["G1"],
    "lost": ["G3"],
    "kept": ["G2"],
    "steps": [{"says": "A wet match does not burn when it is struck.", "uses": ["X1", "G2"]}],
}


def says(*answers: Any) -> list[Reply]:
    """Replies of a model: texts, or values that it writes as JSON."""
    return [Reply(text=one if isinstance(one, str) else json.dumps(one)) for one in answers]
