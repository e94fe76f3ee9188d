"""Echoes of recall are told from results of other tools, whatever the model's ids are like."""

from sfumato.echoes import TOOL_NAME, echo_test
from sfumato.turn import Text, ToolCall, ToolResult, Turn


def called(name: str, id: str) -> Turn:
    return Turn("assistant", (ToolCall(id, name),))


def answered(id: str, *, name: str | None = None) -> Turn:
    return Turn("tool", (ToolResult(id, (Text("said"),), name),))


def test_a_result_without_a_name_is_known_by_its_call():
    turns = [called(TOOL_NAME, "a"), answered("a"), called("add", "b"), answered("b")]
    assert [echo_test(turns)(turn) for turn in turns] == [False, True, False, False]


def test_an_id_that_a_model_uses_again_stands_for_the_last_call():
    turns = [
        called("add", "call_0"),
        answered("call_0"),
        called(TOOL_NAME, "call_0"),
        answered("call_0"),
        called("add", "call_0"),
        answered("call_0"),
    ]
    assert [echo_test(turns)(turn) for turn in turns] == [False, False, False, True, False, False]


def test_a_result_with_a_name_needs_no_call():
    turns = [answered("x", name=TOOL_NAME), answered("y", name="add")]
    assert [echo_test(turns)(turn) for turn in turns] == [True, False]


def test_results_of_recall_and_another_tool_in_one_turn_are_no_echo():
    both = Turn("tool", (ToolResult("a", (Text("1"),)), ToolResult("b", (Text("2"),))))
    turns = [called(TOOL_NAME, "a"), called("add", "b"), both]
    assert not echo_test(turns)(both)
