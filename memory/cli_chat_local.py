"""chat without a server: the small model of ``sfumato.adapters.local`` answers.

Needs what the extra ``local`` installs; says so otherwise. Every turn said is
journaled, the answer once it is whole.
"""

from __future__ import annotations

from collections.abc import Callable

from sfumato.cli_session import Settings, readable, say, show_answer, working
from sfumato.errors import InputError
from sfumato.memory import Memory
from sfumato.store import Store

LOCAL_HOST = "text-only"
LOCAL_BUDGET = 1_024
"""Tokens: so small a model answers better from a short prompt, and sooner."""


def local_talk(given: Settings, thread: str, store: Store, budget: int) -> Callable[[str], None]:
    """A function that says something to the model and shows its answer as it comes.

    Raises SfumatoError naming what to install where it is missing.
    """
    # What it needs is large, and chatting with a server needs none of it.
    from sfumato.adapters.local import MODEL, LocalHost
    from sfumato.adapters.local_weights import EXTRA, is_converted
    from sfumato.vision_torch import needed

    say(
        f"{MODEL} answers, on this machine. It reads no pages: it gets the recent turns as text "
        "and what each question recalls. It is small and often wrong."
    )
    first = "" if is_converted() else ", this once from its packed form"
    with working(f"loading {MODEL}{first}"):
        # Its own bars would break into ours.
        needed("transformers.utils.logging", EXTRA).disable_progress_bar()
        host = LocalHost()
    memory = Memory(thread, LOCAL_HOST, store, budget, count=host.count)

    def talk(said: str) -> None:
        memory.add("user", said)
        with working(f"{MODEL} is reading"):
            prompt = host.prompt(memory)
        if prompt.recalled:
            say("recalled " + ", ".join(f"#{mark}" for mark in prompt.recalled))
        pieces: list[str] = []
        for piece in host.stream(prompt):
            pieces.append(piece)
            if not given.as_json:
                print(readable(piece), end="", flush=True)
        if not (answer := "".join(pieces)).strip():
            raise InputError(f"{MODEL} gave no answer")
        entry = memory.add("assistant", answer)
        if given.as_json:
            show_answer(given, entry)
        else:
            print()

    return talk
