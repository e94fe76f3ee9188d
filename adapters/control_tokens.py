"""Control tokens in remembered text, broken: no text can end its message or open another."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def breaking(tokenizer: Any, *more: str) -> Callable[[str], str]:
    """What puts a space into all that the tokenizer reads as control tokens, and ``more``."""
    tokens = {*tokenizer.all_special_tokens, *more}
    added = tokenizer.added_tokens_decoder.values()
    tokens |= {token.content for token in added if token.special}
    longest_first = sorted((token for token in tokens if len(token) > 1), key=len, reverse=True)
    special = re.compile("|".join(re.escape(token) for token in longest_first) or r"(?!)")

    def broken(text: str) -> str:
        return special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    return broken
