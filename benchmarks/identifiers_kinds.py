"""Kinds of exact strings, each with a maker and the sentences it is said in.

``KINDS`` names them; a kind makes one identifier from a random generator.
``known`` kinds are those the extractor of exact strings names in its tests;
``held out`` ones were chosen before it was worked on, and nothing in it may be
written for one of them. Knows nothing of conversations or views.
"""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Maker = Callable[[random.Random], str]

NOTED = (
    "The {label} is {x}, in case you need it later.",
    "I wrote it down: {x}.",
    "For the record, {label} {x} is the one we agreed on.",
    'They told me "{x}" twice, so it should be right.',
    "Is {x} the right {label}?",
    "It finally worked with {x}, nothing else did!",
    "Please keep the {label} ({x}) somewhere safe.",
    "I had {x} in my notes, and then lost the page.",
    "My {label}: {x}",
    "Could you check {x}, please, before anyone else does?",
)
SAID = (
    "We said {x}, if I remember it right.",
    "She mentioned {x} when we spoke.",
    "It was {x} in the end.",
    "I would plan with {x} for now; nothing else is known.",
    "Are you sure about {x}?",
    "They changed it to {x} without telling anybody.",
)


@dataclass(frozen=True)
class Kind:
    """A kind of identifier; ``carriers`` are sentences with {x}, and {label} for its name."""

    name: str
    group: Literal["known", "held out"]
    make: Maker
    carriers: tuple[str, ...] = NOTED

    def sentence(self, draw: random.Random, identifier: str) -> str:
        """The identifier in a sentence of its own."""
        return draw.choice(self.carriers).format(x=identifier, label=self.name)


def some(draw: random.Random, alphabet: str, count: int) -> str:
    return "".join(draw.choices(alphabet, k=count))


def shaped(*patterns: str) -> Maker:
    """A maker from patterns: 9 is a digit, A a capital, a a small letter, X either, h hex."""
    sets = {
        "9": string.digits,
        "A": string.ascii_uppercase,
        "a": string.ascii_lowercase,
        "X": string.ascii_uppercase + string.digits,
        "h": "0123456789abcdef",
        "m": string.ascii_letters,
    }

    def make(draw: random.Random) -> str:
        pattern = draw.choice(patterns)
        return "".join(draw.choice(sets[c]) if c in sets else c for c in pattern)

    return make


def joined(*choices: str | tuple[str, ...] | range) -> Maker:
    """A maker that strings one of each of the choices together."""

    def make(draw: random.Random) -> str:
        return "".join(c if isinstance(c, str) else str(draw.choice(c)) for c in choices)

    return make


def either(*makers: Maker) -> Maker:
    return lambda draw: draw.choice(makers)(draw)


WORDS = (
    "alpha", "batch", "cache", "delta", "event", "field", "graph", "house", "index", "joint",
    "kernel", "layer", "model", "north", "order", "parse", "queue", "route", "stock", "table",
    "user", "value", "width", "yield", "zone",
)  # fmt: skip
HOSTS = ("example.org", "acme-tools.com", "data.example.net", "intranet.local", "shop.example.de")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def roman(number: int) -> str:
    """
    >>> roman(14)
    'XIV'
    """
    written = ""
    for value, sign in (
        (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"),
        (1, "I"),
    ):  # fmt: skip
        written += sign * (number // value)
        number %= value
    return written


def url(draw: random.Random) -> str:
    path = "/".join(draw.choices(WORDS, k=draw.randint(1, 3)))
    query = draw.choice(["", f"?id={draw.randint(10, 99999)}", f"?q={some(draw, 'abcxyz', 6)}&p=2"])
    return f"https://{draw.choice(HOSTS)}/{path}{query}{draw.choice(['', '', '#top'])}"


def email(draw: random.Random) -> str:
    return f"{draw.choice(WORDS)}.{some(draw, string.ascii_lowercase, 5)}@{draw.choice(HOSTS)}"


def posix(draw: random.Random) -> str:
    folders = "/".join(draw.choices(WORDS, k=draw.randint(2, 4)))
    return draw.choice(["/", "~/", "", "./"]) + folders + draw.choice([".py", ".tar.gz", "", ".md"])


def windows(draw: random.Random) -> str:
    return "C:\\" + "\\".join(draw.choices(WORDS, k=3)) + draw.choice([".txt", ".exe", ""])


def camel(draw: random.Random) -> str:
    first, *rest = draw.sample(WORDS, draw.randint(2, 3))
    return draw.choice([first, first.title()]) + "".join(word.title() for word in rest)


def amount(draw: random.Random) -> str:
    number = f"{draw.randint(1, 99999):,}.{draw.randint(0, 99):02}"
    return draw.choice(["${}", "€{}", "£{}", "{} €", "{} EUR", "USD {}", "CHF {}"]).format(number)


def phone(draw: random.Random) -> str:
    return shaped("+49 30 9999 9999", "+1 (999) 999-9999", "999-999-9999", "+44 20 9999 9999")(draw)


def iban(draw: random.Random) -> str:
    groups = " ".join(some(draw, string.digits, 4) for _ in range(4))
    return (
        f"{draw.choice(['DE', 'NL', 'FR'])}{draw.randint(10, 99)} {groups} {draw.randint(10, 99)}"
    )


def address(draw: random.Random) -> str:
    return ".".join(str(draw.randint(1, 254)) for _ in range(4))


def blob(draw: random.Random) -> str:
    return base64.b64encode(draw.randbytes(draw.randint(12, 40))).decode()


def formula(draw: random.Random) -> str:
    return draw.choice(
        ["C{}H{}O{}", "C{}H{}N{}O2", "Fe{}O{}", "NaCl", "KMnO4", "H2SO{}", "Ca(OH){}", "NaHCO{}"]
    ).format(*draw.sample(range(2, 24), 3))


def chess(draw: random.Random) -> str:
    square = draw.choice("abcdefgh") + draw.choice("12345678")
    piece = draw.choice("NBRQK")
    return draw.choice(
        [square, piece + square, f"{piece}x{square}", f"{square[0]}x{square}", f"{piece}{square}+",
         f"{piece}{draw.choice('abcdefgh')}{square}", "O-O", "O-O-O", f"{square[0]}8=Q#"]
    )  # fmt: skip


def password(draw: random.Random) -> str:
    letters = string.ascii_letters + string.digits
    inner = some(draw, letters + "!@#$%^&*()-_=+[]{}<>?", draw.randint(8, 14))
    # Begins and ends with a letter or digit: what punctuation at the edge of a sentence
    # belongs to nobody can tell.
    return draw.choice(letters) + inner + draw.choice(letters)


def spoken_date(draw: random.Random) -> str:
    day = draw.randint(1, 31)
    end = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{end} of {draw.choice(MONTHS)}"


def worded_price(draw: random.Random) -> str:
    n, m = draw.randint(2, 99), draw.randint(2, 99)
    return draw.choice(
        [f"{n}.{m} million dollars", f"{n} dollars and {m} cents", f"{n} grand", f"{n} bucks",
         f"{n} thousand euros"]
    )  # fmt: skip


def coordinates(draw: random.Random) -> str:
    north, east = draw.uniform(-90, 90), draw.uniform(-180, 180)
    degrees = f"{abs(north):.0f}°{draw.randint(0, 59)}′{draw.randint(0, 59)}″N"
    return draw.choice([f"{north:.4f}, {east:.4f}", degrees])


def spaced_tracking(draw: random.Random) -> str:
    return shaped("1Z X99 XA9 99 9999 9999", "AA 999 999 999 AA", "9999 9999 9999")(draw)


def isbn(draw: random.Random) -> str:
    title = f"{draw.randint(10, 999)}-{draw.randint(10000, 99999)}"
    return f"978-{draw.randint(0, 9)}-{title}-{draw.randint(0, 9)}"


def foreign_digits(draw: random.Random) -> str:
    digits = draw.choice(["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९"])
    return some(draw, digits, draw.randint(3, 7))


def chinese_date(draw: random.Random) -> str:
    return f"{draw.randint(1990, 2030)}年{draw.randint(1, 12)}月{draw.randint(1, 28)}日"


KINDS = (
    Kind("UUID", "known", lambda draw: str(uuid.UUID(int=draw.getrandbits(128), version=4))),
    Kind("SHA-1", "known", shaped("h" * 40)),
    Kind("short hash", "known", shaped("h" * 7)),
    Kind("URL", "known", url),
    Kind("e-mail", "known", email),
    Kind("POSIX path", "known", posix),
    Kind("Windows path", "known", windows),
    Kind("version", "known", shaped("v9.9.9", "9.99.9", "9.9.99-rc9", "99.9")),
    Kind("ISO date", "known", joined(range(1990, 2030), "-", range(10, 13), "-", range(10, 29))),
    Kind("amount", "known", amount, SAID),
    Kind("phone", "known", phone),
    Kind("IBAN", "known", iban),
    Kind("flight", "known", shaped("AA999", "AA9999")),
    Kind("order number", "known", shaped("ORD-999999", "#99999", "PO-99-AAA")),
    Kind("snake_case", "known", joined(WORDS, "_", WORDS)),
    Kind("CamelCase", "known", camel),
    Kind("env pair", "known", joined(("MAX", "API"), "_", ("KEY", "URL"), "=", range(10, 9999))),
    Kind("IP address", "known", address),
    Kind("MAC address", "known", shaped("hh:hh:hh:hh:hh:hh")),
    Kind("port", "known", joined(("localhost:", "db.local:", ":"), range(1024, 9999))),
    Kind("version range", "known", shaped("^9.9.9", "~9.9", ">=9.9,<9", "9.x")),
    Kind("licence plate", "held out", shaped("AA-AA 9999", "A AA 999", "9AAA999", "AA99 AAA")),
    Kind("ISBN", "held out", isbn),
    Kind("chess move", "held out", chess),
    Kind("DNA", "held out", lambda draw: some(draw, "ACGT", draw.randint(8, 24))),
    Kind("coordinates", "held out", coordinates),
    Kind("base64", "held out", blob),
    Kind(
        "Roman chapter",
        "held out",
        lambda draw: roman(draw.randint(1, 60)),
        (
            "It is in Chapter {x}, near the end.",
            "Read chapter {x} first.",
            "Part {x} was the best.",
        ),
    ),
    Kind("spoken date", "held out", spoken_date, (*SAID, "We meet on the {x}.")),
    Kind("price in words", "held out", worded_price, (*SAID, "It went for {x} at the auction.")),
    Kind("chemical formula", "held out", formula),
    Kind("tracking number", "held out", spaced_tracking),
    Kind("hex colour", "held out", shaped("#hhhhhh", "#hhh")),
    Kind("passport", "held out", shaped("A99A99A99", "A9999999", "AA999999")),
    Kind(
        "Cyrillic number",
        "held out",
        joined("№ ", range(2, 99), "-", tuple("БВГДЖК")),
        ("Приказ {x} подписан вчера.", "Дом {x}, второй подъезд.", "Мне нужен документ {x}."),
    ),
    Kind(
        "other digits",
        "held out",
        foreign_digits,
        ("The sign says {x}.", "رقم الغرفة {x} في الطابق الأول.", "कमरा {x} खाली है।"),
    ),
    Kind(
        "Chinese date",
        "held out",
        chinese_date,
        ("我们在{x}见面，别忘了带伞。", "合同于{x}签署。", "会议改到{x}，地点不变。"),
    ),
    Kind(
        "time of day",
        "held out",
        joined(range(1, 13), ":", range(10, 60), (" pm", " am", "")),
        SAID,
    ),
    Kind(
        "single digit",
        "held out",
        lambda draw: draw.choice("123456789"),
        (
            "Go to gate {x} and wait there.",
            "They live at number {x}.",
            "The answer was {x}, not more.",
            "Take platform {x} on the left.",
            "We need {x} chairs for it.",
        ),
    ),
    Kind("door code", "held out", shaped("9999#", "*99*99", "99A9", "99-99-99")),
    Kind("password", "held out", password),
    Kind("range", "held out", shaped("99–99", "999-999", "9–99", "1999/99")),
    Kind("mixed-case token", "held out", shaped("aAaAAa", "AaAaaAaA", "aaAaaA")),
    Kind("capitals only", "held out", shaped("AAAAAA", "AAAA", "AAAAAAAA")),
    Kind("product code", "held out", shaped("AA/99/A-9", "A9/AAA/99", "AAA/AA-99")),
    Kind("small letters only", "held out", shaped("aaaaaaa", "aaaaaaaaaa")),
)
