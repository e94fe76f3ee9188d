"""Requests built from views keep the providers' rules and lose nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_rules import violations
from wire_values import PNG, any_turns, view_of

from sfumato.adapters.anthropic import (
    anthropic_from_turns,
    anthropic_request,
    turns_from_anthropic,
)
from sfumato.adapters.gemini import FOREIGN_CALL, gemini_from_turns, gemini_request
from sfumato.adapters.openai import (
    chat_request,
    openai_from_turns,
    responses_from_turns,
    responses_request,
    turns_from_openai,
)
from sfumato.errors import InputError
from sfumato.hosts import host
from sfumato.turn import Image, Part, Text, ToolCall, ToolResult, Turn, Unknown, turn
from sfumato.view import View

# Coverage's tracer would double the time that these many examples take.
pytestmark = pytest.mark.no_cover

Builder = Callable[[View], Any]
BUILDERS: dict[str, Builder] = {
    "openai": chat_request,
    "openai-responses": responses_request,
    "anthropic": anthropic_request,
    "gemini": gemini_request,
}
HOSTS = ["claude-high-res", "gpt-patch", "gemini-3", "qwen3-vl", "gemma-3", "text-only"]
PICTURE = Image(PNG, media_type="image/png")
BASE64 = base64.b64encode(PNG).decode()

everywhere = pytest.mark.parametrize("provider", BUILDERS)


def asking(*parts: Part) -> list[Turn]:
    """A question, a call of a tool, and its result."""
    return [
        turn("user", "go"),
        turn("assistant", [Text("so"), ToolCall("c1", "look", '{"q": 1}')]),
        turn("tool", [ToolResult("c1", parts or (Text("42"),))]),  # type: ignore[arg-type]
    ]


def strings(value: Any) -> Iterator[str]:
    """Every string in a request, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def said(request: Any) -> str:
    return "\n".join(strings(request))


# -- all rules, any turns -----------------------------------------------------


@everywhere
@settings(max_examples=100)
@given(turns=any_turns(), on=st.sampled_from(HOSTS), faded=st.booleans())
def test_any_turns_make_a_request_that_keeps_the_rules(
    provider: str, turns: list[Turn], on: str, faded: bool
):
    view = view_of(turns, on, faded=faded)
    if view.front or view.recent:
        assert violations(provider, BUILDERS[provider](view), open_calls=True) == []


@everywhere
@given(turns=any_turns())
def test_nothing_that_was_said_is_lost(provider: str, turns: list[Turn]):
    request = said(BUILDERS[provider](view_of(turns)))
    for part in _all_parts(turns):
        if isinstance(part, Text):
            assert part.text.strip() in request
        elif isinstance(part, Image) and part.data and part.media_type == "image/png":
            assert base64.b64encode(part.data).decode() in request
        elif isinstance(part, Unknown):
            assert json.dumps(part.raw, ensure_ascii=False, separators=(",", ":")) in request


def _all_parts(turns: list[Turn]) -> Iterator[Part]:
    for one in turns:
        for part in one.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.content


@everywhere
@given(turns=any_turns())
def test_the_same_view_always_makes_the_same_request(provider: str, turns: list[Turn]):
    view = view_of(turns)
    before = json.dumps(BUILDERS[provider](view))
    assert json.dumps(BUILDERS[provider](view)) == before


@given(any_turns())
def test_turns_of_any_origin_can_be_written_in_every_format(turns: list[Turn]):
    for write in (
        openai_from_turns,
        responses_from_turns,
        anthropic_from_turns,
        gemini_from_turns,
    ):
        written = said(write(turns))
        for part in _all_parts(turns):
            if isinstance(part, Text):
                assert part.text in written


# -- the provider's own types -------------------------------------------------


@settings(max_examples=25)
@given(any_turns())
def test_chat_requests_fit_the_openai_packages_types(turns: list[Turn]):
    chat = pytest.importorskip("openai.types.chat")
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(list[chat.ChatCompletionMessageParam])
    adapter.validate_python(_encodable(chat_request(view_of(turns, "gpt-patch"))))


@settings(max_examples=25)
@given(any_turns())
def test_responses_requests_fit_the_openai_packages_types(turns: list[Turn]):
    responses = pytest.importorskip("openai.types.responses")
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(list[responses.ResponseInputItemParam])
    adapter.validate_python(_encodable(responses_request(view_of(turns, "gpt-patch"))))


@settings(max_examples=25)
@given(any_turns())
def test_anthropic_requests_fit_the_anthropic_packages_types(turns: list[Turn]):
    types = pytest.importorskip("anthropic.types")
    pydantic = pytest.importorskip("pydantic")
    request = _encodable(anthropic_request(view_of(turns)))
    pydantic.TypeAdapter(list[types.MessageParam]).validate_python(request["messages"])
    if "system" in request:
        system = str | list[types.TextBlockParam]
        pydantic.TypeAdapter(system).validate_python(request["system"])


def _encodable(request: Any) -> Any:
    """The request without lone surrogates, which pydantic takes for no text at all."""
    if isinstance(request, str):
        return request.encode("utf-8", "replace").decode()
    if isinstance(request, dict):
        return {_encodable(key): _encodable(value) for key, value in request.items()}
    return [_encodable(item) for item in request] if isinstance(request, list) else request


# -- the front ----------------------------------------------------------------


def test_chat_has_system_then_the_front_then_the_recent_turns():
    system, front, recent = chat_request(
        view_of([turn("user", "hi"), turn("system", "be brief")], "gpt-patch")
    )
    assert system == {"role": "system", "content": "be brief"}
    assert front["role"] == "user"
    assert [part["type"] for part in front["content"]] == [
        "text", "image_url", "text", "image_url", "text",
    ]  # fmt: skip
    detail = host("gpt-patch").image_detail(672, 960)
    url = f"data:image/png;base64,{BASE64}"
    assert front["content"][1]["image_url"] == {"url": url, "detail": detail}
    assert front["content"][4]["text"] == "Facts: LH1174\nCopy of #1 user: LH1174"
    assert recent == {"role": "user", "content": "hi"}


def test_responses_ask_for_the_hosts_detail():
    [front, _] = responses_request(view_of([turn("user", "hi")], "qwen3-vl"))
    page = front["content"][1]
    assert page["type"] == "input_image"
    assert page["detail"] == "high"
    assert page["image_url"].endswith(BASE64)


def test_anthropic_merges_the_front_into_the_first_user_message():
    request = anthropic_request(view_of([turn("user", "hi"), turn("system", "be brief")]))
    assert request["system"] == "be brief"
    [message] = request["messages"]
    assert [block["type"] for block in message["content"]] == ["text", "image"] * 2 + [
        "text",
        "text",
    ]
    assert message["content"][-1] == {"type": "text", "text": "hi"}
    marked = [block for block in message["content"] if "cache_control" in block]
    assert marked == [message["content"][3]]


def test_gemini_asks_for_the_level_that_was_paid_for():
    request = gemini_request(view_of([turn("user", "hi"), turn("system", "be brief")], "gemini-3"))
    assert request["system_instruction"] == {"parts": [{"text": "be brief"}]}
    [content] = request["contents"]
    assert content["parts"][1] == {
        "inlineData": {"mimeType": "image/png", "data": BASE64},
        "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
    }
    assert content["parts"][-1] == {"text": "hi"}


def test_chat_merges_the_front_where_the_host_wants_alternation():
    turns = [turn("user", "hi"), turn("user", "there", name="Ann")]
    [message] = chat_request(view_of(turns, "gemma-3"))
    assert [part["text"] for part in message["content"][-2:]] == ["hi", "there"]


@everywhere
@pytest.mark.parametrize(
    "on", ["gpt-patch", "gpt-5.4-original", "gemini-3", "gemini-2", "claude-standard"]
)
@pytest.mark.parametrize("size", [(672, 960), (960, 1344), (1920, 2688)])
def test_pages_keep_the_rules_of_a_wire_that_is_not_the_hosts_own(
    provider: str, on: str, size: tuple[int, int]
):
    view = view_of([turn("user", "hi")], on)
    width, height = size
    pages = tuple(replace(p, width=width, height=height) if p.png else p for p in view.parts)
    assert violations(provider, BUILDERS[provider](replace(view, parts=pages))) == []


@everywhere
def test_a_view_without_a_front_is_just_its_turns(provider: str):
    request = BUILDERS[provider](view_of([turn("user", "hi")], faded=False))
    assert "[Memory]" not in said(request)
    assert "hi" in said(request)


@everywhere
def test_a_dry_run_cannot_be_sent(provider: str):
    view = view_of([turn("user", "hi")])
    planned = replace(view, parts=tuple(replace(part, png=None) for part in view.parts))
    with pytest.raises(InputError, match="without drawing"):
        BUILDERS[provider](planned)


@everywhere
def test_adding_a_turn_leaves_the_request_before_it_unchanged(provider: str):
    turns = [*asking(), turn("assistant", "42."), turn("user", "thanks")]
    shorter = json.dumps(BUILDERS[provider](view_of(turns[:-1])))
    longer = json.dumps(BUILDERS[provider](view_of(turns)))
    # Up to the closing brackets, one is the other's beginning.
    assert longer.startswith(shorter.rstrip("]}").rsplit("42.", 1)[0])


# -- calls, results, pictures -------------------------------------------------


def test_a_picture_in_a_result_moves_behind_the_chat_tool_messages():
    turns = asking(Text("here"), PICTURE)
    turns[1] = turn("assistant", [ToolCall("c1", "look"), ToolCall("c2", "look")])
    turns.append(turn("tool", [ToolResult("c2", (Text("nothing"),))]))
    messages = chat_request(view_of(turns, "gpt-patch", faded=False))
    assert [message["role"] for message in messages] == [
        "user", "assistant", "tool", "tool", "user",
    ]  # fmt: skip
    label, picture = messages[-1]["content"]
    assert label == {"type": "text", "text": "[Image from the result of look:]"}
    assert picture["image_url"]["url"].endswith(BASE64)


def test_anthropic_and_responses_keep_pictures_in_results():
    turns = asking(Text("here"), PICTURE)
    [*_, message] = anthropic_request(view_of(turns, faded=False))["messages"]
    assert [part["type"] for part in message["content"][0]["content"]] == ["text", "image"]
    [*_, item] = responses_request(view_of(turns, "gpt-patch", faded=False))
    assert [part["type"] for part in item["output"]] == ["input_text", "input_image"]


def test_a_picture_never_stands_between_a_waiting_call_and_its_result():
    turns = asking(PICTURE)
    turns[1] = turn("assistant", [ToolCall("c1", "look"), ToolCall("c2", "look")])
    messages = chat_request(view_of(turns, "gpt-patch", faded=False))
    assert [message["role"] for message in messages] == ["user", "user", "assistant", "tool"]


def test_what_interrupts_a_call_comes_after_its_result():
    turns = asking()
    turns.insert(2, turn("user", "are you there?"))
    roles = [m["role"] for m in chat_request(view_of(turns, "gpt-patch", faded=False))]
    assert roles == ["user", "assistant", "tool", "user"]
    [*_, last] = anthropic_request(view_of(turns, faded=False))["messages"]
    assert [block["type"] for block in last["content"]] == ["tool_result", "text"]


def test_anthropic_calls_end_their_message():
    turns = asking()
    turns[1] = turn("assistant", [ToolCall("c1", "look"), Text("so")])
    message = anthropic_request(view_of(turns, faded=False))["messages"][1]
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]


def test_a_call_id_that_comes_twice_is_made_unique_with_its_result():
    messages = chat_request(view_of(asking() + asking(), "gpt-patch", faded=False))
    calls = [call["id"] for m in messages for call in m.get("tool_calls", [])]
    answers = [m["tool_call_id"] for m in messages if m["role"] == "tool"]
    assert calls == answers == ["c1", "c1-2"]


@everywhere
def test_a_call_without_a_result_is_said_in_words(provider: str):
    request = BUILDERS[provider](view_of([*asking()[:2], turn("user", "never mind")]))
    assert 'look({"q": 1})' in said(request)
    assert violations(provider, request) == []


@everywhere
def test_calls_at_the_end_wait_for_their_results(provider: str):
    request = BUILDERS[provider](view_of(asking()[:2]))
    assert violations(provider, request)
    assert violations(provider, request, open_calls=True) == []


@everywhere
def test_a_half_answered_message_waits_for_the_other_result(provider: str):
    turns = asking()
    turns[1] = turn("assistant", [ToolCall("c1", "look"), ToolCall("c2", "look")])
    request = BUILDERS[provider](view_of(turns))
    assert violations(provider, request)
    assert violations(provider, request, open_calls=True) == []


@everywhere
def test_pictures_of_a_result_without_its_call_are_still_shown(provider: str):
    lone = turn("tool", [ToolResult("gone", (Text("here"), PICTURE), "look")])
    request = BUILDERS[provider](view_of([turn("user", "hi"), lone], faded=False))
    assert violations(provider, request) == []
    assert "← look: here" in said(request)
    assert BASE64 in said(request)


def test_arguments_that_are_no_object_reach_anthropic_in_one():
    turns = asking()
    turns[1] = turn("assistant", [ToolCall("c1", "look", '{"q": ')])
    block = anthropic_request(view_of(turns, faded=False))["messages"][1]["content"][0]
    assert block["input"] == {"arguments": '{"q": '}


def test_errors_are_flagged_in_every_format():
    turns = asking()
    turns[2] = turn("tool", [ToolResult("c1", (Text("no such city"),), is_error=True)])
    assert anthropic_request(view_of(turns, faded=False))["messages"][2]["content"][0]["is_error"]
    response = gemini_request(view_of(turns, "gemini-3", faded=False))["contents"][2]["parts"][0]
    assert response["functionResponse"]["response"] == {"error": "no such city"}
    assert "[error]" in said(chat_request(view_of(turns, faded=False))[2])


def test_gemini_3_gets_a_signature_for_calls_of_other_models():
    contents = gemini_request(view_of(asking(), "gemini-3", faded=False))["contents"]
    assert contents[1]["parts"][1]["thoughtSignature"] == FOREIGN_CALL
    contents = gemini_request(view_of(asking(), "gemini-2", faded=False))["contents"]
    assert "thoughtSignature" not in contents[1]["parts"][1]


# -- other rules --------------------------------------------------------------


def test_thinking_goes_back_to_anthropic_and_in_words_to_others():
    thinking = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
    turns = turns_from_anthropic(
        [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [thinking, {"type": "text", "text": "so"}]},
        ]
    )
    assert anthropic_request(view_of(turns))["messages"][1]["content"][0] == thinking
    assert '[anthropic part: {"type":"thinking"' in said(chat_request(view_of(turns)))


def test_fields_of_one_provider_do_not_reach_another():
    turns = turns_from_openai([{"role": "user", "content": "hi", "x_trace": "abc"}])
    assert "abc" in said(chat_request(view_of(turns)))
    assert "abc" not in said(anthropic_request(view_of(turns)))


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_speakers_are_named_where_messages_have_no_name(provider: str):
    turns = [turn("user", "hi", name="Ann"), turn("user", "ho", name="Bob")]
    request = said(BUILDERS[provider](view_of(turns)))
    assert "Ann: hi" in request
    assert "Bob: ho" in request


def test_names_are_written_in_the_characters_openai_takes():
    [message] = chat_request(view_of([turn("user", "hi", name="Ann <Lee>")], faded=False))
    assert message["name"] == "Ann_Lee_"


@everywhere
def test_pictures_reach_a_blind_host_as_words(provider: str):
    picture = Image(PNG, media_type="image/png", caption="a map")
    request = said(BUILDERS[provider](view_of([turn("user", [picture])], "text-only")))
    assert "[image: a map]" in request
    assert BASE64 not in request


def test_breakpoints_of_the_conversation_give_way_to_ours():
    mark = {"type": "ephemeral"}
    block = {"type": "text", "text": "hi", "cache_control": mark}
    turns = turns_from_anthropic(
        [{"role": role, "content": [block]} for role in ["user", "assistant"] * 4 + ["user"]]
    )
    request = anthropic_request(view_of(turns))
    assert violations("anthropic", request) == []
    marked = [b for m in request["messages"] for b in m["content"] if "cache_control" in b]
    assert len(marked) == 4
    assert marked[0]["type"] == "image"
    assert turns[0].parts[0].extra == {"anthropic": {"cache_control": mark}}  # type: ignore[union-attr]
