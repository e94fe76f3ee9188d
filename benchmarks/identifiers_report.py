"""The tables of identifiers.py.

Takes its outcomes, writes ``results/identifiers.md``. Knows nothing of how they came about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from identifiers_kinds import KINDS
from reporting import markdown, wilson

if TYPE_CHECKING:
    from identifiers import Outcome, Planted

RESULTS = Path(__file__).parent / "results"
GROUPS = ("known", "held out")


def write(outcomes: Sequence[Outcome], planted: int, every: int) -> None:
    talk = [each for each in outcomes if each.text == "conversation"]
    dense = [each for each in outcomes if each.text != "conversation"]
    kinds = {g: ", ".join(k.name for k in KINDS if k.group == g) for g in GROUPS}
    report = [
        "# Exact strings that have faded",
        f"`python benchmarks/identifiers.py --planted {planted} --every {every}`: identifiers of "
        f"{len(KINDS)} kinds in invented conversation, one in {every} exchanges, and in logs and "
        "JSON, kept by the real memory and viewed 20 times as a thread grows. Each whose turn "
        "stood on a page counts once in each tier, as it was when first seen there: on the "
        "factsheet; else read exactly from the page's lines by PP-OCR, a stand-in for a model's "
        "eyes; else covered only by the turn's mark. Recall by mark was tried for each. Intervals "
        "are Wilson's, 95 %, each sighting taken on its own.",
        f"Known kinds, which the extractor's tests name: {kinds['known']}.",
        "Held out, chosen before the extractor was worked on, but by then known to its author, so "
        f"no blind test: {kinds['held out']}.",
        "## Conversation",
        markdown(
            ["host", "tier", "kinds", "planted", "factsheet", "page", "mark only",
             "factsheet or page (95 %)"],
            [row for each in talk for row in _rows(each.case, each.planted)]
            + _rows("all hosts", [p for each in talk for p in each.planted]),
        ),
        _sheets(talk),
        "Not on the factsheet, by kind (read from the page + only by mark): " + _kinds(talk) + ".",
        "## Logs and JSON",
        "Pages are not read here: a string is on the factsheet, or its turn's mark stands on the "
        "page and recall by that mark gave it back, word for word.",
        markdown(
            ["host", "tier", "planted", "factsheet", "by mark", "of those named by the sheet",
             "recalled"],
            [row for each in dense for row in _dense_rows(each)],
        ),
        _sheets(dense),
    ]  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "identifiers.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")


def _rows(host: str, planted: Sequence[Planted]) -> list[list[str]]:
    tiers = sorted({p.tier for p in planted})
    rows: list[list[str]] = []
    for tier in [*tiers, None] if len(tiers) > 1 else [None]:
        for group in (*GROUPS, "all"):
            found = [p for p in planted if tier in (None, p.tier) and group in ("all", p.group)]
            fates = Counter(p.fate for p in found)
            name = str(tier) if tier else "all" if len(tiers) > 1 else str(tiers[0])
            rows.append(
                [host, name, group, f"{len(found):,}"]
                + [f"{fates[fate]:,}" for fate in ("factsheet", "page", "mark")]
                + [_share(fates["factsheet"] + fates["page"], len(found))]
            )
    return rows


def _dense_rows(each: Outcome) -> list[list[str]]:
    rows: list[list[str]] = []
    for tier in sorted({p.tier for p in each.planted}):
        found = [p for p in each.planted if p.tier == tier]
        listed = sum(p.fate == "factsheet" for p in found)
        marked = [p for p in found if p.fate != "factsheet"]
        rows.append(
            [each.case, str(tier), f"{len(found):,}", _share(listed, len(found)),
             _share(len(marked), len(found)), f"{sum(p.overflow for p in marked):,}",
             _share(sum(p.recalled for p in found), len(found))]
        )  # fmt: skip
    return rows


def _share(hits: int, total: int) -> str:
    low, high = wilson(hits, total)
    return f"{hits / max(1, total):.2%} ({low:.2%}-{high:.2%})"


def _sheets(outcomes: Iterable[Outcome]) -> str:
    filled: list[str] = []
    for each in outcomes:
        past = sum(used > most for used, most in each.sheets)
        filled.append(
            f"{each.case} {_filled(each):.0%}, passed in {past} of {len(each.sheets)} views"
        )
    return f"Used of what the factsheets may take: {'; '.join(filled)}."


def _filled(each: Outcome) -> float:
    return sum(used for used, _ in each.sheets) / max(1, sum(most for _, most in each.sheets))


def _kinds(outcomes: Iterable[Outcome]) -> str:
    def counts(fate: str) -> Counter[str]:
        return Counter(p.kind for o in outcomes for p in o.planted if p.fate == fate)

    page, mark = counts("page"), counts("mark")
    return "; ".join(
        f"{name} {page[name]} + {mark[name]}" for name, _ in (page + mark).most_common()
    )
