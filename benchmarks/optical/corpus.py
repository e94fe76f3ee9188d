"""Free text to draw pages from: documentation, code and prose found on the machine.

    python benchmarks/optical/corpus.py OUT.jsonl.gz ROOT...

Reads text, Markdown, reStructuredText, HTML, POD and Python files under the roots and
writes passages of 80 to 900 characters, shuffled, one JSON string a line. Passages with
other than ASCII characters are left out: the small model learns no other script.
"""

from __future__ import annotations

import gzip
import html
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SHORTEST, LONGEST = 80, 900
MOST_BYTES = 19_000_000
_SUFFIXES = {".txt", ".md", ".rst", ".html", ".pod", ".py", ""}
_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.DOTALL)
_NEVER = re.compile("locomo", re.IGNORECASE)


def passages(path: Path) -> Iterator[str]:
    """Paragraphs of a file; code keeps its lines, prose is folded."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        raw = file.read(3_000_000)
    if b"\0" in raw:
        return
    text = raw.decode("utf-8", "replace")
    if ".html" in path.name:
        text = html.unescape(_TAGS.sub("", text))
    text = text.replace("’", "'").replace("“", '"').replace("”", '"').replace("—", "-")
    is_code = path.suffix == ".py"
    for found in re.split(r"\n\s*\n" if not is_code else r"\n(?=def |class |@|import )", text):
        piece = found.rstrip() if is_code else " ".join(found.split())
        while len(piece) >= SHORTEST:
            cut = piece.rfind("\n" if is_code else " ", SHORTEST, LONGEST)
            part = piece if len(piece) <= LONGEST else piece[: cut if cut > 0 else LONGEST]
            if part.isascii() and sum(map(str.isalpha, part)) > len(part) * 0.55:
                yield part
            piece = piece[len(part) :].strip("\n" if is_code else " ")


def files(root: Path) -> Iterator[Path]:
    """Readable text files, in the order of their names."""
    for path in sorted(root.rglob("*")):
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        if plain.suffix in _SUFFIXES and not _NEVER.search(str(path)) and path.is_file():
            yield path


def main(out: Path, roots: list[Path]) -> None:
    """Write the corpus: equal shares of the roots, shuffled, without repeats."""
    chosen: dict[str, None] = {}
    for root in roots:
        room = MOST_BYTES // len(roots)
        found = list(files(root))
        random.Random(root.name).shuffle(found)
        for path in found:
            # No file may crowd out the others.
            kept = list(dict.fromkeys(passages(path)))
            random.Random(path.name).shuffle(kept)
            for passage in kept[:600]:
                if passage not in chosen and room > 0:
                    chosen[passage] = None
                    room -= len(passage)
            if room <= 0:
                break
    lines = list(chosen)
    random.Random(0).shuffle(lines)
    with gzip.open(out, "wt", compresslevel=9) as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    print(len(lines), "passages,", out.stat().st_size, "bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(root) for root in sys.argv[2:]])
