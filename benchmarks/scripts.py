"""At which sizes is each script read? Ten languages that Tesseract has letters for.

Draws invented small talk in each language with sfumato's renderer and has 50
excerpts of it, at each type size, read by Tesseract at the magnification that
reads six other excerpts best. Characters are compared without white space. PP-OCR
reads Polish and Japanese too, and the better counts. Tesseract needs larger type than
the best readers do (see legibility.py): these sizes are an upper bound of what a
reader needs, and show that letters are in order, whole and apart.

    python benchmarks/scripts.py

Needs ``tesseract-ocr`` with the language packs rus, ell, pol, vie, ara, heb, hin,
tha, jpn and kor, and sfumato's extra ``world``. Takes about 20 minutes on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from legibility import BASELINE, SCREENING, Cell, Result, confirm, screen
from reporting import markdown
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from samples_scripts import script_samples

RESULTS = Path(__file__).parent / "results"
SIZES_PX = (8, 10, 12, 14, 18)
FAR_PX = (14, 4)
"""A size that is also set with its lines so much further apart than the renderer sets them."""
TEXT = 20_000


def study(console: Console) -> list[Result]:
    """Every language at every size."""
    texts = script_samples(TEXT)
    found: list[Result] = []
    bar = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*bar, console=console) as progress:
        task = progress.add_task("reading", total=len(texts) * (len(SIZES_PX) + 1))
        for sample in texts:
            for size, leading in (*((size, 0) for size in SIZES_PX), FAR_PX):
                cell = Cell(sample.kind, BASELINE.font, size, leading)
                found.append(confirm(screen(cell, sample, SCREENING), sample))
                rate = found[-1].rate.rate
                progress.console.print(f"{cell.text} {size}+{leading} px: {rate:.2%} wrong")
                progress.advance(task)
    return found


def table(results: Sequence[Result]) -> str:
    """A row a language, a column a size."""
    kinds = dict.fromkeys(each.cell.text for each in results)
    header = ["language", *(f"{size} px" for size in SIZES_PX)]
    header += [
        "{} px, lines {} px further apart".format(*FAR_PX),
        "characters per 1,000 px² at 10 px",
    ]
    rows: list[list[str]] = []
    for kind in kinds:
        cells = [each for each in results if each.cell.text == kind]
        rates = [f"{e.rate.rate:.2%} ({e.rate.low:.2%} to {e.rate.high:.2%})" for e in cells]
        (ten,) = (each for each in cells if each.cell.type_px == 10)
        rows.append([kind, *rates, f"{ten.density:.1f}"])
    return markdown(header, rows)


def main() -> None:
    console = Console(stderr=True)
    results = study(console)
    count = len(results[0].readings[0].lines)
    report = [
        "# Scripts",
        f"`python benchmarks/scripts.py`: characters read wrongly (95 % over excerpts), by type "
        f"size of plain Latin text, each script in the type and with the lines that the renderer "
        f"gives it there (`leading.py`); {count} excerpts in each cell, besides those that chose "
        "the magnification. sfumato's renderer, running text, read by Tesseract, Polish and "
        "Japanese also by PP-OCR, the better counts. Tesseract minds close lines more than PP-OCR "
        "does where both can read (`legibility.md`): these are upper bounds.",
        table(results),
    ]
    (RESULTS / "scripts.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")
    console.print(f"written to {RESULTS / 'scripts.md'}")


if __name__ == "__main__":
    main()
