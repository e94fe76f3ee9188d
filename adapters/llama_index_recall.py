"""Recall as a LlamaIndex tool.

Takes a memory, or a function that finds the one of the current run; gives a
FunctionTool that models call with a question or with marks. Knows nothing of
agents or workflows.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Protocol, runtime_checkable

from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, ConfigDict

from sfumato.echoes import TOOL_NAME
from sfumato.memory import Memory
from sfumato.recall import TOOL_DESCRIPTION, TOOL_PARAMETERS


@runtime_checkable
class HasMemory(Protocol):
    """Anything with a ``memory``, such as SfumatoMemory."""

    @property
    def memory(self) -> Memory: ...


def recall_tool(memory: Memory | HasMemory | Callable[[], Memory]) -> FunctionTool:
    """The tool with which a model fetches earlier turns word for word.

    ``memory`` is asked at each call when it is a function. Arguments that make
    no sense raise InputError, which agents give back to the model.
    """

    def find() -> Memory:
        if isinstance(memory, Memory):
            return memory
        return memory.memory if isinstance(memory, HasMemory) else memory()

    def recall_memory(**arguments: Any) -> str:
        return find().recall_tool(arguments)

    async def arecall_memory(**arguments: Any) -> str:
        return await find().arecall_tool(arguments)

    return FunctionTool.from_defaults(
        recall_memory,
        name=TOOL_NAME,
        description=TOOL_DESCRIPTION,
        fn_schema=RecallArguments,
        async_fn=arecall_memory,
    )


def _our_schema(schema: dict[str, Any]) -> None:
    schema.clear()
    schema.update(deepcopy(TOOL_PARAMETERS))


class RecallArguments(BaseModel):
    """Arguments of the recall tool; its JSON schema is that of all our recall tools."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_our_schema)

    query: str | None = None
    marks: list[int] | None = None
    k: int = 5
    around: int = 1
