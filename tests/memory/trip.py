"""The conversation that the command line's tests are about."""

from __future__ import annotations

import json

TURNS = 80


def messages(count: int = TURNS) -> list[dict]:
    """A conversation that no two turns of which are alike."""
    said = [{"role": "system", "content": "You plan journeys."}]
    for n in range(2, count + 1):
        words = f"On day {n} we cross the river near town {n * 7} and pay {n}.50 euros for the boat"
        role = "user" if n % 2 == 0 else "assistant"
        said.append({"role": role, "content": f"{words}, says the guide number {n * 13}."})
    return said


def write_lines(path, records) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return str(path)
