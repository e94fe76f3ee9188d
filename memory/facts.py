"""Exact strings: what a reader must not get wrong by a character.

Pages give the gist; ids, hashes, URLs, paths, amounts, dates and code names
ride beside them as text. ``exact_strings`` finds them in a turn's text by
shape rather than by a list of known kinds: a string is exact if a reader could
not guess a letter of it that is hard to see. ``factsheet`` lays the strings of
many turns out under their marks within a token limit. Knows nothing of hosts
or storage.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sfumato.plain import body
from sfumato.turn import Turn

EXTRACTOR_VERSION = 2
"""Raised whenever the same turns would give other sheets than before."""
HEADING = "Exact strings from the pages, by turn:"
SEPARATOR = " · "
LONGEST = 400
"""Characters; a longer unbroken string is left to recall."""

# Punctuation of the sentence, not of the string. What opens a string may be part of it (":8080").
_OPENING = "\"'`«“‘„¿¡…"
_CLOSING = "\"'`»”’“…,;:!?.،؛؟।。，、；：！？"
_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">", "（": "）", "「": "」", "《": "》"}
_EMPHASIS = ("**", "*", "~~", "__")
_MONTHS = frozenset(
    ("jan", "january", "feb", "february", "mar", "march", "apr", "april", "may", "jun", "june",
     "jul", "july", "aug", "august", "sep", "sept", "september", "oct", "october", "nov",
     "november", "dec", "december")
)  # fmt: skip
# What a number is a number of, where the two are said as one.
_UNITS = frozenset(
    ("am", "pm", "a.m", "p.m", "%", "‰", "$", "€", "£", "¥", "₹", "₩", "usd", "eur", "gbp", "chf",
     "jpy", "cny", "dollars", "euros", "pounds", "francs", "yen", "bucks", "cents", "grand",
     "hundred", "thousand", "million", "billion", "trillion", "k", "m", "bn", "kb", "mb", "gb",
     "tb", "kib", "mib", "gib", "km", "kg", "ms", "cm", "mm", "mg", "ml", "kw", "kwh")
)  # fmt: skip
_MARKS_OF = ("Sc", "So")  # currency signs; №, ℃ …
_DATE_JOINTS = frozenset(("of", "de"))
# Letters that hardly ever follow a letter in words of European languages: pairs in fewer than 8
# of the 37,000 words of DeepSeek-V3's vocabulary.
_RARE_PAIRS = (
    "bcfghkpqvwxz cbdfgjmnpvwx dkqx fbcdhjkmnpqvwxz gbcfjpqvwxz hfghjkpqvxz iwy "
    "jbcdfghjklmnpqrtvwxyz kbcgjkmqvxz ljqxz mcdghjkqrvwxz nx oq pbcfgjknqvwxz "
    "qabcdefghijklmnopqrstvwxyz rjx sjx tjqvx uqw vbcdfghjklmnpqstvwxz wgjkmpqtuvwxz "
    "xbdfgjklmnqrsvwxz yfhjkqvxy zbcdfgjkmpqrsvx"
)
_RARE = frozenset(row[0] + second for row in _RARE_PAIRS.split() for second in row[1:])
_STUMBLE = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|[aeiou]{4}")
_AREA = re.compile(r"\(\d{1,5}\)")  # of a phone number
_ITEM = re.compile(r"\d{1,2}[.)]|[-*+]|#+")
_GROUP = 12
"""Characters; the longest of the pieces of a string that is written with spaces."""
_GROUPS = 10
"""Pieces in such a string; an IBAN has at most nine."""
_UNSPACED = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_OTHER = rf"(?:(?!{_UNSPACED})[^\W_])"
# Where scripts have no spaces: numbers with the sign each counts (2024年5月), other letters.
_AMONG_UNSPACED = re.compile(
    rf"[$€£¥￥₩]?(?:\d[\d.,:/-]*{_UNSPACED})+(?:\d[\d.,:/-]*)?(?!{_OTHER})"
    rf"|[$€£¥￥₩#]?{_OTHER}+(?:[.,:/_@#?=&%~+-]+{_OTHER}+)*%?"
)
_NO_SPACES = re.compile(_UNSPACED)


def exact_strings(turn: Turn) -> tuple[str, ...]:
    """The exact strings in a turn, in order of appearance, each once."""
    found: dict[str, None] = {}
    for line in body(turn).splitlines():
        for string in _joined(_tokens(line)):
            if len(string) <= LONGEST and _printable(string):
                found[string] = None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Token:
    """A word without the sentence's punctuation. ``after`` is what stood behind it."""

    text: str
    exact: bool
    opens: bool
    after: str


def _tokens(line: str) -> Iterator[_Token]:
    words = line.split()
    if len(words) > 1 and _ITEM.fullmatch(words[0]):
        words = words[1:]
    for word in words:
        if '"' in word[1:-1] and len(word) > _GROUP:
            for value in re.split(r"[\"{}\[\],]+", word):
                yield _token(value, fenced=True)
        elif not word.isascii() and _NO_SPACES.search(word):
            for match in _AMONG_UNSPACED.finditer(word):
                yield _token(match.group(), fenced=True)
        else:
            yield _token(word)


def _token(word: str, *, fenced: bool = False) -> _Token:
    return _bare(word, fenced) if len(word) <= 4 * LONGEST else _Token("", False, True, ".")


@lru_cache(maxsize=4096)
def _bare(word: str, fenced: bool) -> _Token:
    text, opens, after, before = word, fenced, "", ""
    while text != before:
        before = text
        text = text.rstrip(_CLOSING)
        after = before[len(text) :] + after
        bare = _unwrapped(text.lstrip(_OPENING))
        opens = opens or not text.startswith(bare)
        after = after or ("" if text.endswith(bare) else ")")
        text = bare
    return _Token(text, is_exact(text), opens, "." if fenced else after)


def _unwrapped(word: str) -> str:
    """Without brackets around the word, or one whose partner is not in it."""
    for sign in _EMPHASIS:
        if len(word) > 2 * len(sign) and word.startswith(sign) and word.endswith(sign):
            return word[len(sign) : -len(sign)]
    if _AREA.fullmatch(word):
        return word
    for left, right in _BRACKETS.items():
        if len(word) > 1 and word[0] == left and word[-1] == right and word.count(left) == 1:
            return word[1:-1]
        if left == "<":
            continue  # also a sign of its own: <9, >=2
        if word.startswith(left) and right not in word:
            return word[1:]
        if word.endswith(right) and left not in word:
            return word[:-1]
    return word


def _joined(tokens: Iterable[_Token]) -> Iterator[str]:
    """Exact strings, those that are written with spaces as one: dates, IBANs, phone numbers."""
    run: list[_Token] = []
    for token in tokens:
        if run and len(run) < _GROUPS and _continues(run[-1], token):
            run.append(token)
            continue
        yield from _strings(run)
        run = [token]
    yield from _strings(run)


def _continues(last: _Token, token: _Token) -> bool:
    if token.opens or not last.text or not token.text:
        return False
    if last.after == ",":
        return _is_number(token.text) and (_is_number(last.text) or _is_month(last.text))
    if last.after and not (last.after == "." and _is_month(last.text)):
        return False
    if _is_number(last.text):
        word = token.text.casefold()
        return (
            _in_group(token.text) or word in _UNITS or _is_month(token.text) or word in _DATE_JOINTS
        )
    if last.text in _DATE_JOINTS:
        return _is_month(token.text)
    if last.text.casefold() in _UNITS and not last.exact:
        return token.text.casefold() in _UNITS
    if _is_month(last.text):
        return _is_number(token.text) and len(token.text) < 5
    return _in_group(last.text) and _in_group(token.text)


def _strings(run: Sequence[_Token]) -> Iterator[str]:
    """The run as one string if anything in it is exact, without joints at its ends."""
    while run and run[-1].text in _DATE_JOINTS:
        run = run[:-1]
    while run and not run[0].exact and run[0].text in _DATE_JOINTS:
        run = run[1:]
    if any(token.exact for token in run):
        last = len(run) - 1
        yield " ".join(
            token.text + (token.after if n < last else "") for n, token in enumerate(run)
        )


def _is_number(text: str) -> bool:
    """Digits with signs around them, or an ordinal."""
    if not any(c.isdigit() for c in text):
        return False
    bare = re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", text)
    return len(text) <= 2 * _GROUP and not any(c.isalpha() for c in bare)


def _is_month(text: str) -> bool:
    return text.casefold() in _MONTHS


def _in_group(text: str) -> bool:
    """Whether it may be one piece of a code written in groups: short, no small letters."""
    if len(text) > _GROUP or any(c.islower() for c in text):
        return False
    if text.isalpha():
        return text.isascii() and text != "I" and len(text) < 4
    return any(c.isdigit() or c.isupper() or unicodedata.category(c) in _MARKS_OF for c in text)


def is_exact(word: str) -> bool:
    """Whether a reader could not guess the word from the letters it can make out."""
    if not word or word.isspace():
        return False
    if any(c.isdigit() for c in word):
        return True
    letters = [c for c in word if c.isalpha()]
    if not letters:
        return False
    if len(letters) == 1 == len(word):
        return word.isascii() and word.isupper() and word not in "AEIOUY"
    if word.isupper():
        return True
    if _mixed(word):
        return True
    inner = word[1:-1]
    if any(not c.isalnum() and c not in "'’-‐–—." and c.isascii() for c in inner):
        return True
    if re.fullmatch(r"--?[a-z][\w-]+", word) or word[0] in "@$\\/~#%":
        return len(word) > 2
    if "." in inner and ".." not in word:
        return max(map(len, word.split("."))) > 1
    return word.isascii() and word.isalpha() and len(word) > 4 and not _spellable(word.lower())


def _mixed(word: str) -> bool:
    """A capital after a small letter, or a small one after two capitals, as no word has it."""
    capitals = 0
    small = False
    for c in word:
        if c.isupper():
            if small:
                return True
            capitals += 1
        elif c.islower():
            if capitals > 1:
                return True
            small, capitals = True, 0
        else:
            small, capitals = False, 0
    return False


def _spellable(word: str) -> bool:
    """Whether small letters follow each other as they do in words."""
    if any(word[n : n + 2] in _RARE for n in range(len(word) - 1)):
        return False
    return not _STUMBLE.search(word) and any(c in "aeiouy" for c in word)


@lru_cache(maxsize=4096)
def risk(string: str) -> int:
    """How badly a page reader would garble it: 0 hardly, 1 at times, 2 as a rule.

    Counts the characters that nothing around them predicts. Long runs of them
    are where readers go wrong without noticing.
    """
    loose = 0
    for piece in re.findall(r"[^\W\d_]+|[\W\d_]", string):
        if not piece[0].isalpha():
            loose += not piece.isspace()
        elif _mixed(piece) or not (piece.isupper() or _spellable(piece.lower())):
            loose += len(piece)
        elif piece.isupper() and not _is_month(piece):
            loose += (len(piece) + 1) // 2
    return 0 if loose <= 2 else 1 if loose <= 9 else 2


def _printable(text: str) -> bool:
    """No controls, surrogates or invisible format characters: those are left to recall."""
    return all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


@dataclass(frozen=True, slots=True)
class Factsheet:
    """The sheet's text ('' when there is nothing to say) and its tokens.

    ``left_out`` are the marks of strings that did not fit, oldest first.
    """

    text: str
    tokens: int
    left_out: tuple[int, ...] = ()


def factsheet(
    strings: Iterable[tuple[int, Sequence[str]]], limit: int, count: Callable[[str], int]
) -> Factsheet:
    """Lay out (mark, strings) pairs, oldest first, within ``limit`` tokens.

    A string is listed once, at the newest turn that holds it. When the limit is
    reached, those that a page reader would garble worst come first in right, of
    equals the newest; one line names the marks of what gave way.
    """
    seen: set[str] = set()
    facts: list[tuple[int, str]] = []
    for mark, found in sorted(strings, reverse=True):
        fresh = [s for s in dict.fromkeys(found) if s not in seen]
        seen.update(fresh)
        facts += [(mark, s) for s in fresh]
    if not facts:
        return Factsheet("", 0)
    facts.sort(key=lambda fact: -risk(fact[1]))  # a stable sort: newest first among equals
    started: set[int] = set()
    costs: list[int] = []
    for mark, string in facts:
        label = 0 if mark in started else count(f"#{mark}\n")
        started.add(mark)
        costs.append(label + count(SEPARATOR + string))
    room = limit - count(HEADING + "\n")
    if sum(costs) > room:
        room -= count(_overflow(facts[-1][0], facts[0][0]))
    kept = used = 0
    while kept < len(facts) and used + costs[kept] <= room:
        used, kept = used + costs[kept], kept + 1
    # Strings were counted one by one; what holds is the count of the whole.
    while kept >= 0:
        rest = tuple(sorted({mark for mark, _ in facts[kept:]}))
        text = _sheet(facts[:kept], _overflow(rest[0], rest[-1]) if rest else "")
        tokens = count(text)
        if tokens <= limit:
            return Factsheet(text, tokens, rest)
        kept -= 1 + kept // 100
    return Factsheet("", 0, tuple(sorted({mark for mark, _ in facts})))


def _overflow(first: int, last: int) -> str:
    which = f"#{first}" if first == last else f"#{first}-#{last}"
    return f"{which}: more exact strings; recall them by mark\n"


def _sheet(facts: Sequence[tuple[int, str]], overflow: str) -> str:
    lines: dict[int, list[str]] = {}
    for mark, string in sorted(facts, key=lambda fact: fact[0]):
        lines.setdefault(mark, []).append(string)
    listed = "\n".join(f"#{mark} {SEPARATOR.join(found)}" for mark, found in lines.items())
    return f"{HEADING}\n{overflow}{listed}".rstrip("\n")
