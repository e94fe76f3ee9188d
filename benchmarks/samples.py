"""Four texts that the renderers are measured on: prose, code, logs and Chinese.

Gives each as turns, the way it would be remembered. Prose is a conversation
from a file, code comes from Python's own library, logs and most of the Chinese
are invented with a seed. Knows nothing of renderers or readers.
"""

from __future__ import annotations

import json
import random
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from sfumato.importers import read_conversations
from sfumato.turn import Text

DEMO = Path(__file__).parent / "demo" / "conversation.jsonl"
_MODULES = ("argparse", "tarfile", "textwrap", "inspect", "ast", "datetime", "difflib")
_CODE_TURN = 2_000

_HAN = re.compile("[\u4e00-\u9fff]")
_KANA = re.compile("[\u3041-\u30ff]")
_WHO = (
    "我", "他", "我们", "老师", "妈妈", "王医生", "小李", "邻居", "张先生", "同事", "房东", "妹妹",
)  # fmt: skip
_WHEN = (
    "今天早上", "昨天晚上", "星期三下午", "上个月", "春节以前", "明年夏天", "下班以后", "十月七日",
)  # fmt: skip
_WHERE = (
    "在图书馆", "在火车站", "在苏州", "在办公室", "在菜市场", "在医院",
    "在河边的茶馆", "在学校门口",
)  # fmt: skip
_DID = (
    "等了两个小时", "买了三十五斤苹果", "修好了那台旧电脑", "忘记带钥匙",
    "看见一只白色的猫", "付了二百八十元",
    "写完了一份很长的报告", "遇到多年没见的朋友", "学会了做红烧鱼",
    "预订了六个人的房间", "丢了一把黑色的雨伞", "听说那座桥要重新修建",
)  # fmt: skip
_SO = (
    "所以现在觉得很累", "可是一点也不后悔", "请你帮我记下来", "以后还要再去一次",
    "不知道应该怎么办", "大家听了都很高兴",
    "因此要晚一点才能回家", "这件事情非常重要",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A text as turns. ``kind``: prose, code, logs or chinese; ``source`` for people."""

    kind: str
    source: str
    turns: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, a turn after another; its length is what everybody's area is divided by."""
        return "\n".join(self.turns)

    def part(self, start: int, characters: int) -> Sample:
        """Whole lines from the one that holds character ``start``, of at least ``characters``."""
        turns: list[list[str]] = []
        at = taken = 0
        for turn in self.turns:
            kept: list[str] = []
            for line in turn.split("\n"):
                at += len(line) + 1
                if at > start and taken < characters:
                    kept.append(line)
                    taken += len(line) + 1
            if any(kept):
                turns.append(kept)
        return Sample(self.kind, self.source, tuple("\n".join(turn) for turn in turns))


def samples(conversation: Path | None, characters: int) -> list[Sample]:
    """The four texts, each of about ``characters`` characters if it has as many."""
    prose = conversation or DEMO
    return [
        Sample("prose", prose.name, _prose(prose)).part(0, characters),
        Sample("code", "Python's library", _code()).part(0, characters),
        Sample("logs", "invented JSON lines", _logs(characters)).part(0, characters),
        Sample("chinese", "demo and invented", _chinese(characters)).part(0, characters),
    ]


def _prose(path: Path) -> tuple[str, ...]:
    """What people say in a conversation: turns in Latin script, without tables and code."""
    texts = [
        "\n".join(part.text for part in turn.parts if isinstance(part, Text))
        for conversation in read_conversations(path)
        for turn in conversation.turns
        if turn.role != "tool"
    ]
    return tuple(
        text
        for text in texts
        if text and "|" not in text and "```" not in text and all(ord(c) < 0x2E80 for c in text)
    )


def _code() -> tuple[str, ...]:
    """Files of the library in pieces of a turn's length."""
    library = Path(sysconfig.get_path("stdlib"))
    turns: list[str] = []
    for name in _MODULES:
        source = Sample("code", name, ((library / f"{name}.py").read_text("utf-8"),))
        for start in range(0, len(source.text), _CODE_TURN):
            turns += source.part(start, _CODE_TURN).turns
    return tuple(turns)


def _logs(characters: int) -> tuple[str, ...]:
    """A service's log, one JSON object a line, 12 lines a turn."""
    draw = random.Random(5)
    lines: list[str] = []
    second = 0
    while sum(map(len, lines)) < characters + 4_000:
        second += draw.randrange(1, 40)
        level = draw.choice(["info", "info", "info", "warn", "error"])
        lines.append(
            json.dumps(
                {
                    "ts": f"2026-03-{2 + second // 86400:02}T{second // 3600 % 24:02}:"
                    f"{second // 60 % 60:02}:{second % 60:02}.{draw.randrange(1000):03}Z",
                    "level": level,
                    "service": draw.choice(["billing", "search", "mailer", "gateway"]),
                    "request_id": f"{draw.getrandbits(48):012x}",
                    "path": draw.choice(["/v1/orders", "/v1/users/me", "/health", "/v2/search"]),
                    "status": 200 if level == "info" else draw.choice([400, 404, 429, 500, 503]),
                    "ms": round(draw.expovariate(1 / 80), 1),
                    "msg": draw.choice(["done", "retry 2 of 5", "slow query", "token expired"]),
                }
            )
        )
    return tuple("\n".join(lines[start : start + 12]) for start in range(0, len(lines), 12))


def _chinese(characters: int) -> tuple[str, ...]:
    """The Chinese lines of the demo's conversation, then invented turns."""
    lines = [
        line.lstrip("> ")
        for conversation in read_conversations(DEMO)
        for turn in conversation.turns
        for part in turn.parts
        if isinstance(part, Text)
        for line in part.text.splitlines()
    ]
    turns = [
        line for line in lines if 2 * len(_HAN.findall(line)) > len(line) and not _KANA.search(line)
    ]
    draw = random.Random(7)
    while sum(map(len, turns)) < characters:
        sentences = [
            f"{draw.choice(_WHEN)}，{draw.choice(_WHO)}{draw.choice(_WHERE)}"
            f"{draw.choice(_DID)}，{draw.choice(_SO)}。"
            for _ in range(draw.randrange(1, 6))
        ]
        turns.append("".join(sentences))
    return tuple(turns)
