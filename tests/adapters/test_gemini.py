"""The Gemini format: there and back, and bad input refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import (
    base64_texts,
    fields,
    ids,
    json_objects,
    json_values,
    links,
    media_types,
    names,
    objects,
    stored,
    texts,
)

from sfumato.adapters.gemini import gemini_from_turns, turns_from_gemini
from sfumato.errors import TurnError
from sfumato.turn import Image, Text, ToolResult, Unknown

beside = fields(thoughtSignature=texts, mediaResolution=st.just({"level": "MEDIA_RESOLUTION_LOW"}))
kinds = media_types | st.just("audio/wav")
pictures = st.one_of(
    objects(beside, inlineData=objects(fields(), mimeType=kinds, data=base64_texts)),
    objects(beside, inline_data=objects(fields(), mime_type=kinds, data=base64_texts)),
    objects(beside, fileData=objects(fields(), fileUri=links, mimeType=kinds)),
    objects(beside, file_data=objects(fields(), file_uri=links, mimeType=kinds)),
)
called = objects(fields(id=st.none() | ids, args=st.none() | json_objects), name=names)
responses = objects(
    fields(id=st.none() | ids, willContinue=st.booleans(), parts=st.lists(pictures, max_size=2)),
    name=names,
    response=st.one_of(
        st.fixed_dictionaries({"output": texts}),
        st.fixed_dictionaries({"result": texts}),
        st.fixed_dictionaries({"error": texts}),
        json_objects,
    ),
)
response_parts = st.one_of(
    objects(beside, functionResponse=responses), objects(st.just({}), function_response=responses)
)
parts = st.one_of(
    objects(beside, text=texts),
    objects(fields(thought=st.booleans()), text=texts),
    pictures,
    objects(beside, functionCall=called),
    objects(st.just({}), function_call=called),
    response_parts,
    objects(st.just({}), functionResponse=objects(fields(), name=names)),
    objects(st.just({}), executableCode=json_objects),
    st.dictionaries(texts.filter(lambda key: key != "text"), json_values, max_size=1),
)
contents = st.one_of(
    objects(
        fields(parts=st.lists(parts, max_size=3) | st.lists(response_parts, max_size=3)),
        role=st.sampled_from(["user", "model", "function"]),
    ),
    objects(st.just({}), parts=st.lists(parts, max_size=2)),
)
instructions = texts | objects(
    fields(role=st.just("system")), parts=st.lists(objects(st.just({}), text=texts), max_size=2)
)
requests = st.one_of(
    st.fixed_dictionaries(
        {"contents": st.lists(contents, max_size=4)}, optional={"system_instruction": instructions}
    ),
    st.fixed_dictionaries(
        {"contents": st.lists(contents, max_size=2), "systemInstruction": instructions}
    ),
)


@given(requests)
def test_a_request_comes_back_equal_from_storage(request: dict[str, Any]):
    assert gemini_from_turns(stored(turns_from_gemini(request))) == request


def test_calls_without_ids_are_paired_by_name_and_order():
    call = {"functionCall": {"name": "f", "args": {"n": 1}}}
    other = {"functionCall": {"name": "g", "args": {}}}

    def answer(name: str, text: str) -> dict[str, Any]:
        return {"functionResponse": {"name": name, "response": {"output": text}}}

    turns = turns_from_gemini(
        [
            {"role": "model", "parts": [call, call, other]},
            {"role": "user", "parts": [answer("f", "1"), answer("f", "2"), answer("g", "3")]},
            {"role": "model", "parts": [call]},
            {"role": "user", "parts": [answer("f", "4")]},
        ]
    )
    assert [turn.role for turn in turns] == ["assistant", "tool", "assistant", "tool"]
    assert turns[0].call_ids == turns[1].result_ids
    assert turns[2].call_ids == turns[3].result_ids
    assert len({*turns[0].call_ids, *turns[2].call_ids}) == 4


def test_errors_and_pictures_of_responses_are_known():
    response = {
        "name": "f",
        "id": "c",
        "response": {"error": "no such city"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
    }
    [turn] = turns_from_gemini([{"role": "user", "parts": [{"functionResponse": response}]}])
    picture = Image(b"hi", media_type="image/png")
    assert turn.parts == (ToolResult("c", (Text("no such city"), picture), "f", True),)


def test_thoughts_and_bare_signatures_stay_verbatim():
    thought = {"text": "hm", "thought": True}
    signature = {"text": "", "thoughtSignature": "EqQB"}
    [turn] = turns_from_gemini([{"role": "model", "parts": [thought, signature]}])
    assert turn.parts == (Unknown("gemini", thought), Unknown("gemini", signature))
    assert turn.text == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hi", "expected an object, found str"),
        ({"role": "assistant", "parts": []}, "unknown role 'assistant'"),
        ({"role": "user", "parts": "hi"}, "parts: expected a list"),
        ({"role": "user", "parts": ["hi"]}, r"parts\[0\]: expected an object"),
        ({"role": "user", "parts": [{"text": 1}]}, r"parts\[0\].text: expected a string"),
        ({"role": "model", "parts": [{"functionCall": {}}]}, "functionCall.name: expected a str"),
        (
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": "{}"}}]},
            "functionCall.args: expected an object",
        ),
    ],
)
def test_bad_contents_are_refused_with_index_and_reason(content: Any, reason: str):
    good = {"role": "user", "parts": [{"text": "hi"}]}
    with pytest.raises(TurnError, match=r"contents\[1\].*" + reason):
        turns_from_gemini([good, content])
