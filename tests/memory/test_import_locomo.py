"""LoCoMo samples, as conversations."""

from datetime import UTC, datetime

from import_samples import LOCOMO, failure, only

from sfumato.turn import Text


def test_a_locomo_sample_is_a_conversation_with_sessions_in_order(write):
    conversation = only(write(LOCOMO))
    assert (conversation.format, conversation.name) == ("locomo", "conv-9")
    assert [(t.id, t.role, t.name) for t in conversation.turns] == [
        ("D2:1@conv-9", "user", "Ana"),
        ("D2:2@conv-9", "assistant", "Bo"),
        ("D2:3@conv-9", "assistant", "Bo"),
        ("D10:1@conv-9", "user", "Ana"),
    ]
    assert conversation.turns[0].time == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert conversation.turns[3].time == datetime(2023, 6, 3, 0, 5, tzinfo=UTC)
    found = {"query": "dog", "img_url": ["https://example.org/dog.jpg"]}
    assert conversation.turns[1].parts == (Text("nice"), Text("[image: a dog]", {"locomo": found}))
    assert conversation.turns[2].text == "more\n[image: a cat]"


def test_a_locomo_speaker_or_date_nobody_knows_is_refused(write):
    for field, value, reason in [
        ("session_10", [{"speaker": "Cy", "text": "x"}], "session_10[0].speaker: 'Cy'"),
        ("session_10_date_time", "25:00 pm on 8 May, 2023", "is not a time"),
        ("session_10_date_time", "1:00 pm on 31 June, 2023", "is not a time"),
        ("session_10_date_time", "soon", "is not a time like"),
    ]:
        conversation = LOCOMO[0]["conversation"] | {field: value}
        assert reason in failure(write([LOCOMO[0] | {"conversation": conversation}])).reason
