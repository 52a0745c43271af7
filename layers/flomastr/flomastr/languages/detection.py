"""Languages of documents: by which their words are stemmed, and in which a text seems to be."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol

type Language = Literal[
    "auto",
    "simple",
    "arabic",
    "armenian",
    "basque",
    "catalan",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "indonesian",
    "irish",
    "italian",
    "lithuanian",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "yiddish",
]

READ = 1000  # characters of a document
ENOUGH = 12  # letters

STEMMED = {
    "ar": "arabic",
    "hy": "armenian",
    "eu": "basque",
    "ca": "catalan",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "ga": "irish",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


class Told(Protocol):
    language: str
    is_reliable: bool


class Detector(Protocol):
    def FindLanguage(self, text: str) -> Told: ...


@cache
def detector() -> Detector:
    """Loaded when it is needed: only functions that take documents in have it."""
    package: Any = import_module("gcld3")
    return package.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=4 * READ)


def language_of(texts: Sequence[str]) -> str:
    """By what a document that begins so is stemmed: `simple` where it is in none of these, or nobody can tell."""
    beginning = "\n".join(texts)[:READ]
    if sum(map(str.isalpha, beginning)) < ENOUGH:
        return "simple"
    told = detector().FindLanguage(beginning)
    return STEMMED.get(told.language, "simple") if told.is_reliable else "simple"
