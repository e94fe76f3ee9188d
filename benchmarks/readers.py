"""Two machines that read pages: Tesseract 5 and PP-OCR (RapidOCR).

Takes a picture of one column of text, gives the lines read, top to bottom. Each
reader sees the picture magnified, since both were made for larger type; which
factor suits it best is for the caller to find. Knows nothing of what was drawn.

OCR engines are stand-ins for a host's eyes: they show that the ink is there and
can be told apart, not that a given model reads it.

Tesseract comes from the system (``apt-get install tesseract-ocr``, and its
language packs); PP-OCR's weights come in the package ``rapidocr``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from PIL import Image
from samples_scripts import LANGUAGES

BORDER_PX = 12
"""Paper around the magnified picture: both engines miss letters at its edge."""

_PPOCR = {
    "Global.log_level": "error",
    "Global.use_cls": False,  # no line is upside down
    "Global.text_score": 0.0,  # what it is unsure of counts too
    "Global.max_side_len": 100_000,
    "Det.limit_type": "max",
    "Det.limit_side_len": 100_000,
    "Rec.rec_batch_num": 1,  # a batch is padded to its longest line: slower on a CPU
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


PPOCR_LANGUAGES = ("polish", "japanese")
"""Those of samples_scripts.py whose letters PP-OCR knows; of Polish nearly all."""


class Engine(Protocol):
    """Reads a picture of one column of text, magnified ``scale`` times."""

    @property
    def name(self) -> str: ...

    def read(self, picture: Image.Image, scale: float) -> list[str]: ...


class Tesseract:
    """Tesseract 5 on one core. ``language`` as it names them: ``eng``, ``chi_sim`` …"""

    def __init__(self, language: str = "eng") -> None:
        if shutil.which("tesseract") is None:
            raise SystemExit("Tesseract is missing: apt-get install tesseract-ocr")
        self.language = language
        self.name = "tesseract"

    def read(self, picture: Image.Image, scale: float) -> list[str]:
        png = BytesIO()
        magnified(picture, scale).save(png, "PNG", compress_level=1)
        # One block of text: what stands in a column is never to be taken for two.
        command = ["tesseract", "stdin", "stdout", "--psm", "6", "-l", self.language]
        done = subprocess.run(
            command,
            input=png.getvalue(),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
        return [line for line in done.stdout.decode().splitlines() if line.strip()]


class PaddleOCR:
    """PP-OCR's detection and recognition, one core."""

    def __init__(self) -> None:
        self.name = "pp-ocr"

    def read(self, picture: Image.Image, scale: float) -> list[str]:
        large = magnified(picture, scale)
        pixels = np.ascontiguousarray(np.asarray(large.convert("RGB"))[:, :, ::-1])
        result = _ppocr()(pixels, use_det=True)
        if result.boxes is None:
            return []
        pieces = [
            (float(box[:, 1].mean()), float(box[:, 0].min()), float(np.ptp(box[:, 1])), text)
            for box, text in zip(result.boxes, result.txts, strict=True)
        ]
        return _lines(pieces)


def magnified(picture: Image.Image, scale: float) -> Image.Image:
    """The picture enlarged and given a border of its own paper."""
    size = (round(picture.width * scale), round(picture.height * scale))
    flat = picture if picture.mode == "RGB" else picture.convert("L")
    around = (size[0] + 2 * BORDER_PX, size[1] + 2 * BORDER_PX)
    paper = Image.new(flat.mode, around, flat.getpixel((0, 0)))
    large = flat.resize(size, Image.Resampling.LANCZOS)
    paper.paste(large, (BORDER_PX, BORDER_PX))
    return paper


@cache
def engines_for(kind: str) -> tuple[Engine, ...]:
    """The engines that have a text's letters (see samples.py and samples_scripts.py)."""
    if kind in LANGUAGES:
        own = Tesseract(LANGUAGES[kind])
        return (own, PaddleOCR()) if kind in PPOCR_LANGUAGES else (own,)
    return Tesseract("chi_sim" if kind == "chinese" else "eng"), PaddleOCR()


def _lines(pieces: list[tuple[float, float, float, str]]) -> list[str]:
    """(y, x, height, text) pieces put together where they share a line."""
    lines: list[list[tuple[float, float, float, str]]] = []
    for piece in sorted(pieces):
        if lines and piece[0] - lines[-1][0][0] < 0.5 * min(piece[2], lines[-1][0][2]):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [" ".join(text for _, _, _, text in sorted(ln, key=lambda p: p[1])) for ln in lines]


@cache
def _ppocr() -> Any:
    """One engine a process: it takes half a gigabyte."""
    from rapidocr import RapidOCR

    return RapidOCR(params=_PPOCR)
