"""Invented conversation: what people and assistants say around an identifier.

Gives turns of plain prose of the lengths chats have. Numbers in figures,
abbreviations and lists occur as they do in chats, so that an extractor pays
for what it lists in vain. Knows nothing of identifiers or views.
"""

from __future__ import annotations

import random

_SLOTS = {
    "who": (
        "my sister", "Martin", "our neighbour", "Aunt Lena", "the new manager", "Priya",
        "an old friend from school", "the plumber", "Tom and Alice", "my landlord", "Dr. Weber",
        "the woman at the desk", "Kenji", "our youngest", "the whole team", "Señora Núñez",
    ),
    "did": (
        "called this morning", "forgot the keys again", "asked about the trip",
        "wants to repaint the kitchen", "never answered the letter", "brought a cake to work",
        "moved to a smaller flat", "has started to run before breakfast", "lost the receipt",
        "is learning to play the cello", "fixed the gate in the rain", "left early on Friday",
        "found a second-hand bicycle", "could not open the file", "was late for the interview",
    ),
    "thing": (
        "the garden shed", "a cheaper contract", "the report for Monday", "that long train ride",
        "a birthday present", "the broken heating", "our tax return", "the guest list",
        "a quiet place to work", "the new phone", "her dissertation", "the recipe with lentils",
        "the car insurance", "a weekend in the mountains", "the school concert", "the old printer",
    ),
    "feel": (
        "quite relieved", "a bit worried", "too tired to argue", "surprisingly happy",
        "not convinced", "curious", "grateful", "annoyed, to be honest", "hopeful again",
    ),
    "when": (
        "last week", "yesterday evening", "in the spring", "after lunch", "before the holidays",
        "on Sunday", "as soon as the rain stops", "next month", "a few years ago", "tonight",
    ),
    "place": (
        "the library", "the market hall", "Lisbon", "a cafe by the river", "the office",
        "the hospital", "grandmother's house", "the climbing hall", "the town hall", "Kyoto",
    ),
    "n": ("3", "5", "20", "two", "a dozen", "four or five", "45", "several"),
    "unit": ("minutes", "people", "boxes", "kilometres", "weeks", "euros", "pages", "hours"),
    "short": ("TV", "DIY", "AI", "PDF", "GPS", "USA", "FAQ", "OK", "VPN", "CV"),
}  # fmt: skip
_USER = (
    "{who} {did} {when}, and I am {feel} about it.",
    "Do you think I should talk to {who} about {thing}?",
    "I was at {place} {when} and kept thinking of {thing}.",
    "Honestly, {thing} takes more of my time than I'd like.",
    "What would you do if {who} {did}?",
    "It's been {n} {unit} and still no news about {thing}.",
    "By the way, {who} said hello!",
    "I've been putting off {thing} since {when}, which isn't like me.",
    "Can you help me plan {thing}? I'd like to be done {when}.",
    "haha yes, that's exactly what {who} said, lol",
    "Well... {who} {did}, so we met at {place} instead.",
    "Sorry for the long message; I'm {feel} and it helps to write it down.",
)
_ASSISTANT = (
    "That sounds like a lot to carry, and it makes sense that you are {feel}.",
    "One way to begin is to write down what you already know about {thing}.",
    "You could ask {who} for a short talk at {place}, ideally {when}.",
    "Since {who} {did}, it may be better to wait a little and see what happens.",
    "If {thing} is the main worry, I would look at it first and leave the rest for later.",
    "People often underestimate how long this takes: plan {n} {unit} more than you think.",
    "There is no single right answer here, but a calm conversation usually helps.",
    "For {thing} I would compare two or three offers and/or ask someone who has done it before.",
    "Keep in mind that {place} tends to be crowded {when}.",
    "A short note, e.g. by letter or e-mail, leaves {who} room to think it over.",
    "In most cases the {short} version is good enough, although it depends on your needs.",
    "It is worth checking whether the {short} still works before you rely on it.",
    "Being {feel} does not mean that you have done something wrong.",
    "Would it help if we went through {thing} step by step?",
    "When you next see {who}, you might mention that you were {feel} {when}.",
    "Let me know how it goes, and don't hesitate to come back to {thing} later.",
)
_STEPS = (
    "Write down what bothers you most about {thing}.",
    "Set aside {n} {unit} for it {when}.",
    "Tell {who} what you decided, briefly and kindly.",
    "Go to {place} if you need a change of scene.",
    "Reward yourself with something small.",
)


def said(draw: random.Random, template: str) -> str:
    """A template with its slots filled, as a sentence."""
    text = template
    while "{" in text:
        start, end = text.index("{"), text.index("}")
        text = text[:start] + draw.choice(_SLOTS[text[start + 1 : end]]) + text[end + 1 :]
    return text[0].upper() + text[1:]


def user_sentences(draw: random.Random) -> list[str]:
    """What a user says in one turn."""
    count = draw.choices((1, 2, 3, 5, 8), (20, 30, 25, 15, 10))[0]
    return [said(draw, draw.choice(_USER)) for _ in range(count)]


def assistant_sentences(draw: random.Random) -> list[str]:
    """What an assistant answers: paragraphs, sometimes with a numbered list."""
    count = draw.choices((2, 5, 9, 14, 20), (15, 25, 30, 20, 10))[0]
    sentences = [said(draw, draw.choice(_ASSISTANT)) for _ in range(count)]
    if count > 5 and draw.random() < 0.4:
        steps = draw.sample(_STEPS, draw.randint(3, 5))
        listed = [f"\n{n}. {said(draw, step)}" for n, step in enumerate(steps, start=1)]
        sentences[count // 2 : count // 2] = [*listed, "\n\n"]
    return sentences
