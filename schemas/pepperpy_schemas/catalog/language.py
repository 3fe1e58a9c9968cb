"""Requests about the languages of texts."""

from typing import Final

from pepperpy_schemas.language import AnalyseRequest, DetectRequest, TokeniseRequest, WordsRequest
from pepperpy_schemas.subjects import Subject

LANGUAGE_DETECT: Final = Subject(
    "DetectRequest",
    "{p}.svc.language.detect.{principal}",
    DetectRequest,
    "Which languages texts are in, is asked.",
    examples=('{"texts":["Wo ist mein Paket geblieben?"]}',),
)
LANGUAGE_TOKENISE: Final = Subject(
    "TokeniseRequest",
    "{p}.svc.language.tokenise.{principal}",
    TokeniseRequest,
    "The words of a text are asked for.",
    examples=('{"text":"猫は公園で走る。"}',),
)
LANGUAGE_STEM: Final = Subject(
    "StemRequest",
    "{p}.svc.language.stem.{principal}",
    WordsRequest,
    "The stems of words are asked for.",
    examples=('{"words":["libraries","running"],"lang":"en"}',),
)
LANGUAGE_LEMMATISE: Final = Subject(
    "LemmatiseRequest",
    "{p}.svc.language.lemmatise.{principal}",
    WordsRequest,
    "What words look like in a dictionary, is asked.",
    examples=('{"words":["Häuser","lief"],"lang":"de"}',),
)
LANGUAGE_ANALYSE: Final = Subject(
    "AnalyseRequest",
    "{p}.svc.language.analyse.{principal}",
    AnalyseRequest,
    "What of a text is compared with others, is asked.",
    examples=('{"text":"Where are the old libraries?"}',),
)
