"""A LangChain model request as memory has it.

Takes a ModelRequest whose messages are the whole conversation and a Memory;
gives the request with the view of it. Recent messages stay the very objects
they were. Knows nothing of hooks, graphs or configuration.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, cast

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AnyMessage, BaseMessage, ToolMessage

from sfumato.adapters.langchain_messages import langchain_from_turns, turns_from_langchain
from sfumato.adapters.langchain_view import front_message, is_front, merged_system, with_front
from sfumato.errors import SfumatoError
from sfumato.following import Followed
from sfumato.memory import Memory


def remembered(request: ModelRequest[Any], memory: Memory) -> ModelRequest[Any]:
    """The request with the thread's view in place of the whole conversation.

    The thread is made to follow the request's messages first. Messages that
    are not in the graph's state were added for this call only: they are sent
    where they stand and not remembered.
    """
    state = cast("Sequence[BaseMessage]", request.state["messages"])
    messages: Sequence[BaseMessage] = request.messages
    if any(map(is_front, messages)):
        # Another middleware of ours has been at it; the last one's view counts.
        messages = state
    known = {message.id for message in state if message.id}
    lasting = [message for message in messages if _lasts(message, known)]
    if not lasting:
        return request
    followed = memory.follow(turns_from_langchain(lasting))
    view = followed.view
    system, recent = _as_sent(followed, lasting)
    sent = [
        recent.get(id(message), message)
        for message in messages
        if id(message) in recent or not _lasts(message, known)
    ]
    return request.override(
        messages=cast("list[AnyMessage]", with_front(front_message(view), sent, view.host)),
        system_message=merged_system(request.system_message, system),
    )


def remember_reply(response: ModelResponse[Any], memory: Memory) -> None:
    """Add the model's answer to the thread without waiting for the next call.

    The graph's state has the last word: what it holds otherwise at the next
    call is set right then, and what could not be stored is complained of then,
    so that no answer that was paid for is lost here. One without an id could
    not be known again, and waits.
    """
    replies = [message for message in response.result if message.id]
    try:
        memory.extend(turns_from_langchain(replies))
    except SfumatoError:
        return


def _lasts(message: BaseMessage, known: Set[str]) -> bool:
    """Whether a message belongs to the conversation.

    A tool message does even without an id: the agent answers calls that make
    no sense with one that reaches the state only after the call.
    """
    return message.id in known or isinstance(message, ToolMessage)


def _as_sent(
    followed: Followed, lasting: Sequence[BaseMessage]
) -> tuple[list[BaseMessage], dict[int, BaseMessage]]:
    """The view's system messages, and its recent ones by the object they stand for.

    A turn that the view shows as it was said is the original message; one that
    it shows mended, hollowed or forgotten is written from the view.
    """
    given = {
        entry.seq: (entry, message)
        for entry, message in zip(followed.entries, lasting, strict=True)
    }
    system: list[BaseMessage] = []
    recent: dict[int, BaseMessage] = {}
    for part in followed.view.parts:
        if part.turn is None or part.first_turn is None:
            continue
        entry, message = given[part.first_turn]
        untouched = entry.state == "live" and part.turn == entry.turn
        sent = message if untouched else langchain_from_turns([part.turn])[0]
        if part.turn.role == "system":
            system.append(sent)
        else:
            recent[id(message)] = sent
    return system, recent
