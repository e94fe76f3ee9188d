"""LangChain: memory for agents and chains, and messages to turns and back.

``SfumatoMiddleware`` is for agents made with ``create_agent``,
``SfumatoChatMessageHistory`` for RunnableWithMessageHistory, ``recall_tool``
for models that are called by hand. Classic chains find ``SfumatoMemory`` in
``sfumato.adapters.langchain_classic``.
"""

from sfumato.adapters.langchain_history import SfumatoChatMessageHistory
from sfumato.adapters.langchain_messages import langchain_from_turns, turns_from_langchain
from sfumato.adapters.langchain_middleware import SfumatoMiddleware
from sfumato.adapters.langchain_recall import recall_tool
from sfumato.adapters.langchain_view import view_messages

__all__ = [
    "SfumatoChatMessageHistory",
    "SfumatoMiddleware",
    "langchain_from_turns",
    "recall_tool",
    "turns_from_langchain",
    "view_messages",
]
