"""Where words stand in a passage. app.folded, app.plain and app.compounds say what is a word, and this as they do."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

INVISIBLE = r"\u00AD\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF"  # they part no word
BETWEEN = (  # punctuation, symbols and spaces, which part words
    r"\u0000-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7"
    r"\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05F3\u05F4\u060C\u061B\u061F\u066A-\u066D\u06D4\u0964\u0965"
    r"\u2000-\u200B\u200E-\u205F\u2061-\u206F\u2070-\u209F\u20A0-\u20CF\u2100-\u2BFF\u2E00-\u2E7F"
    r"\u3000-\u3004\u3008-\u3020\u3030\u303D-\u303F\u30FB\uE000-\uF8FF\uFE10-\uFE1F\uFE30-\uFE6F"
    r"\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFE\U0001F000-\U0001FAFF"
)
MARKS = r"\u3099\u309A\uFF9E\uFF9F"  # that make one letter of kana and themselves
UNSPACED = (  # letters of what is written without spaces, as app.unspaced has them, and forms that fold into them
    r"\u0E01-\u0E3A\u0E40-\u0E4E\u0E50-\u0E59\u0E81-\u0EDF\u1000-\u1049\u1050-\u109F\u1100-\u11FF\u1780-\u17D3"
    r"\u2E80-\u2FDF\u3005-\u3007\u3041-\u3096\u3099-\u309F\u30A1-\u30FA\u30FC-\u30FF\u3105-\u318E\u31A0-\u31BF"
    r"\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7A3\uF900-\uFAFF\uFF66-\uFFDC\U00020000-\U000323AF"
)
WORD = BETWEEN + UNSPACED  # what no other word has
RUN = rf"(?:[{INVISIBLE}]|[^{WORD}])++"  # is not tried again from within, which would take time by its square
PIECE = re.compile(rf"[0-9]+|(?:[{INVISIBLE}]|[^0-9{WORD}])+")
UNSPACED_RUN = re.compile(f"[{UNSPACED}][{UNSPACED}{MARKS}{INVISIBLE}]*")
LETTER = re.compile(f"[{UNSPACED}][{MARKS}{INVISIBLE}]*")
COMPOUND = re.compile(
    rf"(?<![{INVISIBLE}])(?<![^{WORD}]){RUN}(?:[.-]{RUN}){{1,7}}|(?<![A-Za-z0-9])[A-Za-z0-9]{{1,3}}&[A-Za-z0-9]{{1,3}}(?![A-Za-z0-9])"
)
LANGUAGE = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{1,2})(?:(\+\+)(?![A-Za-z+])|(#)(?![A-Za-z0-9#]))")
VERSION = re.compile(r"^v(?=[0-9]+\.)")
HIDDEN = re.compile(f"[{INVISIBLE}]")
ACCENTS = re.compile(r"([A-Za-z])[\u0300-\u036F]+")
LETTERS = str.maketrans("øØłŁđĐı", "oOlLdDi") | str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
)
HYPHENS = str.maketrans("\u2010\u2011", "--")

type Range = tuple[int, int]


def positions(text: str, words: set[str]) -> Iterator[Range]:
    """Where a text has one of these words, in order. Words are as app.found_words has them: folded, in lower case."""
    if not words:
        return
    text = text.translate(HYPHENS)
    found: list[Range] = []
    languages = [one.span() for one in LANGUAGE.finditer(text)]
    found += [one.span() for one in LANGUAGE.finditer(text) if language(one) in words]
    found += [one.span() for one in COMPOUND.finditer(text) if VERSION.sub("", folded(one[0])) in words]
    begins = {begin for begin, _ in languages}
    found += [one.span() for one in PIECE.finditer(text) if one.start() not in begins and folded(one[0]) in words]
    found += [pair for run in UNSPACED_RUN.finditer(text) for pair in pairs(run, words)]
    yield from merged(sorted(found))


def pairs(run: re.Match[str], words: set[str]) -> Iterator[Range]:
    """Where a run has two letters that are one of these words, or one."""
    letters = [
        (letter, run.start() + one.start(), run.start() + one.end())
        for one in LETTER.finditer(run[0])
        for letter in folded(one[0])
    ]
    yield from ((begin, end) for letter, begin, end in letters if letter in words)
    yield from ((begin, end) for (one, begin, _), (other, _, end) in pairwise(letters) if one + other in words)


def merged(ranges: list[Range]) -> Iterator[Range]:
    """Those that overlap or touch as one."""
    current: Range | None = None
    for begin, end in ranges:
        if current and begin <= current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current:
            yield current
        current = (begin, end)
    if current:
        yield current


def language(found: re.Match[str]) -> str:
    return found[1].lower() + ("plusplus" if found[2] else "sharp")


@lru_cache(maxsize=4096)
def folded(word: str) -> str:
    """A word as app.folded has it, in lower case."""
    if word.isascii():
        return word.lower()
    bare = unicodedata.normalize("NFKD", HIDDEN.sub("", word).translate(LETTERS))
    return unicodedata.normalize("NFKC", ACCENTS.sub(r"\1", bare)).lower()
