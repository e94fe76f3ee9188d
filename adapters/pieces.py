"""A model's tokens as text, piece by piece. Knows nothing of models or views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence


def pieces(tokens: Iterable[int], decode: Callable[[Sequence[int]], str]) -> Iterator[str]:
    """Text as soon as it is whole: a character may take several tokens."""
    said: list[int] = []
    before, given = 0, 0
    for token in tokens:
        said.append(token)
        # Decoded with the piece before it, since a token's text may depend on its neighbour.
        shown, now = decode(said[before:given]), decode(said[before:])
        if len(now) > len(shown) and not now.endswith("\ufffd"):
            yield now[len(shown) :]
            before, given = given, len(said)
    if rest := decode(said[before:])[len(decode(said[before:given])) :]:
        yield rest
