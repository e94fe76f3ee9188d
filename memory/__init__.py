"""sfumato: a memory that fades instead of forgetting.

Keeps every turn of a conversation verbatim; gives a model a view of it within
a token budget: recent turns as text, older ones as page images in tiers of
rising density; recalls any turn word for word.

    from sfumato import Memory

    memory = Memory("alice", host="claude-high-res", budget=8_000)
    memory.add("user", "My flight is LH1174 on the 7th.")
    request = memory.view().to_anthropic()
"""

from sfumato.aging import Policy
from sfumato.errors import (
    BudgetError,
    ConflictError,
    HostError,
    ImportFileError,
    InputError,
    NotFoundError,
    PinError,
    RenderError,
    SfumatoError,
    StoreError,
    TurnError,
)
from sfumato.hosts import Host, host, hosts
from sfumato.memory import Memory
from sfumato.recall import Recalled
from sfumato.store import Store
from sfumato.turn import Image, Text, ToolCall, ToolResult, Turn, Unknown, turn
from sfumato.view import View, ViewPart

__all__ = [
    "BudgetError",
    "ConflictError",
    "Host",
    "HostError",
    "Image",
    "ImportFileError",
    "InputError",
    "Memory",
    "NotFoundError",
    "PinError",
    "Policy",
    "Recalled",
    "RenderError",
    "SfumatoError",
    "Store",
    "StoreError",
    "Text",
    "ToolCall",
    "ToolResult",
    "Turn",
    "TurnError",
    "Unknown",
    "View",
    "ViewPart",
    "host",
    "hosts",
    "turn",
]
