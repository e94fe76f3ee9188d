"""From words to search terms: what a turn is found by.

``terms(text)`` gives the terms a text is filed under, ``filed_under(turn)``
those of a turn, ``wanted(query)`` the words that a question looks for. Pure
functions; they know nothing of storage or ranking.

One tokenizer for every script, so that no database's own matters:

- Words are folded (compatibility forms, case, accents) and stemmed: English
  for Latin letters, Russian for Cyrillic.
- Identifiers are filed whole and by piece: ``user_id``, ``parseJSON``,
  ``LH1174``, UUIDs, paths, URLs; hexadecimal words also by their first
  characters, since that is how hashes are quoted. A question for one that
  holds digits looks for its pieces only where the whole is not found.
- Scripts written without spaces are filed as pairs of neighbouring
  characters, and single characters, so that one-character words are found.
- Function words are left out unless written in capitals (``US``, ``IT``).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
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

# Filed for turns that ask something.
ASKS: Final = "?"

# Pieces by which a long hexadecimal word is also found: git's 7 to 10, Docker's 12.
_HASH_PREFIXES: Final = (7, 8, 10, 12)
# Words of more pieces, or compounds of more words, are encoded data: filed whole.
_MOST_PIECES: Final = 4
_MOST_WORDS: Final = 64

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
# What separates the larger parts of paths and addresses.
_SEPARATOR: Final = re.compile(r"[/:@\\#]+")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_POSSESSIVE: Final = re.compile(r"['’]s\b", re.IGNORECASE)
_CASES: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_HEX: Final = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,}")
# Han, kana, Hangul; Thai, Lao, Burmese, Khmer, with their marks.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)

# A character with its marks.
_CLUSTER: Final = re.compile(r"\w\W*|\W+")

_english: Any = snowballstemmer.stemmer("english")  # pyright: ignore[reportUnknownMemberType]
_russian: Any = snowballstemmer.stemmer("russian")  # pyright: ignore[reportUnknownMemberType]


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its terms.

    A text is filed under all of them. A question looks for ``exact``, and for
    ``pieces`` where no turn holds one of those.
    """

    exact: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()


def terms(text: str) -> list[str]:
    """The terms a text is filed under, in order, repeats included."""
    found: list[str] = []
    for word in _words_of(text):
        found += word.exact
        found += word.pieces
    return found


def wanted(query: str) -> list[Word]:
    """The distinct words that a question looks for, in order."""
    found = [word for word in dict.fromkeys(_words_of(query)) if word.exact]
    # A question of nothing but such words means them.
    return [word for word in found if _QUESTION_WORDS.isdisjoint(word.exact)] or found


def filed_under(turn: Turn) -> list[str]:
    """Every term a turn is filed under: those of its text, and what it is.

    Its text is the speaker's name, text, image captions, tool calls' names and
    arguments, and tool results. Two kinds of terms no text can hold say that
    it asks something, and who said it.
    """
    name = turn.name or ""
    text = "\n".join((name, *_part_texts(turn.parts)))
    asks = [ASKS] if any(mark in text for mark in "?？؟") else []
    speaker = map(said_by, dict.fromkeys(terms(name))) if name else ()
    return [*terms(text), *asks, *speaker]


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


def _words_of(text: str) -> Iterator[Word]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
    text = _THOUSANDS.sub("", _POSSESSIVE.sub("", text))
    return map(_compound, _COMPOUND.findall(text))


@lru_cache(maxsize=1 << 16)
def _compound(text: str) -> Word:
    """One word, or words that are held together."""
    words: list[str] = _PIECE.findall(text)
    if len(words) == 1:
        return _word(text)
    parts = [part for part in _SEPARATOR.split(text) if part != text and not _PIECE.fullmatch(part)]
    inside = [_word(word) for word in words] if len(words) <= _MOST_WORDS else []
    pieces = (
        *map(_folded, parts),
        *(term for word in inside for term in (*word.exact, *word.pieces)),
    )
    return _whole(text, pieces)


def _whole(text: str, pieces: tuple[str, ...]) -> Word:
    """An identifier: exact alone if it holds digits, else like its pieces."""
    whole = _folded(text)
    if any(character.isdigit() for character in text):
        return Word((whole,), pieces)
    return Word((whole, *pieces))


def _word(text: str) -> Word:
    """A run of letters and digits."""
    if text.isascii():
        return _ascii_word(text)
    exact: list[str] = []
    pieces: list[str] = []
    end = 0
    for run in _UNSPACED.finditer(text):
        exact += _spaced(text[end : run.start()])
        clusters = _CLUSTER.findall(_folded(run.group()))
        exact += [a + b for a, b in pairwise(clusters)] if len(clusters) > 1 else clusters
        pieces += clusters if len(clusters) > 1 else []
        end = run.end()
    exact += _spaced(text[end:])
    return Word(tuple(exact), tuple(pieces))


def _spaced(text: str) -> tuple[str, ...]:
    folded = _folded(text)
    if folded.isascii():
        word = _ascii_word(folded)
        return (*word.exact, *word.pieces)
    return (stem(folded),)


def _ascii_word(text: str) -> Word:
    whole = text.lower()
    if not text or (text.isalpha() and text.lower() in _FUNCTION_WORDS and not _is_name(text)):
        return Word()
    if text.isalpha() and (text.islower() or text.isupper() or text.istitle()):
        return Word((stem(whole),))
    if _HEX.fullmatch(whole):
        # Its letters and digits are no words of their own.
        return Word((whole,), tuple(whole[:n] for n in _HASH_PREFIXES if n < len(whole)))
    pieces = _CASES.findall(text)
    if not 1 < len(pieces) <= _MOST_PIECES:
        return Word((whole,))
    return _whole(text, tuple(term for piece in pieces for term in _ascii_word(piece).exact))


def _is_name(text: str) -> bool:
    """Function words in capitals are names: US, IT, WHO."""
    return text.isupper() and len(text) > 1


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


# Filed in texts, where they may be names or months, but not asked for in questions.
_QUESTION_WORDS: Final = frozenset(
    map(
        stem,
        _words(
            """can could will shall should might must may any some please tell know remember say
            said mention mentioned talk talked ever just also many much get got"""
        ),
    )
)
