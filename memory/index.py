"""From words to search terms: what a turn is found by.

``terms(text)`` gives the terms a text is filed under, ``filed_under(turn)``
those of a turn, ``query_terms(query)`` those that a question looks for. Pure
functions; they know nothing of storage or ranking.

One tokenizer for every script, so that no database's own matters:

- Words are folded (compatibility forms, case, accents) and stemmed: English
  for Latin letters, Russian for Cyrillic.
- Identifiers are filed whole and by piece: ``user_id``, ``parseJSON``,
  ``LH1174``, UUIDs, paths, URLs; long hexadecimal words also by their first
  characters, since that is how hashes are quoted.
- Scripts written without spaces are filed as pairs of neighbouring
  characters, and single characters, so that one-character words are found.
- Function words are left out unless written in capitals (``US``, ``IT``).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

from sfumato.turn import Image, Part, Text, ToolCall, ToolResult, Turn

# Grows whenever terms() changes, so that older indexes are rebuilt.
TERMS_VERSION: Final = 1


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Filed neither in texts nor in questions.
_FUNCTION_WORDS: Final = _words(
    """a about am an and are as at be been being but by did do does doing for from had has have
    having he her hers him his how i if in into is it its itself me my myself of on or our ours
    she so than that the their theirs them then there these they this those to too us was we were
    what when where which while who whom whose why with would you your yours s t m re ve ll d
    don didn doesn isn aren wasn weren haven hasn hadn won wouldn couldn shouldn im"""
)

# Filed in texts, where they may be names or months, but not asked for in questions.
_QUESTION_WORDS: Final = _words(
    """can could will shall should might must may any some please tell know remember say said
    mention mentioned talk talked ever just also many much get got"""
)

# Filed for turns that ask something.
ASKS: Final = "?"

# Pieces by which a long hexadecimal word is also found: git's 7 to 10, Docker's 12.
_HASH_PREFIXES: Final = (7, 8, 10, 12)
_LONGEST_SPLIT: Final = 3

_INVISIBLE: Final = dict.fromkeys(map(ord, "\u00ad\u200c\u200d\u2060\ufeff"))
# Accents of Latin, Greek and Cyrillic; points of Hebrew; vowel marks of Arabic.
_ACCENTS: Final = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u0640]")


def _marks() -> str:
    """Vowel signs and tone marks, which ``\\w`` lacks, as a character class."""
    blocks = (*range(0x0300, 0x2000), *range(0x20D0, 0x2100), *range(0xA800, 0xAC00))
    return "".join(chr(c) for c in blocks if unicodedata.category(chr(c)) in ("Mn", "Mc"))


_LETTER: Final = rf"[^\W_]|[{_marks()}]"
_WORD: Final = rf"(?:{_LETTER})+"
# Words held together by what holds identifiers, paths, addresses and numbers together.
_COMPOUND: Final = re.compile(rf"{_WORD}(?:[-_./:@\\+#~]{{1,3}}{_WORD})*")
_PIECE: Final = re.compile(_WORD)
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_POSSESSIVE: Final = re.compile(r"['’]s\b", re.IGNORECASE)
_CASES: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_HEX: Final = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}")
# Han, kana, Hangul; Thai, Lao, Burmese, Khmer, with their marks.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)

_english: Any = snowballstemmer.stemmer("english")  # pyright: ignore[reportUnknownMemberType]
_russian: Any = snowballstemmer.stemmer("russian")  # pyright: ignore[reportUnknownMemberType]


def terms(text: str) -> list[str]:
    """The terms a text is filed under, in order, repeats included."""
    return _terms(text, whole_runs=True)


def query_terms(query: str) -> list[str]:
    """The distinct terms a question looks for, in order."""
    found = list(dict.fromkeys(_terms(query, whole_runs=False)))
    # A question of nothing but such words means them.
    return [term for term in found if term not in _QUESTION_WORDS] or found


def filed_under(turn: Turn) -> list[str]:
    """Every term a turn is filed under: those of its text, and what it is.

    Its text is the speaker's name, text, image captions, tool calls' names and
    arguments, and tool results. Two kinds of terms no text can hold say that
    it asks something, and who said it.
    """
    name = turn.name or ""
    text = "\n".join((name, *_part_texts(turn.parts)))
    asks = [ASKS] if any(mark in text for mark in "?？؟") else []
    return [*terms(text), *asks, *map(said_by, dict.fromkeys(terms(name)))]


def said_by(term: str) -> str:
    """The term of turns whose speaker's name holds ``term``."""
    return f"@{term}"


def _part_texts(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text():
                yield part.text
            case Image():
                yield part.caption or ""
            case ToolCall():
                yield part.name
                yield from _argument_texts(part.arguments)
            case ToolResult():
                yield part.name or ""
                yield from _part_texts(part.content)
            case _:
                pass


def _argument_texts(arguments: str) -> Iterator[str]:
    try:
        yield from _strings(json.loads(arguments))
    except (ValueError, RecursionError):
        yield arguments


def _strings(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
                yield str(key)  # pyright: ignore[reportUnknownArgumentType]
                yield from _strings(item)
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                yield from _strings(item)
        case _:
            yield str(value)


def _terms(text: str, *, whole_runs: bool) -> list[str]:
    found: list[str] = []
    text = _THOUSANDS.sub("", _POSSESSIVE.sub("", _composed(text)))
    for compound in _COMPOUND.findall(text):
        found.extend(_compound_terms(compound, whole_runs))
    return found


def _composed(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(_INVISIBLE)


@lru_cache(maxsize=1 << 16)
def _compound_terms(compound: str, whole_runs: bool) -> tuple[str, ...]:
    """Terms of one word, or of words that are held together."""
    pieces: list[str] = _PIECE.findall(compound)
    found = [_folded(compound)] if len(pieces) > 1 else []
    for piece in pieces:
        found.extend(_word_terms(piece) if piece.isascii() else _script_terms(piece, whole_runs))
    return tuple(found)


@lru_cache(maxsize=1 << 16)
def _word_terms(word: str) -> tuple[str, ...]:
    """Terms of a run of ASCII letters and digits."""
    whole = word.lower()
    if word.isalpha() and (word.islower() or word.isupper() or word.istitle()):
        if whole in _FUNCTION_WORDS and not (word.isupper() and len(word) > 1):
            return ()
        return (stem(whole),)
    if _HEX.fullmatch(whole):
        # Its letters and digits are no words.
        prefixes = _HASH_PREFIXES if len(whole) > max(_HASH_PREFIXES) else ()
        return (whole, *(whole[:length] for length in prefixes))
    pieces = _CASES.findall(word)
    if not 1 < len(pieces) <= _LONGEST_SPLIT + sum(p.isalpha() for p in pieces) // 2:
        return (whole,)
    return (whole, *(term for piece in pieces for term in _word_terms(piece) if term != whole))


def _script_terms(word: str, whole_runs: bool) -> Iterator[str]:
    """Terms of a run of letters and digits of any script."""
    end = 0
    for run in _UNSPACED.finditer(word):
        yield from _spaced_terms(word[end : run.start()])
        yield from _pair_terms(_folded(run.group()), whole_runs)
        end = run.end()
    yield from _spaced_terms(word[end:])


def _spaced_terms(word: str) -> Iterator[str]:
    if word:
        folded = _folded(word)
        yield from _word_terms(folded) if folded.isascii() else (stem(folded),)


def _pair_terms(run: str, whole_runs: bool) -> Iterator[str]:
    """Pairs of neighbouring characters, each with its marks; and single ones."""
    clusters = re.findall(r"\w[^\w]*|[^\w]+", run)
    if whole_runs or len(clusters) == 1:
        yield from clusters
    for first, second in pairwise(clusters):
        yield first + second


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of a folded word: Russian for Cyrillic, else English."""
    if len(word) < 3 or not word.isalpha():
        return word
    if "\u0400" <= word[0] <= "\u04ff":
        return str(_russian.stemWord(word))
    return str(_english.stemWord(word)) if word.isascii() else word


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", text.casefold()))
    return unicodedata.normalize("NFC", bare)
