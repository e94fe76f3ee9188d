"""LoCoMo conversations as drafts.

Takes samples of the LoCoMo benchmark (Maharana et al., ACL 2024,
github.com/snap-research/locomo: ``sample_id`` and ``conversation`` with
``session_1``, ``session_1_date_time`` …), gives one draft a sample: speaker_a
is the user, speaker_b the assistant, a shared picture its caption. A turn's
id is its ``dia_id`` and the sample's, like ``D1:3@conv-26``, so that the
benchmark's evidence can be matched.

Knows nothing about the benchmark's questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from sfumato.import_draft import Draft, Placed
from sfumato.import_source import Node, kept, without
from sfumato.turn import Part, Role, Text, Turn

_SESSION = re.compile(r"session_(\d+)")
_DATE_TIME = re.compile(r"(1[0-2]|0?\d):(\d{2}) ([ap]m) on (\d{1,2}) ([A-Z][a-z]+), (\d{4})")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_KNOWN = ("speaker", "dia_id", "text", "img_url", "blip_caption", "query")


def read_locomo(records: Sequence[Node]) -> list[Draft]:
    """One conversation per sample, its sessions in order."""
    return [_sample(record) for record in records]


def _sample(record: Node) -> Draft:
    sample_id = record["sample_id"].identifier
    conversation = record["conversation"]
    roles: dict[str, Role] = {
        conversation["speaker_a"].string: "user",
        conversation["speaker_b"].string: "assistant",
    }
    draft = Draft(name=sample_id, id=sample_id)
    for session in _sessions(conversation):
        time = _date_time(conversation[f"{session}_date_time"])
        draft.turns += [_turn(said, roles, time, sample_id) for said in conversation[session]]
    return draft


def _sessions(conversation: Node) -> list[str]:
    found = [match for key in conversation.fields if (match := _SESSION.fullmatch(key))]
    return [match[0] for match in sorted(found, key=lambda match: int(match[1]))]


def _turn(
    said: Node, roles: Mapping[str, Role], time: datetime | None, sample_id: str | None
) -> Placed:
    speaker = said["speaker"].string
    if speaker not in roles:
        said["speaker"].misfit(f"{speaker!r} is not one of the speakers {', '.join(roles)}")
    names = [name for name in (said["dia_id"].identifier, sample_id) if name is not None]
    turn = Turn(
        roles[speaker],
        (Text(said["text"].string), *_picture(said)),
        name=speaker,
        time=time,
        id="@".join(names) if said["dia_id"].value is not None else None,
        extra=kept("locomo", without(said.fields, *_KNOWN)),
    )
    return Placed(turn, said)


def _picture(said: Node) -> Iterator[Part]:
    """The shared picture, as its caption: the data holds no pixels and its links are dead."""
    caption, urls = said["blip_caption"].string_or_none, said["img_url"].value
    if caption is not None or urls is not None:
        extra = kept("locomo", without({"query": said["query"].value, "img_url": urls}))
        yield Text(f"[image: {caption or 'no caption'}]", extra)


def _date_time(node: Node) -> datetime | None:
    """``1:56 pm on 8 May, 2023``, taken as UTC: the data names no zone."""
    if node.value is None:
        return None
    found = _DATE_TIME.fullmatch(node.string.strip())
    if found is None or found[5] not in _MONTHS:
        node.misfit(f"{node.string!r} is not a time like '1:56 pm on 8 May, 2023'")
    hour = int(found[1]) % 12 + (12 if found[3] == "pm" else 0)
    month = _MONTHS.index(found[5]) + 1
    try:
        return datetime(int(found[6]), month, int(found[4]), hour, int(found[2]), tzinfo=UTC)
    except ValueError as problem:
        node.misfit(f"{node.string!r} is not a time: {problem}")
